from __future__ import annotations

import inspect
import tracemalloc
from pathlib import Path
from typing import Any
from unittest import mock

import cloudpickle
import dask
import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from saegeom_data import errors
from saegeom_data.data import occurrence, store, write
from saegeom_data.data.codes import codes_group
from saegeom_data.data.occurrence import occurrence_from_codes
from saegeom_data.data.selection import select_sae
from saegeom_data.data.text import text_blocks
from saegeom_data.engine import runner
from saegeom_data.lazy import BLOCK_BYTES
from saegeom_data.spec.models import OccurrenceSettings, RunSpec
from saegeom_data.testing.checks import raise_if_dask_computes

N_FEATURES = 7
TYPES = np.array(["speech", "code", "drama", "review"], dtype=object)


def text(document: Any, special: Any = None, position: Any = None) -> xr.Dataset:
    document = np.asarray(document, np.int32)
    variables = {
        "document": document,
        "is_special": np.zeros(len(document), bool) if special is None else np.asarray(special, bool),
        "position": np.arange(len(document)) if position is None else np.asarray(position),
    }
    return xr.Dataset({name: ("tokens", values) for name, values in variables.items()})


def documents(n: int = len(TYPES)) -> xr.Dataset:
    return xr.Dataset({"document_type": ("documents", np.resize(TYPES, n))})


def activations(n_tokens: int, n_features: int = N_FEATURES, density: float = 0.2, seed: int = 0) -> sp.csr_matrix:
    csr = sp.random(n_tokens, n_features, density, format="csr", dtype="float32", random_state=seed)
    csr.data *= 2
    return csr


def slow(dense: Any, tokens: xr.Dataset, threshold: float, length: int, partial: str, most: int | None) -> Any:
    """Blocks as lists of tokens, one token after another; which features fire in them; what is left out."""
    sequences: list[tuple[int, list[int]]] = []
    document, special, position = (tokens[name].values.tolist() for name in ("document", "is_special", "position"))
    for token in range(len(document)):
        if token == 0 or document[token] != document[token - 1] or position[token] <= position[token - 1]:
            sequences.append((document[token], []))
        if not special[token]:
            sequences[-1][1].append(token)
    blocks: list[tuple[int, list[int]]] = []
    for number, inside in sequences:
        for start in range(0, len(inside), length):
            block = inside[start : start + length]
            full = most is not None and sum(of == number for of, _ in blocks) == most
            if not full and (len(block) == length or partial == "keep"):
                blocks.append((number, block))
    fires = [[any(float(dense[t, i]) > threshold for t in block) for i in range(dense.shape[1])] for _, block in blocks]
    stretches = [index for i, index in enumerate(document) if i == 0 or document[i - 1] != index]
    counts = {
        "n_documents_dropped": len(set(document)) - len({number for number, _ in blocks}),
        "n_tokens_dropped": special.count(False) - sum(len(block) for _, block in blocks),
        "n_documents_apart": sum(stretches.count(index) > 1 for index in set(stretches)),
    }
    return np.array(fires, bool).reshape(len(blocks), dense.shape[1]), [number for number, _ in blocks], counts


def scrambled(csr: sp.csr_matrix, seed: int) -> xr.Dataset:
    """Codes of the same meaning with the entries of each row in disorder, each split into two halves."""
    rng, group = np.random.default_rng(seed), codes_group(csr)
    row = np.repeat(np.arange(csr.shape[0]), np.diff(group.indptr.values)).repeat(2)
    order = np.lexsort((rng.random(len(row)), row))
    halves = {"data": group.data.values.repeat(2)[order] / 2, "indices": group.indices.values.repeat(2)[order]}
    variables = {name: ("nonzeros", values) for name, values in halves.items()}
    return xr.Dataset(variables | {"indptr": ("row_bounds", 2 * group.indptr.values)}, attrs=group.attrs)


@st.composite
def texts(draw: st.DrawFn) -> xr.Dataset:
    sequences = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 14), st.booleans()), min_size=1, max_size=9))
    document = np.concatenate([[number] * length for number, length, _ in sequences])
    begin = [0 if restarts else 100 * i for i, (*_, restarts) in enumerate(sequences)]
    position = np.concatenate(
        [first + np.arange(sequence[1]) for first, sequence in zip(begin, sequences, strict=True)]
    )
    share = draw(st.sampled_from([0.0, 0.2, 0.6]))
    special = np.random.default_rng(draw(st.integers(0, 9))).random(len(document)) < share
    return text(document, special, position)


@given(
    tokens=texts(),
    threshold=st.sampled_from([0, 0.1, 0.75, 1.0]),
    length=st.integers(1, 9),
    partial=st.sampled_from(["drop", "keep"]),
    most=st.sampled_from([None, 1, 2]),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(1, 30), st.integers(1, 30)),
    gap=st.integers(0, 9),
    disorder=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_a_loop_over_tokens(
    tokens: xr.Dataset, threshold: float, length: int, partial: Any, most: Any, sizes: Any, gap: int, disorder: bool,
    seed: int,
) -> None:  # fmt: skip
    csr = activations(tokens.sizes["tokens"], seed=seed)
    fires, document, counts = slow(csr.toarray(), tokens, threshold, length, partial, most)
    codes = scrambled(csr, seed) if disorder else codes_group(csr)
    settings = {"threshold": threshold, "block_length": length, "partial_blocks": partial}
    nonzeros, bounds, block_bytes, at_once, entries = sizes
    with (
        dask.config.set({BLOCK_BYTES: block_bytes}),
        mock.patch.object(text_blocks, "_TOKENS_AT_ONCE", at_once),
        mock.patch.object(occurrence, "_ROWS_BETWEEN", gap),
        mock.patch.object(occurrence, "_ENTRIES_AT_ONCE", entries),
    ):
        lazy = codes.chunk(nonzeros=nonzeros, row_bounds=bounds)
        if not len(fires):
            with pytest.raises((errors.ParameterError, errors.DataValueError), match=r"^(block_length|tokens): "):
                occurrence_from_codes(lazy, tokens, documents(), **settings, max_blocks_per_document=most)
            return
        found = occurrence_from_codes(lazy, tokens, documents(), **settings, max_blocks_per_document=most)
        rows = max(1, block_bytes // N_FEATURES)
        assert set(found.occurrence.chunks[0][:-1]) <= {rows}
        assert found.occurrence.chunks[0][-1] <= rows
        np.testing.assert_array_equal(found.occurrence.compute(scheduler="synchronous"), fires)
    assert found.occurrence.dtype == bool
    assert found.document.values.tolist() == document
    assert found.document_type.values.tolist() == TYPES[document].tolist()
    assert found.attrs == settings | counts | ({} if most is None else {"max_blocks_per_document": most})


def test_published_settings_are_those_of_the_published_loop() -> None:
    lengths, rng = [1_024, 300, 256, 257, 1_024, 40], np.random.default_rng(0)
    document = np.repeat(np.arange(6), lengths)
    dense = np.where(rng.random((len(document), 30)) < 0.005, rng.exponential(1.0, (len(document), 30)), 0)
    position = np.concatenate([np.arange(length) for length in lengths])
    expected, of_document = [], []
    for number in range(6):
        fires = dense[document == number][1:] > 1
        for start in range(0, len(fires), 256):
            if start + 256 <= len(fires):
                expected.append(fires[start : start + 256].any(axis=0))
                of_document.append(number)
    tokens = text(document, position == 0, position)
    found = occurrence_from_codes(codes_group(sp.csr_matrix(dense)), tokens, documents(6), threshold=1)
    np.testing.assert_array_equal(found.occurrence, np.array(expected))
    assert 0.1 < np.mean(expected) < 0.9
    assert found.document.values.tolist() == of_document == [0, 0, 0, 1, 3, 4, 4, 4]
    assert found.attrs == {
        "threshold": 1.0,
        "block_length": 256,
        "partial_blocks": "drop",
        "n_documents_dropped": 2,
        "n_tokens_dropped": 2 * 255 + 43 + 255 + 39,
        "n_documents_apart": 0,
    }


@pytest.fixture(scope="module")
def of_sample(sample: xr.DataTree) -> tuple[xr.Dataset, xr.Dataset]:
    """Occurrence that is stored, over the sequences whose codes are stored as well, and the one derived from these."""
    stored = select_sae(sample, "layer_3")
    derived = select_sae(sample, "layer_3", OccurrenceSettings(block_length=stored.occurrence.attrs["block_length"]))
    length = int(sample["tokens/position"].max()) + 1
    return stored.isel(blocks=sample["tokens/block"].values[::length]), derived


def test_sample_is_reproduced_from_its_codes(of_sample: tuple[xr.Dataset, xr.Dataset]) -> None:
    stored, derived = of_sample
    assert derived.occurrence.shape == (140, 1_536)
    for name in ("occurrence", "document", "document_type"):
        np.testing.assert_array_equal(derived[name], stored[name])
    assert (derived.occurrence.attrs["n_documents_dropped"], derived.occurrence.attrs["n_tokens_dropped"]) == (0, 0)


def test_lobes_do_not_see_whether_occurrence_is_stored(of_sample: tuple[xr.Dataset, xr.Dataset]) -> None:
    from saegeom_data.metrics import lobes

    stored, derived = (lobes(sae.isel(features=slice(300)), n_lobes=(2, 3), n_seeds=2) for sae in of_sample)
    xr.testing.assert_identical(derived.compute().drop_attrs(), stored.compute().drop_attrs())


def test_a_run_derives_occurrence_and_records_how(sample: xr.DataTree) -> None:
    run = {
        "spec_version": 1,
        "kind": "run",
        "title": "Derived",
        "occurrence": {"block_length": 100, "threshold": 0.5},
        "metrics": [
            {"metric": "cooccurrence", "saes": ["layer_3"]},
            {"metric": "eigenvalue_slope", "saes": ["layer_0"]},
        ],
    }
    results = runner.evaluate(sample, RunSpec.model_validate(run))
    assert int(results["cooccurrence/n_blocks"].values[0]) == 280
    recorded = RunSpec.model_validate_json(results.attrs["spec"]).occurrence
    assert recorded == OccurrenceSettings(block_length=100, threshold=0.5)


def test_defaults_of_settings_and_function_agree() -> None:
    keywords = inspect.signature(occurrence_from_codes).parameters.values()
    defaults = {keyword.name: keyword.default for keyword in keywords if keyword.kind is keyword.KEYWORD_ONLY}
    assert OccurrenceSettings().model_dump() == defaults


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("threshold", [0.1, 1 / 3, 1.0, 1e30, 1e300])
def test_threshold_is_compared_without_rounding(dtype: str, threshold: float) -> None:
    with np.errstate(over="ignore"):
        near = np.dtype(dtype).type(threshold)
    values = np.array([np.nextafter(near, near.dtype.type(way)) for way in (-np.inf, near, np.inf)])
    codes = xr.Dataset(
        {"data": ("nonzeros", values), "indices": ("nonzeros", [0, 1, 2]), "indptr": ("row_bounds", [0, 3])},
        attrs={"shape": [1, 3]},
    )
    found = occurrence_from_codes(codes, text([0]), documents(), threshold=threshold, block_length=1)
    expected = [float(value) > threshold for value in values]
    assert found.occurrence.values[0].tolist() == expected


@pytest.fixture
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of 3,000 tokens whose codes are in many small files."""
    monkeypatch.setattr(write, "_CHUNK_BYTES", 2_000)
    monkeypatch.setattr(write, "_SHARD_BYTES", 8_000)
    special = np.arange(3_000) % 100 == 0
    tokens = text(np.arange(3_000) // 1_000, special, np.arange(3_000) % 100)
    tokens["token_id"] = ("tokens", np.zeros(3_000, int))
    names = documents(3).assign(document_id=("documents", np.array(["a", "b", "c"], dtype=object)))
    attrs = {"format_version": 1, "title": "t", "license": "l"}
    groups = {"/": xr.Dataset(attrs=attrs), "/tokens": tokens, "/documents": names}
    groups["/saes/a/codes"] = codes_group(activations(3_000, 200, 0.05))
    write.write_tree(xr.DataTree.from_dict(groups), tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def opened(path: Path) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Codes, lazy; tokens and documents, which are read when the blocks are cut."""
    tree = store.open_unchecked(path)
    tokens, names = (tree[group].to_dataset(inherit=False).load() for group in ("tokens", "documents"))
    return tree["saes/a/codes"].to_dataset(inherit=False), tokens, names


def files(path: Path, name: str) -> list[Path]:
    return sorted((path / f"saes/a/codes/{name}").glob("c.*"), key=lambda file: int(file.suffix[1:]))


def test_building_reads_no_codes(on_disk: Path) -> None:
    codes, tokens, names = opened(on_disk)
    for name in ("data", "indices", "indptr"):
        for file in files(on_disk, name):
            file.write_bytes(b"damaged")
    with raise_if_dask_computes():
        found = occurrence_from_codes(codes, tokens, names, block_length=33)
    assert found.occurrence.shape == (90, 200)
    with pytest.raises(Exception, match=r".+"):
        found.occurrence.compute()


def test_a_task_reads_the_codes_of_its_blocks_only(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrence, "_ROWS_BETWEEN", 50)
    settings: dict[str, Any] = {"block_length": 33, "max_blocks_per_document": 3}
    expected = occurrence_from_codes(*opened(on_disk), **settings).compute()
    codes = opened(on_disk)[0]
    # The blocks of each document are its tokens 1 to 99.
    bounds, size = codes.indptr.values, codes.data.chunks[0][0]
    needed = [(bounds[1_000 * number + 1], bounds[1_000 * number + 100]) for number in range(3)]
    for name in ("data", "indices"):
        damaged = 0
        for number, file in enumerate(files(on_disk, name)):
            if not any(number * size < stop and start < (number + 1) * size for start, stop in needed):
                file.write_bytes(b"damaged")
                damaged += 1
        assert damaged >= 3
    found = occurrence_from_codes(*opened(on_disk), **settings)
    np.testing.assert_array_equal(found.occurrence, expected.occurrence)


def test_graph_survives_a_pickle(on_disk: Path) -> None:
    with dask.config.set({BLOCK_BYTES: 200 * 20}):
        found = occurrence_from_codes(*opened(on_disk), block_length=33).occurrence
        expected = found.compute(scheduler="synchronous")
        content = cloudpickle.dumps(found.data)
        np.testing.assert_array_equal(cloudpickle.loads(content).compute(scheduler="synchronous"), expected)
    # The codes are 240 kB; tasks name the store that they read them from.
    assert found.data.npartitions == 5
    assert len(content) < 20_000
    assert expected.values.any()


def test_same_input_same_keys_and_other_settings_other_keys(on_disk: Path) -> None:
    def name(**settings: Any) -> str:
        return str(occurrence_from_codes(*opened(on_disk), **({"block_length": 40} | settings)).occurrence.data.name)

    assert name() == name()
    changes = [{"threshold": 0.5}, {"block_length": 32}, {"partial_blocks": "keep"}, {"max_blocks_per_document": 2}]
    assert len({name(), *(name(**change) for change in changes)}) == 5


def test_a_task_holds_no_more_than_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrence, "_ENTRIES_AT_ONCE", 10_000)
    n_tokens, per_token = 50_000, 20
    variables = {
        "data": ("nonzeros", np.ones(n_tokens * per_token, np.float32)),
        "indices": ("nonzeros", np.resize(np.arange(200, dtype=np.int32), n_tokens * per_token)),
        "indptr": ("row_bounds", np.arange(n_tokens + 1) * per_token),
    }
    codes = xr.Dataset(variables, attrs={"shape": [n_tokens, 200]}).chunk(nonzeros=20_000)
    with dask.config.set({BLOCK_BYTES: 100_000}):
        found = occurrence_from_codes(codes, text(np.zeros(n_tokens)), documents(), block_length=100)
        assert found.occurrence.chunks[0] == (500,)
        task = found.occurrence.data.__dask_graph__()[found.occurrence.data.name, 0, 0][0]
        task()
        tracemalloc.start()
        task()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # All the entries of its rows take 8 MB and would take 40 MB if they were dense.
    row_bounds = 8 * n_tokens
    assert peak < 100_000 + 3 * row_bounds + 100 * 10_000


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"threshold": -0.5}, "threshold: got -0.5, expected a finite number of at least 0"),
    ({"threshold": float("nan")}, "threshold: got nan, expected"),
    ({"threshold": float("inf")}, "threshold: got inf, expected"),
    ({"block_length": 0}, "block_length: got 0, expected a whole number of at least 1"),
    ({"block_length": 2.5}, "block_length: got 2.5, expected a whole number"),
    ({"max_blocks_per_document": 0}, "max_blocks_per_document: got 0, expected"),
    ({"partial_blocks": "dropped"}, "partial_blocks: got 'dropped', expected 'drop' or 'keep'"),
    (
        {"block_length": 9},
        "block_length: got 9, but the longest document has 4 tokens in one sequence, special ones not counted, so no"
        " block is left; lower it to at most 4, or keep partial blocks",
    ),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS, ids=[str(setting) for setting, _ in SETTINGS])
def test_settings_out_of_range_are_one_clear_line(settings: dict[str, Any], message: str) -> None:
    tokens = text([0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 0, 0])
    with pytest.raises(errors.ParameterError) as refused:
        occurrence_from_codes(codes_group(activations(8)), tokens, documents(), **{"block_length": 2} | settings)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def changed(codes: xr.Dataset, name: str, position: int, value: float) -> xr.Dataset:
    codes = codes.copy(deep=True)
    codes[name].values[position] = value
    return codes


CODES = codes_group(sp.csr_matrix(np.full((8, 3), 2, "float32")))
TOKENS = text([0] * 4 + [1] * 4, [1, 0, 0, 0] * 2)
BAD: dict[str, tuple[xr.Dataset, xr.Dataset, str]] = {
    "past the width": (
        changed(CODES, "indices", 17, 3), TOKENS, "codes/indices: token 5 names feature 3, expected 0 to 2; fetch"
    ),
    "negative feature": (changed(CODES, "indices", 3, -1), TOKENS, "codes/indices: token 1 names feature -1, expected"),
    "NaN": (changed(CODES, "data", 7, np.nan), TOKENS, "codes/data: token 2, feature 1: got nan; encode it again"),
    "falling bounds": (changed(CODES, "indptr", 3, 4), TOKENS, "codes/indptr: bounds of tokens 1 to 8 do not rise"),
    "bounds past the end": (changed(CODES, "indptr", 8, 99), TOKENS, "codes/indptr: bounds of tokens 1 to 8 do not"),
    "fewer codes": (codes_group(activations(7)), TOKENS, "codes: got rows for 7 tokens, expected 8 as in tokens"),
    "too few bounds": (CODES.isel(row_bounds=slice(8)), TOKENS, "codes/indptr: got 8 bounds, expected 9"),
    "no shape": (CODES.drop_attrs(), TOKENS, "codes@shape: got None, expected numbers of tokens and features"),
    "integer codes": (CODES.assign(data=CODES.data.astype(int)), TOKENS, "codes/data: got dtype int64, expected float"),
    "no mask": (CODES, TOKENS.drop_vars("is_special"), "tokens/is_special: missing; expected a boolean variable"),
    "unknown document": (
        CODES, text([0] * 4 + [4] * 4), "tokens/document: token 4 is of document 4, expected 0 to 3"
    ),
    "negative document": (CODES, text([0] * 7 + [-1]), "tokens/document: token 7 is of document -1, expected 0 to 3"),
    "special only": (CODES, text([0] * 8, [1] * 8), "tokens: 8 in all, none that is not special; add text"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str) -> None:
    codes, tokens, message = BAD[name]
    with pytest.raises((errors.DataValueError, errors.ValidationError)) as refused:
        occurrence_from_codes(codes, tokens, documents(), block_length=3).occurrence.compute()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "value"), [("data", np.nan), ("indices", 3), ("indices", -1)])
def test_codes_outside_of_blocks_are_not_looked_at(name: str, value: float) -> None:
    expected = occurrence_from_codes(CODES, TOKENS, documents(), block_length=2)
    # Entries 0 and 12 are of special tokens, 9 and 21 of partial blocks.
    for position in (0, 9, 12, 21):
        codes = changed(CODES, name, position, value)
        xr.testing.assert_equal(occurrence_from_codes(codes, TOKENS, documents(), block_length=2), expected)


def test_repeated_entries_that_add_up_to_nan_are_refused() -> None:
    variables = {
        "data": ("nonzeros", [np.inf, -np.inf]),
        "indices": ("nonzeros", [1, 1]),
        "indptr": ("row_bounds", [0, 2]),
    }
    codes = xr.Dataset(variables, attrs={"shape": [1, 2]})
    with pytest.raises(errors.DataValueError, match="^codes/data: token 0, feature 1: got nan"):
        occurrence_from_codes(codes, text([0]), documents(), block_length=1).occurrence.compute()


def test_documents_apart_are_cut_stretch_by_stretch() -> None:
    csr = sp.csr_matrix(np.eye(8, dtype="float32"))
    found = occurrence_from_codes(codes_group(csr), text([0, 0, 0, 1, 1, 0, 0, 1]), documents(), block_length=2)
    assert found.occurrence.values.argmax(axis=1).tolist() == [0, 3, 5]
    assert found.occurrence.values.sum(axis=1).tolist() == [2, 2, 2]
    assert found.document.values.tolist() == [0, 1, 0]
    assert (found.attrs["n_documents_apart"], found.attrs["n_tokens_dropped"]) == (2, 2)


def test_blocks_do_not_cross_sequences_of_one_document() -> None:
    csr = sp.csr_matrix(np.eye(8, dtype="float32"))
    together = text([0] * 8, [1, 0, 0, 0] * 2)
    apart = together.assign(position=("tokens", [0, 1, 2, 3] * 2))
    whole, two = (
        occurrence_from_codes(codes_group(csr), tokens, documents(), block_length=2, partial_blocks="keep")
        for tokens in (together, apart)
    )
    assert [np.flatnonzero(row).tolist() for row in whole.occurrence.values] == [[1, 2], [3, 5], [6, 7]]
    assert [np.flatnonzero(row).tolist() for row in two.occurrence.values] == [[1, 2], [3], [5, 6], [7]]
    assert whole.attrs["n_documents_apart"] == two.attrs["n_documents_apart"] == 0


def test_text_without_positions_is_cut_at_documents() -> None:
    tokens = text([0] * 4 + [1] * 4).drop_vars("position")
    found = occurrence_from_codes(codes_group(activations(8)), tokens, documents(), block_length=3)
    assert found.document.values.tolist() == [0, 1]
