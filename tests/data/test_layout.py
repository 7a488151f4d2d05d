"""Layouts of other tools: put in order where dims say how, and one line everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr

import saegeom_data
from saegeom_data.data import manifest_of, store, validation
from saegeom_data.data.layout import group_laid_out, laid_out
from saegeom_data.errors import ParameterError, SaegeomError, StoreError, ValidationError
from saegeom_data.metrics import isotropy
from saegeom_data.testing.simulate import simulate_sae

N_SEQUENCES, LENGTH, HIDDEN = 10, 4, 16
X = np.random.default_rng(0).standard_normal((N_SEQUENCES * LENGTH, HIDDEN)).astype("float32")
CACHED = X.reshape(N_SEQUENCES, LENGTH, HIDDEN)
ROOT = xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "MIT"})
ATTRS = {"model": "m", "source_dtype": "float32"}


def tree_of(activation: Any, **groups: xr.Dataset) -> xr.DataTree:
    group = xr.Dataset({"activation": activation}, attrs=ATTRS)
    return xr.DataTree.from_dict(
        {"/": ROOT, "/activations/site": group} | {f"/{name}": groups[name] for name in groups}
    )


LAYOUTS: dict[str, tuple[tuple[str, ...], np.ndarray[Any, Any]]] = {
    "hidden first": (("hidden", "tokens"), X.T),
    "sequences": (("sequences", "positions", "hidden"), CACHED),
    "positions first": (("positions", "sequences", "hidden"), CACHED.transpose(1, 0, 2)),
    "hidden before sequences": (("hidden", "sequences", "positions"), CACHED.transpose(2, 0, 1)),
}
HELD: dict[str, Callable[[np.ndarray[Any, Any], Path], Any]] = {
    "memory": lambda values, _: values,
    "dask": lambda values, _: da.from_array(values, chunks=3),
    "map": lambda values, folder: mapped(values, folder / "x.npy"),
}


def mapped(values: np.ndarray[Any, Any], file: Path) -> Any:
    np.save(file, values)
    return np.load(file, mmap_mode="r")


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_dims_say_how_activations_are_put_in_order(tmp_path: Path, layout: str, held: str) -> None:
    dims, values = LAYOUTS[layout]
    tree = tree_of((dims, HELD[held](values, tmp_path)))
    ordered = laid_out(tree)["activations/site"]
    assert ordered.activation.dims == ("tokens", "hidden")
    assert (ordered.activation.chunks is not None) == (held == "dask")
    np.testing.assert_array_equal(ordered.activation, X)
    assert ordered.attrs == ATTRS
    if "positions" in dims:
        np.testing.assert_array_equal(ordered.position, np.tile(np.arange(LENGTH), N_SEQUENCES))
    saegeom_data.write_tree(tree, tmp_path / "a.zarr")
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        np.testing.assert_array_equal(opened["activations/site/activation"], X)


def test_a_mapped_file_of_sequences_is_not_copied(tmp_path: Path) -> None:
    tree = laid_out(tree_of((LAYOUTS["sequences"][0], mapped(CACHED, tmp_path / "x.npy"))))
    assert isinstance(tree["activations/site/activation"].variable.data, np.memmap)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_readers_name_other_dims_and_take_them_in_order(layout: str) -> None:
    torch = pytest.importorskip("torch")
    dims, values = LAYOUTS[layout]
    tree = tree_of((dims, values))
    named = (
        rf"/activations/site/activation: got dims \({', '.join(dims)}\), expected \(tokens, hidden\); (rename or|put)"
    )
    with pytest.raises(ValidationError, match=named) as caught:
        saegeom_data.batches(tree, "site", 8, special_tokens=True)
    assert "\n" not in str(caught.value)
    assert [str(problem) for problem in validation.validate(tree)] == [str(caught.value)]
    rows = torch.cat(list(saegeom_data.batches(laid_out(tree), "site", 8, special_tokens=True))).numpy()
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))


@pytest.mark.parametrize(
    "dims", [("tokens", "d_model"), ("batch", "pos", "hidden"), ("hidden", "hidden2"), ("tokens",)]
)
def test_dims_that_say_nothing_are_named(tmp_path: Path, dims: tuple[str, ...]) -> None:
    tree = tree_of((dims, np.zeros((2,) * len(dims), "float32")))
    assert laid_out(tree).identical(tree)
    takers: list[Callable[[], Any]] = [
        lambda: saegeom_data.write_tree(tree, tmp_path / "a.zarr"),
        lambda: saegeom_data.batches(tree, "site", 1, special_tokens=True),
        lambda: validation.check(tree),
    ]
    for take in takers:
        with pytest.raises(ValidationError, match=rf"/activations/site/activation: got dims \({', '.join(dims)}\)"):
            take()


def test_tokens_of_sequences_are_those_of_their_activations(tmp_path: Path) -> None:
    dims = ("sequences", "positions")
    ids, special = np.arange(40, dtype="int32").reshape(10, 4), np.zeros((10, 4), bool)
    special[:, 0] = True
    document = np.repeat(np.arange(10, dtype="int32")[:, None], LENGTH, axis=1)
    tokens = xr.Dataset(
        {"token_id": (dims, ids), "document": (dims, document), "is_special": (dims[::-1], special.T)},
        coords={"positions": np.arange(3, 7), "sequences": np.arange(10)},
    )
    documents = xr.Dataset({name: ("documents", np.array(["a"] * 10)) for name in ("document_id", "document_type")})
    tree = tree_of((LAYOUTS["sequences"][0], CACHED), tokens=tokens, documents=documents)
    saegeom_data.write_tree(tree, tmp_path / "a.zarr")
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        np.testing.assert_array_equal(opened["tokens/token_id"], np.arange(40))
        np.testing.assert_array_equal(opened["tokens/position"], np.tile([3, 4, 5, 6], 10))
        np.testing.assert_array_equal(opened["tokens/is_special"], special.reshape(-1))
        assert set(opened["tokens"].to_dataset().dims) == {"tokens"}
    odd = tree_of(
        (("tokens", "hidden"), X), tokens=tokens.drop_vars("token_id").assign(token_id=("tokens", np.ones(7, "i4")))
    )
    with pytest.raises(ValidationError, match="/tokens: its variables disagree: .*; give all of them the same tokens"):
        laid_out(odd)


def test_special_tokens_of_sequences_are_named() -> None:
    pytest.importorskip("torch")
    tokens = xr.Dataset({"is_special": (("sequences", "positions"), np.zeros((10, 4), bool))})
    tree = tree_of((("tokens", "hidden"), X), tokens=tokens)
    with pytest.raises(ValidationError, match=r"/tokens/is_special: got dims \(sequences, positions\).*laid_out"):
        saegeom_data.batches(tree, "site", 8)


def test_a_lazy_variable_of_a_file_stays_lazy(tmp_path: Path) -> None:
    xr.Dataset({"activation": (LAYOUTS["sequences"][0], CACHED)}).to_zarr(tmp_path / "v2.zarr", zarr_format=2)
    with xr.open_zarr(tmp_path / "v2.zarr", chunks=None) as found:
        tree = laid_out(xr.DataTree.from_dict({"/activations/site": found}))
        ordered = tree["activations/site/activation"]
        assert ordered.chunks is not None
        assert "chunks" not in ordered.encoding
        np.testing.assert_array_equal(ordered, X)
    xr.Dataset({"activation": (("hidden", "tokens"), X.T)}).to_netcdf(tmp_path / "x.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "x.nc", engine="scipy") as found:
        tree = laid_out(xr.DataTree.from_dict({"/activations/site": found}))
        np.testing.assert_array_equal(tree["activations/site/activation"], X)


def test_occurrence_needs_the_group_of_a_matrix() -> None:
    tokens = xr.Dataset({"document": ("tokens", np.zeros(8, int)), "is_special": ("tokens", np.zeros(8, bool))})
    documents = xr.Dataset({"document_type": ("documents", ["a"])})
    with pytest.raises(ParameterError, match="codes: got csr_matrix, expected a group as codes_group makes it"):
        saegeom_data.occurrence_from_codes(sp.csr_matrix((8, 3)), tokens, documents, block_length=4)


def test_metrics_name_other_dims() -> None:
    sae = simulate_sae(n_features=40, n_hidden=8, n_blocks=10)
    turned = sae.assign(decoder=sae.decoder.transpose())
    with pytest.raises(
        ValidationError, match=r"/decoder: got dims \(hidden, features\), expected \(features, hidden\)"
    ):
        isotropy(turned)


TAKERS: dict[str, Callable[[Any], Any]] = {
    "batches": lambda value: saegeom_data.batches(value, "site", 8),
    "write_tree": lambda value: saegeom_data.write_tree(value, "never.zarr"),
    "laid_out": laid_out,
    "validate": validation.validate,
    "metric": isotropy,
    "select_sae": lambda value: saegeom_data.select_sae(value, "a"),
    "select_relations": lambda value: saegeom_data.select_relations(value, "a"),
    "occurrence": lambda value: saegeom_data.occurrence_from_codes(value, value, value),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("value", [X, da.from_array(X), xr.DataArray(X), "x.zarr", None])
def test_what_has_no_groups_is_named(taker: str, value: Any) -> None:
    if taker == "batches":
        pytest.importorskip("torch")
    with pytest.raises(ParameterError, match=f"got ({type(value).__name__}|the path 'x.zarr'), expected") as caught:
        TAKERS[taker](value)
    assert "\n" not in str(caught.value)
    assert not Path("never.zarr").exists()


def files(folder: Path) -> dict[str, str]:
    """Write what other tools leave, and say by which words each is named."""
    np.save(folder / "x.npy", X)
    np.savez(folder / "x.npz", x=X)
    group = xr.Dataset({"activation": (("tokens", "hidden"), X)})
    group.to_zarr(folder / "v2.zarr", zarr_format=2)
    group.to_zarr(folder / "v3.zarr", zarr_format=3, consolidated=False)
    zarr.save_array(str(folder / "array2.zarr"), X, zarr_format=2)
    zarr.save_array(str(folder / "array3.zarr"), X, zarr_format=3)
    group.to_netcdf(folder / "x.nc", engine="scipy")
    (folder / "x.dat").write_bytes(b"\x89HDF\r\n\x1a\n")
    (folder / "a.arrow").write_bytes(b"")
    for name in ("cache", "shards/shard_00000"):
        (folder / name).mkdir(parents=True)
        (folder / name / "data-00000-of-00001.arrow").write_bytes(b"")
    return {
        "x.npy": r"an array of numpy\); open it with numpy.load",
        "x.npz": r"a file of arrays\); a checkpoint is read by saegeom import",
        "v2.zarr": r"zarr v2\); open it with xarray.open_zarr",
        "v3.zarr": r"a zarr hierarchy of another tool",
        "array2.zarr": "zarr v2",
        "array3.zarr": "one array of zarr",
        "x.nc": "netCDF.*h5netcdf",
        "x.dat": "HDF5",
        "a.arrow": "a table",
        "cache": r"as SAELens caches activations\); load it with datasets.load_from_disk",
        "shards": "as SAELens caches activations",
    }


def test_files_of_other_tools_are_named_by_whatever_takes_a_store(tmp_path: Path) -> None:
    openers: list[Callable[[Path], Any]] = [saegeom_data.open, manifest_of.manifest_problems]
    for name, words in files(tmp_path).items():
        for opener in openers if "3.zarr" in name else [saegeom_data.open, store.open_unchecked]:
            with pytest.raises(StoreError, match=rf"{name}: not a .*{words}.*write_tree") as caught:
                opener(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_what_saelens_caches_becomes_a_store(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"site": datasets.Array2D((LENGTH, HIDDEN), "float32")})
    datasets.Dataset.from_dict({"site": CACHED}, features=features).save_to_disk(tmp_path / "cache")
    cached = datasets.load_from_disk(tmp_path / "cache").with_format("numpy")["site"][:]
    saegeom_data.write_tree(tree_of((("sequences", "positions", "hidden"), cached)), tmp_path / "a.zarr")
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        np.testing.assert_array_equal(opened["activations/site/activation"], X)


def test_an_sae_encodes_activations_of_its_own_size_alone() -> None:
    torch = pytest.importorskip("torch")
    decoder = xr.Dataset(
        {name: (("features", "hidden"), np.eye(8, HIDDEN, dtype="float32")) for name in ("decoder", "encoder")}
        | {"encoder_bias": ("features", np.zeros(8, "float32"))},
        attrs={"activation_function": "relu", "path": "/saes/a"},
    )
    encoder = saegeom_data.Encoder(decoder)
    assert encoder(torch.from_numpy(CACHED)).shape == (N_SEQUENCES, LENGTH, 8)
    cases: list[tuple[Any, str]] = [(torch.from_numpy(X.T.copy()), r"\(16, 40\)"), (X, "ndarray")]
    for value, got in cases:
        with pytest.raises(SaegeomError, match=rf"/saes/a: got activations {got}, expected a tensor \(\.\.\., 16\)"):
            encoder(value)


def test_coordinates_of_both_dims_become_those_of_tokens() -> None:
    position = np.arange(20).reshape(4, 5) * 2
    cached = xr.Dataset(
        {"activation": (("sequences", "positions", "hidden"), np.zeros((4, 5, 3)))},
        {
            "position": (("positions", "sequences"), position.T),
            "word": (("sequences", "positions"), position.astype(str)),
        },
    )
    found = group_laid_out(cached, "activations/site")
    assert found.position.dims == found.word.dims == ("tokens",)
    np.testing.assert_array_equal(found.position, position.ravel())
    np.testing.assert_array_equal(found.word, position.ravel().astype(str))
