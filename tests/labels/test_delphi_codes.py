"""The cache of delphi as codes: the matrix that it was made from, in stretches of the text, or one line of refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import save_file

from saegeom_data.data import store, write
from saegeom_data.data.codes import codes_matrix
from saegeom_data.data.value_checks import value_problems
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import add_codes, delphi_codes
from saegeom_data.testing.simulate import simulate_store

N, BATCHES, LENGTH = 50, 6, 5


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one SAE and no text; not to be changed."""
    tree = simulate_store(n_saes=1, n_features=N, n_hidden=4, n_blocks=6)
    kept = ("/", "/saes/layer_0/features")
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree if node.path in kept}
    target = tmp_path_factory.mktemp("sealed") / "sealed.zarr"
    write.write_tree(xr.DataTree.from_dict(groups), target)
    return target


def dense() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random((BATCHES, LENGTH, N)) < 0.1, rng.gamma(2.0, 1.0, (BATCHES, LENGTH, N)), 0).astype("f2")


def cache(folder: Path, width: int = N, split: int = 20, **changed: np.ndarray) -> Path:
    """Two files of latents, as delphi's ``LatentCache.save_splits`` writes them."""
    codes, run = dense(), folder / "run"
    tokens = np.arange(BATCHES * LENGTH, dtype="int64").reshape(BATCHES, LENGTH)
    (run / "latents" / "layers.0.mlp").mkdir(parents=True)
    for start, end in ((0, split - 1), (split, width - 1)):
        part = codes[..., start : end + 1]
        locations = np.ascontiguousarray(np.argwhere(part))
        tensors = {"locations": locations.astype("uint16"), "activations": part[part != 0], "tokens": tokens}
        if start:
            tensors |= changed
        save_file(tensors, run / "latents" / "layers.0.mlp" / f"{start}_{end}.safetensors")
    return run


def test_a_cache_becomes_codes_and_tokens(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delphi_codes, "_ENTRIES_AT_ONCE", 40)
    monkeypatch.setattr(delphi_codes, "_STEP", 7)
    name, count, _ = add_codes(mine, cache(tmp_path))
    assert (name, count) == ("layer_0", np.count_nonzero(dense()))
    with store.open(mine, verify="checksums") as tree:
        codes = tree["saes/layer_0/codes"].to_dataset(inherit=False)
        np.testing.assert_array_equal(codes_matrix(codes).toarray(), dense().reshape(-1, N))
        assert tree["tokens/token_id"].values.tolist() == list(range(BATCHES * LENGTH))
        assert tree["documents"].sizes["documents"] == BATCHES
        assert value_problems(tree) == []
    with pytest.raises(SaegeomError, match="layer_0 has codes already"):
        add_codes(mine, tmp_path / "run")


LOCATION = np.array([[1, 1, 3]], "uint16")
ONE = np.ones(1, "f2")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"width": 45}, "latents 45 to 49 are missing; cache them, or give --partial"),
        ({"width": 60}, "has latent 59, expected 0 to 49"),
        ({"activations": ONE}, "expected .entries, 3., .entries,. and .batches, length."),
        ({"locations": LOCATION * 50, "activations": ONE}, "has a location beyond 6 batches, 5 positions"),
        ({"locations": LOCATION.repeat(2, 0), "activations": ONE.repeat(2)}, "has two activations on one token"),
        ({"locations": LOCATION, "activations": ONE * np.nan}, "an activation is not finite"),
        (
            {"locations": np.array([[1, 1, 3], [0, 1, 3]], "uint16"), "activations": ONE.repeat(2)},
            "not in order of batches",
        ),
        ({"tokens": np.zeros((2, 2), "int64")}, "got tokens .2, 2., expected .6, 5., as in the first file"),
    ],
)
def test_a_bad_cache_is_one_line_and_leaves_the_store_as_it_was(
    mine: Path, tmp_path: Path, changed: dict[str, object], expected: str
) -> None:
    run = cache(tmp_path, **changed)  # type: ignore[arg-type]
    with store.open(mine) as tree:
        before = tree.encoding["root"]
    with pytest.raises(SaegeomError, match=expected) as refused:
        add_codes(mine, run)
    assert "\n" not in str(refused.value)
    with store.open(mine, verify="checksums") as tree:
        assert tree.encoding["root"] == before
