"""Neighbours for other tools: those of a search over all pairs, in the layouts of delphi and Neuronpedia."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from saegeom_data.data import store, write
from saegeom_data.errors import SaegeomError
from saegeom_data.share.neighbours import export_neighbours
from saegeom_data.testing.simulate import simulate_store

N = 1100


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = simulate_store(n_saes=1, n_features=N, n_hidden=8, n_blocks=40)
    tree["saes/layer_0/features"].attrs["neuronpedia"] = "gpt2-small/0-res"
    target = tmp_path_factory.mktemp("neighbours") / "a.zarr"
    write.write_tree(tree, target)
    return target


def test_neighbours_of_delphi_are_those_of_all_pairs(path: Path, tmp_path: Path) -> None:
    files = export_neighbours(path, tmp_path / "out", k=7)
    cosine, jaccard = (json.loads((tmp_path / "out" / name).read_text()) for name in files)
    assert [name.startswith("neighbours/") for name in files] == [True, True]
    assert files[0].endswith("-decoder_similarity.json")
    assert files[1].endswith("-co-occurrence.json")
    with store.open(path) as tree:
        decoder = tree["saes/layer_0/features/decoder"].values.astype(float)
        fires = tree["saes/layer_0/occurrence/occurrence"].values.astype(float)
    unit = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    both = fires.T @ fires
    on = np.diag(both)
    union = np.maximum(on[:, None] + on - both, 1)
    for found, measure in ((cosine, unit @ unit.T), (jaccard, both / union)):
        assert list(map(int, found)) == list(range(N))
        np.fill_diagonal(measure, -1)
        for feature in range(0, N, 100):
            index, value = map(np.array, zip(*found[str(feature)], strict=True))
            np.testing.assert_allclose(value, np.sort(measure[feature])[::-1][:7], atol=1e-5)
            np.testing.assert_allclose(measure[feature][index], value, atol=1e-5)


@pytest.mark.parametrize("key", ["../../outside", "/outside/0-res", "a//b", "gpt2-small/.."])
def test_a_key_leads_to_no_place_outside_of_the_folder(key: str, tmp_path: Path) -> None:
    tree = simulate_store(n_saes=1, n_features=40, n_hidden=8, n_blocks=40)
    tree["saes/layer_0/features"].attrs["neuronpedia"] = key
    write.write_tree(tree, tmp_path / "a.zarr")
    with pytest.raises(SaegeomError, match="neuronpedia is .*, expected model/source"):
        export_neighbours(tmp_path / "a.zarr", tmp_path / "out", format="neuronpedia", k=3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_rows_of_neuronpedia_are_in_batches_by_index_as_text(path: Path, tmp_path: Path) -> None:
    files = export_neighbours(path, tmp_path / "out", format="neuronpedia", k=3)
    assert files == [f"gpt2-small/0-res/features/batch-{number}.jsonl.gz" for number in (0, 1)]
    batches = [gzip.decompress((tmp_path / "out" / name).read_bytes()).decode().splitlines() for name in files]
    assert [len(batch) for batch in batches] == [1024, N - 1024]
    rows = [json.loads(line) for batch in batches for line in batch]
    assert [row["index"] for row in rows] == sorted(map(str, range(N)))
    assert set(rows[0]) == {"modelId", "layer", "index", "topkCosSimIndices", "topkCosSimValues"}
    assert [len(rows[5][name]) for name in ("topkCosSimIndices", "topkCosSimValues")] == [3, 3]
    export_neighbours(path, tmp_path / "again", format="neuronpedia", k=3)
    assert all((tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in files)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"format": "delfi"}, "did you mean 'delphi'"),
        ({"saes": ["layer_1"]}, "did you mean 'layer_0'"),
        ({"k": 0}, "k: got 0, expected at least 1"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(
    path: Path, tmp_path: Path, given: dict[str, object], expected: str
) -> None:
    with pytest.raises(SaegeomError, match=expected):
        export_neighbours(path, tmp_path / "out", **given)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
