"""Imports as a user makes them: one store of one or many SAEs, from Python and from the shell, and a run over them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

import saegeom_data
from saegeom_data.checkpoints import import_checkpoints, open_checkpoint, open_checkpoints
from saegeom_data.cli import main
from saegeom_data.data import write
from saegeom_data.errors import ParameterError, SaegeomError, StoreError
from saegeom_data.results import open

HIDDEN = 8
SAID: dict[str, Any] = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 4.0, "architecture": "topk"}
Call = Callable[..., tuple[int, str, str]]


def decoder(features: int, seed: int = 0, *, unit: bool = False) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).standard_normal((features, HIDDEN)).astype("float32")
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows


def gemma_scope(folder: Path, layer: int, width: str, features: int, l0: int) -> None:
    place = folder / "gemma-scope-2b-pt-res" / f"layer_{layer}" / f"width_{width}" / f"average_l0_{l0}"
    place.mkdir(parents=True)
    arrays = {"W_enc": decoder(features).T, "W_dec": decoder(features, layer), "b_enc": np.zeros(features, "float32")}
    np.savez(place / "params.npz", **arrays, b_dec=np.zeros(HIDDEN, "float32"), threshold=arrays["b_enc"])


def saelens(folder: Path, layer: int, **config: Any) -> None:
    from safetensors.numpy import save_file

    place = folder / f"blocks.{layer}.hook_resid_pre"
    place.mkdir(parents=True)
    save_file(
        {"W_dec": decoder(40, layer, unit=True), "b_dec": np.zeros(HIDDEN, "float32")},
        place / "sae_weights.safetensors",
    )
    told = {"model_name": "gpt2", "hook_name": place.name}
    (place / "cfg.json").write_text(json.dumps({"architecture": "standard", "metadata": told} | config))


@pytest.fixture
def saegeom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line in this process: exit status, standard output, standard error."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["saegeom", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_suite_opens_as_one_tree_and_a_run_maps_over_it(saegeom: Call, tmp_path: Path) -> None:
    for layer in (3, 10):
        for width, features in (("16k", 90), ("65k", 120)):
            gemma_scope(tmp_path, layer, width, features, 70 + layer)
    status, out, err = saegeom("import", tmp_path / "gemma-scope-2b-pt-res", "-o", tmp_path / "suite.zarr", "--json")
    assert (status, err) == (0, "")
    names = ["layer_3_width_90", "layer_3_width_120", "layer_10_width_90", "layer_10_width_120"]
    assert json.loads(out)["saes"] == names
    assert saegeom("validate", tmp_path / "suite.zarr", "--values", "--checksums")[0] == 0
    with xr.open_datatree(tmp_path / "suite.zarr", engine="zarr", chunks={}) as tree:
        widths = {name: node["features"].sizes["features"] for name, node in tree["saes"].children.items()}
        assert [widths[name] for name in names] == [90, 120, 90, 120]
        np.testing.assert_array_equal(tree["saes/layer_10_width_120/features"].decoder, decoder(120, 10))
    run = {"spec_version": 1, "kind": "run", "title": "Slopes"}
    run["metrics"] = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 7}}]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    status, out, err = saegeom("run", tmp_path / "run.yaml", "--data", tmp_path / "suite.zarr", "-o", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "caution: width differs between the SAEs (90 to 120)" in out
    slopes = open.open_results(tmp_path / "out")["eigenvalue_slope"]
    assert slopes.sae.values.tolist() == names
    assert slopes.layer.values.tolist() == [3, 3, 10, 10]
    assert slopes.l0.values.tolist() == [73, 73, 80, 80]
    assert np.isfinite(slopes.slope).all()


def test_several_sources_make_one_store(saegeom: Call, tmp_path: Path) -> None:
    saelens(tmp_path / "release", 0)
    saelens(tmp_path / "release", 11)
    np.save(tmp_path / "own.npy", decoder(30))
    arguments = ["import", tmp_path / "release", tmp_path / "own.npy", "-o", tmp_path / "out.zarr"]
    arguments += ["--l0", "*/blocks.0.*=31.5", "--l0", "*/blocks.11.*=nan", "--l0", "*.npy=7", "--license", "MIT"]
    arguments += ["--site", "*.npy=blocks.6.hook_mlp_out", "--model", "*.npy=gpt2", "--architecture", "*.npy=topk"]
    status, out, err = saegeom(*arguments)
    assert (status, err) == (0, "")
    assert "3 SAEs" in out
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        assert tree.attrs["license"] == "MIT"
        features = {name: tree[f"saes/{name}/features"].to_dataset() for name in ("layer_0", "layer_6", "layer_11")}
        assert [group.l0.item() for group in features.values()] == pytest.approx([31.5, 7, np.nan], nan_ok=True)
        assert [group.attrs["decoder_norm"] for group in features.values()] == ["unit", "raw", "unit"]
        assert [group.attrs["format"] for group in features.values()] == ["saelens", "arrays", "saelens"]
        digest = write.measured(tmp_path / "own.npy")["sha256"]
        assert features["layer_6"].attrs["source_sha256"] == digest
        assert json.loads(tree.attrs["sources"])[2]["sha256"] == digest
    assert "| layer_11 | blocks.11.hook_resid_pre | 40 |" in (tmp_path / "out.zarr" / "README.md").read_text()


@pytest.mark.parametrize("name", ["decoder.npy", "own.npz", "own.safetensors"])
def test_plain_arrays(name: str, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    rows = decoder(30)
    if name.endswith(".npy"):
        np.save(tmp_path / name, np.asfortranarray(rows))
        key = None
    else:
        key = "directions"
        (np.savez if name.endswith("z") else lambda path, **arrays: save_file(arrays, path))(
            tmp_path / name, directions=rows, other=rows[:4]
        )
    opened = open_checkpoint(tmp_path / name, key=key, **SAID)
    np.testing.assert_array_equal(opened.decoder, rows)
    np.testing.assert_array_equal(opened.decoder[5:9], rows[5:9])
    assert (opened.attrs["format"], opened.layer.item()) == ("arrays", 6)
    if key is not None:
        with pytest.raises(SaegeomError, match=r"no array in .* is named 'direction'; did you mean 'directions'"):
            open_checkpoint(tmp_path / name, key="direction", **SAID)
        with pytest.raises(SaegeomError, match="of no known format; holds directions"):
            open_checkpoint(tmp_path / name, **SAID)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_dtypes_are_kept(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", decoder(30).astype(dtype))
    import_checkpoints([tmp_path / "a.npy"], tmp_path / "out.zarr", name="mine", **SAID)
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        stored = tree["saes/mine/features"].decoder
        assert stored.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(stored, decoder(30).astype(dtype))


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", decoder(30))
    opened = open_checkpoint(tmp_path / "a.npy", **SAID)
    assert opened.chunks
    assert opened.decoder.data.name == open_checkpoint(tmp_path / "a.npy", **SAID).decoder.data.name
    (tmp_path / "a.npy").unlink()
    with pytest.raises(StoreError, match=r"a\.npy: bytes 128 to 1088 cannot be read"):
        opened.compute()


def test_imported_from_python_as_from_the_shell(tmp_path: Path) -> None:
    for layer in (1, 2):
        gemma_scope(tmp_path, layer, "16k", 90, 70)
    tree = open_checkpoints([tmp_path], encoder=True, title="Mine", license="CC0-1.0")
    write.write_tree(tree, tmp_path / "tree.zarr")
    with saegeom_data.open(tmp_path / "tree.zarr") as written:
        assert written.attrs["title"] == "Mine"
        assert set(written["saes/layer_2/features"].data_vars) >= {
            "encoder",
            "encoder_bias",
            "threshold",
            "decoder_bias",
        }
    with pytest.raises(ParameterError, match=r"got 2 checkpoints .* expected one"):
        open_checkpoint(tmp_path / "gemma-scope-2b-pt-res")


@pytest.mark.parametrize("option", ["model", "site", "layer", "l0", "architecture"])
def test_what_nobody_says_is_asked_for(option: str, saegeom: Call, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", decoder(30))
    said = SAID | {"site": "hook_embed", "layer": 3}
    arguments = [f"--{name}={value}" for name, value in said.items() if name != option]
    status, _, err = saegeom("import", tmp_path / "a.npy", "-o", tmp_path / "out.zarr", *arguments)
    assert (status, len(err.splitlines())) == (2, 1)
    assert f"a.npy: {option} is not in the checkpoint; give --{option} (" in err
    assert not (tmp_path / "out.zarr").exists()


def test_all_that_nobody_says_is_asked_for_at_once(saegeom: Call, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        np.save(tmp_path / f"{name}.npy", decoder(30))
    status, _, err = saegeom("import", tmp_path, "-o", tmp_path / "out.zarr")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "c.npy and 1 more: model, site, l0 and architecture are not in the checkpoints; give --model (" in err
    assert all(f"--{name} (" in err for name in SAID)
    saelens(tmp_path / "release", 0)
    with pytest.raises(ParameterError) as caught:
        open_checkpoints([tmp_path, tmp_path / "release"], l0={"*.npy": 3})
    first, second = (problem.message for problem in caught.value.problems)
    assert "model, site and architecture are not in" in first
    assert "l0 is not in the checkpoint" in second


def test_one_site_serves_many_layers(tmp_path: Path) -> None:
    for layer in (0, 3, 11):
        np.save(tmp_path / f"sae_layer_{layer}_of_12.npy", decoder(30, layer))
    said = SAID | {"site": "blocks.{layer}.hook_mlp_out"}
    with open_checkpoints([tmp_path], **said) as tree:
        found = {name: node["features"].attrs["input_hook"] for name, node in tree["saes"].children.items()}
    assert found == {f"layer_{layer}": f"blocks.{layer}.hook_mlp_out" for layer in (0, 3, 11)}
    # A layer that is given goes before one in a name, and one that is in the checkpoint too.
    (one,) = open_checkpoints([tmp_path / "sae_layer_3_of_12.npy"], **said, layer=4)["saes"].children
    assert one == "layer_4"
    gemma_scope(tmp_path / "own", 9, "16k", 40, 5)
    (tmp_path / "own" / "gemma-scope-2b-pt-res").rename(tmp_path / "own" / "renamed")
    assert int(open_checkpoint(tmp_path / "own", **said).layer) == 9
    np.save(tmp_path / "own.npy", decoder(30))
    with pytest.raises(ParameterError, match=r"own\.npy: site: got 'blocks\.\{layer\}.*; give --layer PATTERN=VALUE"):
        open_checkpoint(tmp_path / "own.npy", **said)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"site": "nonsense"}, "a.npy: site: got 'nonsense', expected a hook such as"),
        ({"site": "blocks 6"}, "a.npy: site: got 'blocks 6', expected a hook such as"),
        ({"site": "hook_resid_post"}, "a.npy: site: got a hook of no block, expected one such as blocks.6.hook_resid"),
        ({"layer": 9}, "a.npy: layer: got 9, and the site that is given, blocks.6.hook_resid_post, is of layer 6"),
        ({"layer": True}, "a.npy: layer: got 'True', expected the number of the block"),
        ({"l0": True}, "a.npy: l0: got 'True', expected features on a token"),
    ],
)
def test_facts_that_cannot_be_are_refused(said: dict[str, Any], line: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", decoder(30))
    with pytest.raises(ParameterError) as caught:
        open_checkpoint(tmp_path / "a.npy", **SAID | said)
    assert line in str(caught.value)


def test_a_layer_that_is_not_that_of_the_checkpoint_is_refused(tmp_path: Path) -> None:
    saelens(tmp_path, 6)
    with pytest.raises(
        ParameterError, match=r"got 9, and the site in the checkpoint, blocks\.6\.hook_resid_pre, is of"
    ):
        open_checkpoint(tmp_path, l0=3, layer=9)
    assert open_checkpoint(tmp_path, l0=3, layer=6).attrs["input_hook"] == "blocks.6.hook_resid_pre"


def test_messages_name_files_as_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own" / "deep").mkdir(parents=True)
    np.save(tmp_path / "own" / "deep" / "d.npy", decoder(30))
    monkeypatch.chdir(tmp_path / "own")
    for address, shown in (
        ("deep/d.npy", "deep/d.npy"),
        ("deep", "deep/d.npy"),
        (".", "deep/d.npy"),
        ("../own/deep", "../own/deep/d.npy"),
        (str(tmp_path), str(tmp_path / "own/deep/d.npy")),
    ):
        with pytest.raises(ParameterError, match=f"^{re.escape(shown)}: model, site, l0 and architecture are not in"):
            open_checkpoint(address)


def test_a_store_does_not_say_where_on_the_machine_its_files_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    np.save(tmp_path / "own" / "a.npy", decoder(30))
    monkeypatch.chdir(tmp_path / "own")
    roots = [
        import_checkpoints([address], tmp_path / f"{number}.zarr", **SAID)
        for number, address in enumerate([tmp_path / "own" / "a.npy", "a.npy", "../own/a.npy"])
    ]
    assert len(set(roots)) == 1
    for file in ("README.md", "zarr.json", "MANIFEST.json"):
        assert str(tmp_path) not in (tmp_path / "0.zarr" / file).read_text()
    with saegeom_data.open(tmp_path / "0.zarr") as tree:
        assert json.loads(tree.attrs["sources"])[0]["url"] == "a.npy"


def test_what_cannot_be_imported_is_said_in_one_line(saegeom: Call, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", decoder(30))
    np.save(tmp_path / "b.npy", decoder(30))
    (tmp_path / "taken").mkdir()
    said = [f"--{name}={value}" for name, value in SAID.items()]
    for arguments, message in (
        (["gemma-scope", tmp_path / "a.npy", *said], "of no known format; holds decoder (30, 8); known: gemma-scope ("),
        (
            ["gemma-scop", tmp_path / "a.npy", *said],
            "no format or source is named 'gemma-scop'; did you mean 'gemma-scope'",
        ),
        (["arrays"], "import arrays: no SOURCE given"),
        ([tmp_path / "c.npy", *said], "no such file or folder"),
        ([tmp_path, *said], "would all be layer_6: alike in layer, site, width, L0 and model"),
        ([tmp_path / "a.npy", *said, "--layer", "six"], "layer: got 'six', expected the number of the block"),
        ([tmp_path / "a.npy", *said, "--l0=-3"], "l0: got '-3', expected features on a token"),
        ([tmp_path / "a.npy", *said, "--name", "a/b"], "--name: got 'a/b' for 1 SAEs"),
    ):
        status, out, err = saegeom("import", *arguments, "-o", tmp_path / "out.zarr")
        assert (status, out, len(err.splitlines())) == (2, "", 1), err
        assert message in err
        assert not list(tmp_path.glob("out.zarr*"))
    status, _, err = saegeom("import", tmp_path / "a.npy", *said, "-o", tmp_path / "taken")
    assert (status, "taken: exists already" in err) == (2, True)


def test_decoder_is_streamed_in_blocks_of_rows(tmp_path: Path) -> None:
    import dask

    np.save(tmp_path / "a.npy", decoder(1000))
    with dask.config.set({"saegeom_data.block_bytes": 100 * HIDDEN * 4}):
        opened = open_checkpoint(tmp_path / "a.npy", **SAID)
        assert opened.decoder.chunks[0] == (100,) * 10
        np.testing.assert_array_equal(opened.decoder, decoder(1000))


def test_import_prints_what_it_read_and_takes_an_orientation(
    saegeom: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for layer in range(4):
        np.save(tmp_path / f"{layer}.npy", decoder(4100).T)
    np.save(tmp_path / "l=5.npy", decoder(40))
    said = [f"--{name}={value}" for name, value in SAID.items() if name != "site"] + [
        "--site",
        "blocks.{layer}.hook_mlp_out",
    ]
    for layer in range(4):
        said += ["--layer", f"*/{layer}.npy={layer}", "--orientation", f"*/{layer}.npy=hidden,features"]
    arguments = ["import", tmp_path, "-o", tmp_path / "out.zarr", *said, "--layer", "*/l=5.npy=5"]
    status, out, err = saegeom(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [
        "layer_0, layer_1, layer_2 and 1 more: 4,100 features x 8 hidden",
        "layer_5: 40 features x 8 hidden",
    ]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").mkdir()
    np.save(tmp_path / "openai" / "a.npy", decoder(40))
    assert saegeom("import", "openai", "-o", tmp_path / "p.zarr", *said[:3], "--site=layers.1")[0] == 0
    refused = saegeom("import", tmp_path / "0.npy", "-o", tmp_path / "o.zarr", *said[:3], "--site=layers.1")
    assert refused[0] == 2
    assert "decoder: 8 x 4,100: nothing tells whether its rows or its columns are features" in refused[2]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"glue": 1}, r"cfg\.json: glue is 1, a key that is not known"),
        ({"architecture": "temporal"}, "nothing says how it encodes"),
        ({"architecture": "jumprelu"}, "no threshold in it"),
        ({}, ""),
    ],
)
def test_an_encoder_that_cannot_encode_is_said(
    config: dict[str, Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.numpy import save_file

    saelens(tmp_path / "sae", 3, **config)
    rows, bias = decoder(40), np.zeros(HIDDEN, "float32")
    weights = {"W_dec": rows, "W_enc": np.ascontiguousarray(rows.T), "b_enc": rows[:, 0].copy(), "b_dec": bias}
    save_file(weights, next(tmp_path.glob("sae/*/*.safetensors")))
    for encoder in (False, True):
        caplog.clear()
        import_checkpoints([tmp_path / "sae"], tmp_path / f"{encoder}.zarr", encoder=encoder, **{**SAID, "l0": 3})
        said = [record.getMessage() for record in caplog.records if "cannot encode" in record.getMessage()]
        assert len(said) == int(encoder and bool(why))
        assert all(re.search(why, line) and "\n" not in line for line in said)
