"""Shuffled batches of activations: every row once, in an order that the seed alone decides, mixed over shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest, spearmanr
from servers import s3_server, serving

import saegeom_data
from saegeom_data.data import write
from saegeom_data.errors import DataValueError, MissingDependencyError, ParameterError, StoreError, UnknownNameError
from saegeom_data.testing import simulate

torch = pytest.importorskip("torch")

SITE, N, HIDDEN = "hidden_state_0", 5000, 16


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Activations in shards of 512 rows, so that there are ten of them."""
    folder = tmp_path_factory.mktemp("activations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_CHUNK_BYTES", 128 * HIDDEN * 4)
        patch.setattr(write, "_SHARD_BYTES", 512 * HIDDEN * 4)
        simulate.write_simulated_activations(folder / "a.zarr", n_tokens=N, n_hidden=HIDDEN)
    return folder / "a.zarr"


@pytest.fixture
def tree(path: Path) -> Iterator[xr.DataTree]:
    with saegeom_data.open(path) as opened:
        yield opened


def given(tree: xr.DataTree, size: int = 300, seed: int = 0, **options: object) -> np.ndarray:
    return np.concatenate([batch.numpy() for batch in saegeom_data.batches(tree, SITE, size, seed, **options)])


def stored(tree: xr.DataTree, *, special: bool = False) -> np.ndarray:
    rows = tree[f"activations/{SITE}/activation"].values
    return rows if special else rows[~tree["tokens/is_special"].values]


def places(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Where each row stands among others, which are all different."""
    first = {row.tobytes(): place for place, row in enumerate(among)}
    assert len(first) == len(among)
    return np.array([first[row.tobytes()] for row in rows])


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("buffer_bytes", [1, 700 * HIDDEN * 4, 2**20])
@pytest.mark.parametrize("size", [1, 300, 4096])
def test_every_row_is_given_once(tree: xr.DataTree, special: bool, buffer_bytes: int, size: int) -> None:
    rows = given(tree, size, buffer_bytes=buffer_bytes, special_tokens=special)
    expected = stored(tree, special=special)
    assert sorted(places(rows, expected)) == list(range(len(expected)))


def test_batches_have_one_size_but_the_last_of_an_epoch(tree: xr.DataTree) -> None:
    n = len(stored(tree))
    for drop_last in (False, True):
        sizes = [len(batch) for batch in saegeom_data.batches(tree, SITE, 300, n_epochs=2, drop_last=drop_last)]
        assert sizes == ([300] * (n // 300) + [n % 300] * (not drop_last)) * 2


def test_order_is_that_of_the_seed_alone(path: Path, tree: xr.DataTree) -> None:
    expected = given(tree)
    np.testing.assert_array_equal(given(tree), expected)
    with xr.open_datatree(path, engine="zarr", chunks={}) as plain:
        np.testing.assert_array_equal(given(plain), expected)
    assert not np.array_equal(given(tree, seed=1), expected)
    both = given(tree, n_epochs=2)
    np.testing.assert_array_equal(both[: len(expected)], expected)
    assert not np.array_equal(both[len(expected) :], expected)


@pytest.mark.parametrize("chunks", [{"tokens": 700}, {"tokens": 3000, "hidden": 5}, {"tokens": -1}])
def test_order_is_the_same_however_arrays_are_chunked(tree: xr.DataTree, chunks: dict[str, int]) -> None:
    np.testing.assert_array_equal(given(tree.chunk(chunks)), given(tree))


def test_a_store_is_read_where_it_lies(path: Path, tree: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="needs the extra hub")
    monkeypatch.setenv("SAEGEOM_CACHE", "")
    with serving() as server:
        files = (file for file in path.rglob("*") if file.is_file())
        server.files = {f"/a/{file.relative_to(path).as_posix()}": file.read_bytes() for file in files}
        with saegeom_data.open(f"{server.url}/a") as remote:
            np.testing.assert_array_equal(given(remote), given(tree))


def test_a_bucket_is_read_where_it_is(path: Path, tree: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", "")
    with s3_server() as system:
        system.mkdir("bucket")
        system.put(str(path), "bucket/a.zarr", recursive=True)
        with saegeom_data.open("s3://bucket/a.zarr") as remote:
            np.testing.assert_array_equal(given(remote), given(tree))


def test_places_are_uniform_where_the_buffer_holds_everything(tree: xr.DataTree) -> None:
    among = stored(tree)
    found = np.stack([places(given(tree, seed=seed), among) for seed in range(20)])
    # The stored place of the rows that come first, and of neighbours of it, is anything.
    assert kstest(found[:, :50].ravel() / len(among), "uniform").pvalue > 1e-3
    gap = np.diff(found, axis=1).ravel()
    assert np.mean(np.abs(gap) == 1) == pytest.approx(2 / len(among), abs=4e-4)
    order = np.arange(len(among))
    assert np.abs([spearmanr(places, order)[0] for places in found]).max() < 0.06


def test_a_batch_mixes_as_many_shards_as_the_buffer_holds(tree: xr.DataTree) -> None:
    among = stored(tree, special=True)
    seen = []
    for batch in saegeom_data.batches(tree, SITE, 100, buffer_bytes=2048 * HIDDEN * 4, special_tokens=True):
        seen.append(len(np.unique(places(batch.numpy(), among) // 512)))
    # The first batches come from the four shards that fill the buffer and the one after; later ones also hold rows that
    # have stayed since earlier shards.
    assert min(seen[:-10]) >= 4
    assert max(seen) > 5


def test_the_larger_the_buffer_the_farther_apart_stored_are_rows_given_together(tree: xr.DataTree) -> None:
    """Rows are mixed over a shard (512) whatever the buffer, and over all of them by one that holds all."""
    among = stored(tree, special=True)
    near = []
    for size in (100, 512, 2048, N):
        rows = given(tree, 100, buffer_bytes=size * HIDDEN * 4, special_tokens=True)
        near.append(np.mean(np.abs(np.diff(places(rows, among))) < 512))
    # Two of N uniform places are less than a shard apart with this probability.
    whole = 1 - (1 - 512 / N) ** 2
    assert near[0] > 0.95
    assert near == sorted(near, reverse=True)
    assert near[1] < 0.7
    assert near[2] < whole + 0.1
    assert near[3] == pytest.approx(whole, abs=0.03)


def test_without_torch_the_extra_is_named(tree: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"'torch' is not installed; .*saegeom-data\[harvest\]"):
        saegeom_data.batches(tree, SITE, 10)


def test_types_and_devices(tree: xr.DataTree) -> None:
    batch = next(saegeom_data.batches(tree, SITE, 10, dtype=torch.bfloat16, device="meta"))
    assert (batch.dtype, batch.device.type) == (torch.bfloat16, "meta")
    assert next(saegeom_data.batches(tree, SITE, 10)).dtype == torch.float32


def test_a_reader_that_stops_early_leaves_nothing_running(tree: xr.DataTree) -> None:
    import threading

    endless = saegeom_data.batches(tree, SITE, 64, n_epochs=None)
    for _ in range(200):
        next(endless)
    endless.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("saegeom-batches")]


def test_bad_input_is_one_line(tree: xr.DataTree) -> None:
    with pytest.raises(UnknownNameError, match=r"no site is named 'hidden_state_9'; did you mean 'hidden_state_0'"):
        saegeom_data.batches(tree, "hidden_state_9", 10)
    with pytest.raises(StoreError, match="/activations: none in this store"):
        saegeom_data.batches(simulate.simulate_store(), SITE, 10)
    with pytest.raises(ParameterError, match=r"batch_size: got 6000, expected at most 4960, .* no special tokens"):
        saegeom_data.batches(tree, SITE, 6000)
    for name, value in (("batch_size", 0), ("buffer_bytes", 0), ("n_epochs", -1)):
        with pytest.raises(ParameterError, match=f"{name}: got {value}, expected at least 1"):
            saegeom_data.batches(tree, SITE, **({"batch_size": 10} | {name: value}))
    alone = xr.DataTree.from_dict({f"/activations/{SITE}": tree[f"activations/{SITE}"].to_dataset()})
    with pytest.raises(StoreError, match="special_tokens=True"):
        saegeom_data.batches(alone, SITE, 10)
    assert len(given(alone, special_tokens=True)) == N
    # A shorter mask would leave out the rows after it in silence.
    alone["tokens"] = xr.Dataset({"is_special": ("tokens", np.zeros(9, bool))})
    with pytest.raises(StoreError, match=f"/tokens: got 9 tokens, expected {N}, as in /activations/{SITE}"):
        saegeom_data.batches(alone, SITE, 8)
    named = alone[f"activations/{SITE}"].to_dataset().rename(activation="activations")
    with pytest.raises(StoreError, match=f"/activations/{SITE}/activation: missing; got activations"):
        saegeom_data.batches(xr.DataTree.from_dict({f"/activations/{SITE}": named}), SITE, 8)
    with pytest.raises(ParameterError, match="seed: got -1, expected at least 0"):
        saegeom_data.batches(tree, SITE, 8, seed=-1)


def test_rows_that_are_not_finite_are_named(tree: xr.DataTree) -> None:
    loaded = tree.load()
    loaded[f"activations/{SITE}/activation"].values[1234, 3] = np.inf
    with pytest.raises(DataValueError, match=rf"/activations/{SITE}: 1 rows with NaN or infinite .* first is 1234"):
        given(loaded)


def test_an_sae_of_sae_lens_learns_from_it(tree: xr.DataTree) -> None:
    """It explains most of the variance of the concepts, which one that has not seen the data does not."""
    pytest.importorskip("sae_lens")
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(0)
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=HIDDEN, d_sae=64, k=6, device="cpu", dtype="float32"))
    rows = torch.from_numpy(stored(tree))

    def unexplained() -> float:
        with torch.no_grad():
            rest = rows - sae.decode(sae.encode(rows))
        return float((rest**2).sum() / ((rows - rows.mean(0)) ** 2).sum())

    before, steps = unexplained(), 400
    config = SAETrainerConfig(
        total_training_samples=steps * 256,
        train_batch_size_samples=256,
        lr=3e-3,
        lr_end=3e-3,
        lr_scheduler_name="constant",
        lr_warm_up_steps=10,
        lr_decay_steps=100,
        dead_feature_window=100,
        feature_sampling_window=steps + 1,
        device="cpu",
        logger=LoggingConfig(log_to_wandb=False),
    )
    provider = saegeom_data.batches(tree, SITE, 256, n_epochs=None, drop_last=True)
    SAETrainer(config, sae, provider).fit()
    provider.close()
    assert before > 0.5
    assert unexplained() < 0.2


def test_parameters_of_other_types_are_named() -> None:
    def first(**given: Any) -> Any:
        values = (("tokens", "hidden"), np.full((8, 2), 1e5, "float32"))
        tree = xr.DataTree.from_dict({"/activations/a": xr.Dataset({"activation": values})})
        return next(saegeom_data.batches(tree, "a", **{"batch_size": 4, "special_tokens": True} | given))

    for name, value in (("batch_size", 2.0), ("seed", None), ("buffer_bytes", "1MB"), ("n_epochs", 1.5)):
        with pytest.raises(ParameterError, match=f"^{name}: got {value!r}, expected at least"):
            first(**{name: value})
    for dtype in ("float32", torch.int32, float):
        with pytest.raises(ParameterError, match="^dtype: got .*, expected one of torch with a floating point"):
            first(dtype=dtype)
    with pytest.raises(ParameterError, match="^device: got 'nope', which torch cannot use"):
        first(device="nope")
    assert float(first(dtype=torch.bfloat16).max()) > 9e4
    with pytest.raises(DataValueError, match=r"^/activations/a: got a value of size 100000, expected at most 65504"):
        first(dtype=torch.float16)
