from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Served, serving
from typer.testing import CliRunner

import saegeom_data
from saegeom_data.cli import main
from saegeom_data.data import manifest_of, write
from saegeom_data.errors import SaegeomError, SpecError, StoreError, UnknownNameError
from saegeom_data.share import catalogue
from saegeom_data.share.catalogue import Catalogue, catalogue_entry, load_catalogue, open_entry, write_catalogue
from saegeom_data.spec.models import parse_spec
from saegeom_data.testing.simulate import simulate_store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue") / "small.zarr"
    write.write_tree(simulate_store(n_saes=2, n_features=60, n_blocks=40), folder)
    return folder


@pytest.fixture
def served(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with the dataset, and a catalogue of it."""
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    files = {f"/lab/small/{file.relative_to(data)}": file.read_bytes() for file in data.rglob("*") if file.is_file()}
    with serving(served=Served(files=files)) as server:
        entry = catalogue_entry(f"{server.url}/lab/small")
        server.files["/lab/catalogue.yaml"] = write_catalogue([entry], title="A lab").encode()
        yield server


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def test_an_entry_says_what_the_store_holds(data: Path, served: Served) -> None:
    entry = catalogue_entry(f"{served.url}/lab/small")
    files = manifest_of.read_manifest(data)["files"]
    assert (entry.name, entry.url) == ("small", f"{served.url}/lab/small")
    assert entry.root == manifest_of.root_hash(data)
    assert entry.bytes == sum((data / name).stat().st_size for name in files)
    with saegeom_data.open(data) as tree:
        features = [tree[f"saes/{name}/features"] for name in tree["saes"].children]
        assert entry.saes == len(features) == 2
        assert entry.widths == [60]
        assert entry.sites == [group.site.item() for group in features]
        assert entry.license == tree.attrs["license"]
        assert entry.pairs == tree["relations"].sizes["pairs"]
    local = catalogue_entry(data)
    assert local.model_copy(update={"url": entry.url}) == entry


def test_an_entry_reads_metadata_only(served: Served) -> None:
    def chunks() -> list[str]:
        return [request for request in served.requests if "/decoder/c" in request]

    served.requests.clear()
    entry = catalogue_entry(f"{served.url}/lab/small")
    assert chunks() == []
    with open_entry(entry) as tree:
        tree["saes/layer_0/features/decoder"][:1].compute()
    # That the first count was 0 means something only if reading would have been counted.
    assert chunks() != []


def test_a_catalogue_is_read_from_a_file_and_a_url_and_as_json(served: Served, tmp_path: Path) -> None:
    read = load_catalogue(f"{served.url}/lab/catalogue.yaml")
    (tmp_path / "catalogue.yaml").write_bytes(served.files["/lab/catalogue.yaml"])
    (tmp_path / "catalogue.json").write_text(json.dumps(read.model_dump(), indent=1))
    assert load_catalogue(tmp_path / "catalogue.yaml") == read
    assert load_catalogue(tmp_path / "catalogue.json") == read
    with open_entry(read.entry("small")) as tree:
        assert list(tree["saes"].children) == ["layer_0", "layer_1"]
    with pytest.raises(UnknownNameError, match="did you mean 'small'"):
        read.entry("smal")


def test_another_root_is_refused_in_one_line(served: Served) -> None:
    (entry,) = load_catalogue(f"{served.url}/lab/catalogue.yaml").datasets
    wrong = entry.model_copy(update={"root": "0" * 64})
    with pytest.raises(StoreError, match=f"^small: .* has root {entry.root}, the catalogue says {'0' * 64}") as refused:
        open_entry(wrong)
    assert "\n" not in str(refused.value)
    address = f"{served.url}/lab/catalogue.yaml"
    assert call("list", "datasets", "--catalogue", address, "--verify").exit_code == 0
    served.files["/lab/catalogue.yaml"] = write_catalogue([wrong]).encode()
    assert call("list", "datasets", "--catalogue", address).exit_code == 0
    assert isinstance(call("list", "datasets", "--catalogue", address, "--verify").exception, StoreError)


def test_a_bad_catalogue_is_refused_with_its_lines(served: Served) -> None:
    with pytest.raises(SpecError, match=r"f:3: datasets.*missing|f:1: datasets"):
        parse_spec("spec_version: 1\nkind: catalogue\ntitle: none\n", Catalogue, "f")
    for content, said in [
        (b"\xff", "not UTF-8"),
        (b"#" * (catalogue.LARGEST + 1), "larger than"),
        # YAML that would run code in a loader that is not safe.
        (b"a: !!python/object:os.system x", "tag"),
    ]:
        served.files["/lab/bad.yaml"] = content
        with pytest.raises(SpecError, match=said):
            load_catalogue(f"{served.url}/lab/bad.yaml")
    with pytest.raises(StoreError, match="no such file"):
        load_catalogue(f"{served.url}/lab/none.yaml")


def test_command_lists_what_is_shipped_and_what_is_published(served: Served, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    made = call("catalogue", data, "--url", f"{served.url}/lab/small", "-o", target)
    assert made.exit_code == 0
    rows = json.loads(call("list", "datasets", "--catalogue", target, "--json").stdout)["datasets"]
    found = {row["name"]: row for row in rows}
    assert found["small"]["from"] == f"{served.url}/lab/small"
    assert found["minilm-sample"]["root"] == manifest_of.root_hash(saegeom_data.sample_path())
    gemma = found["gemma-scope-2b-res-65k"]
    assert (gemma["saes"], gemma["widths"], min(gemma["l0"]), max(gemma["l0"])) == (26, [65536], 70, 128)
    assert manifest_of.root_hash(data)[:12] in call("list", "datasets", "--catalogue", target).stdout
    for arguments in (
        ["list", "runs", "--catalogue", target],
        ["list", "datasets", "--verify"],
        ["catalogue", data, "-o", target],
        ["catalogue", data, data, "--url", "https://example.org/x", "-o", tmp_path / "other.yaml"],
        ["catalogue", data, data, "-o", tmp_path / "other.yaml"],
    ):
        assert isinstance(call(*arguments).exception, SaegeomError), arguments
