"""Layouts of the field, made as their tools write them: what comes of them, and what is refused in one line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exports import MODEL, N_FEATURES, SOURCE, folder_of, lines
from servers import s3_server, serving

from saegeom_data.data import manifest_of, store
from saegeom_data.data.labels import Label, descriptions, labels_of, sources_of
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import label_store


def explanation(index: int, **changed: Any) -> dict[str, Any]:
    row = {"id": f"e{index}", "modelId": MODEL, "layer": SOURCE, "index": str(index), "description": f"text {index}"}
    return row | {"typeName": "oai_token-act-pair", "explanationModelName": "gpt-4o-mini"} | changed


def neuronpedia(**changed: Any) -> dict[str, bytes]:
    """Files of an export: rows in the order of their indices as text, 1,024 in a batch."""
    rows = [explanation(index) for index in sorted(range(N_FEATURES), key=str)]
    rows[7] |= changed
    return {
        "explanations/batch-0.jsonl.gz": lines(rows[:1024]),
        "explanations/batch-1.jsonl.gz": lines(rows[1024:]),
        "features/batch-0.jsonl.gz": lines([{"index": "0"}]),
        "features/batch-1.jsonl.gz": lines([{"index": "1"}]),
        "source.jsonl": b"{}\n",
    }


def labels_in(path: Path, name: str = "layer_0") -> list[list[Label]]:
    with store.open(path) as tree:
        return labels_of(tree[f"saes/{name}/labels"].to_dataset(inherit=False))


def test_an_export_of_neuronpedia_is_joined_by_index_layer_and_model(mine: Path, tmp_path: Path) -> None:
    (done,) = label_store(mine, folder_of(neuronpedia(), tmp_path / SOURCE))
    assert (done.sae, done.n_features) == ("layer_0", N_FEATURES)
    with store.open(mine) as tree:
        group = tree["saes/layer_0/labels"].to_dataset(inherit=False)
        assert descriptions(group) == [f"text {index}" for index in range(N_FEATURES)]
        assert labels_of(group)[3][0].explainer == "gpt-4o-mini, oai_token-act-pair"
        (source,) = sources_of(group)
        assert (source["model"], source["source_id"], source["format"]) == (MODEL, SOURCE, "neuronpedia")


def test_an_export_is_read_from_a_bucket_and_from_a_web_server(mine: Path) -> None:
    files = neuronpedia()
    with s3_server() as system:
        system.mkdir("neuronpedia-datasets")
        for name, data in files.items():
            system.pipe(f"neuronpedia-datasets/v1/{MODEL}/{SOURCE}/{name}", data)
        (done,) = label_store(mine, f"s3://neuronpedia-datasets/v1/{MODEL}/{SOURCE}")
    assert done.n_labels == N_FEATURES
    with serving() as served:
        served.files |= {f"/v1/{MODEL}/{SOURCE}/{name}": data for name, data in files.items() if "features" not in name}
        (again,) = label_store(mine, f"{served.url}/v1/{MODEL}/{SOURCE}")
    # The same files, whichever way they come.
    assert again.n_labels == 0


def test_features_of_neuronpedia_that_nobody_explained_say_which_tokens_they_raise(mine: Path, tmp_path: Path) -> None:
    row = {"modelId": MODEL, "layer": SOURCE, "index": "5", "pos_str": [" river", " lake"]}
    files = {"features/batch-0.jsonl.gz": lines([row]), "features/batch-1.jsonl.gz": lines([])}
    label_store(mine, folder_of(files, tmp_path / SOURCE))
    assert [label.description for label in labels_in(mine)[5]] == ["raises “ river”, “ lake”"]


Edit = Callable[[dict[str, bytes]], object]
FIRST, SECOND = "explanations/batch-0.jsonl.gz", "explanations/batch-1.jsonl.gz"
CUT = "explanations/batch-1.jsonl.gz: cannot be unpacked"
BAD: dict[str, tuple[Edit, str]] = {
    "a batch that is missing": (
        lambda files: files.pop(FIRST),
        "explanations: batches 0 are missing; fetch them, or give --p",
    ),
    "gzip cut short": (lambda files: files.update({SECOND: files[SECOND][:-20]}), CUT),
    "no gzip": (lambda files: files.update({SECOND: b"rivers"}), CUT),
    "a line that is no object": (
        lambda files: files.update({SECOND: gzip.compress(b"[1]\n")}),
        "batch-1.jsonl.gz, line 1: got a JSON list, expected an object",
    ),
    "a line that is no JSON": (
        lambda files: files.update({SECOND: gzip.compress(b'{"a"\n')}),
        "batch-1.jsonl.gz, line 1: not readable as JSON",
    ),
    "not UTF-8": (
        lambda files: files.update({SECOND: gzip.compress(b'{"a": "\xff"}\n')}),
        "batch-1.jsonl.gz, line 1: not UTF-8 at byte 7",
    ),
    "an explanation twice": (
        lambda files: files.update({SECOND: lines([explanation(5)])}),
        "batch-1.jsonl.gz, line 1: 'e5' is there twice, first in ",
    ),
    "an unknown index": (
        lambda files: files.update(neuronpedia(index="1200")),
        "has a label of feature 1200, expected 0 to 1199, those of layer_0",
    ),
    "an index that is none": (
        lambda files: files.update(neuronpedia(index="x")),
        "line 8: got feature 'x', expected its in",
    ),
    "rows of two SAEs": (
        lambda files: files.update(neuronpedia(layer="1-res-jb")),
        "line 8: of gpt2-small/1-res-jb, expected gpt2-small/0-res-jb before",
    ),
    "another model": (
        lambda files: files.update({FIRST: lines([explanation(0, modelId="gemma-2-2b")]), SECOND: lines([])}),
        "of the model 'gemma-2-2b', expected 'openai-community/gpt2', that of layer_0; if they are one model, give",
    ),
    "another layer": (
        lambda files: files.update({FIRST: lines([explanation(0, layer="1-res-jb")]), SECOND: lines([])}),
        "of layer 1, expected 0, that of layer_0",
    ),
    "another width by its name": (
        lambda files: files.update({FIRST: lines([explanation(0, layer="0-res-16k")]), SECOND: lines([])}),
        "of an SAE of 16k features, expected 1200, those of layer_0",
    ),
    "another width by its batches": (
        lambda files: files.update({f"features/batch-{number}.jsonl.gz": lines([]) for number in range(2, 9)}),
        "has room for 9216 features, expected 1200",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_export_is_one_line_and_leaves_the_store_as_it_was(mine: Path, tmp_path: Path, case: str) -> None:
    edit, expected = BAD[case]
    files = neuronpedia()
    edit(files)
    before = manifest_of.root_hash(mine)
    with pytest.raises(SaegeomError) as refused:
        label_store(mine, folder_of(files, tmp_path / SOURCE), sae="layer_0")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert manifest_of.root_hash(mine) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [SOURCE, "mine.zarr"]


def test_an_export_may_be_partial_if_one_says_so(mine: Path, tmp_path: Path) -> None:
    files = neuronpedia()
    del files[FIRST]
    (done,) = label_store(mine, folder_of(files, tmp_path / SOURCE), is_partial=True)
    assert done.n_labels == N_FEATURES - 1024


def delphi() -> dict[str, bytes]:
    predictions = [
        {"activating": True, "correct": True, "prediction": True},
        {"activating": True, "correct": True, "prediction": True},
        {"activating": True, "correct": True, "prediction": True},
        {"activating": False, "correct": False, "prediction": True},
        {"activating": False, "correct": True, "prediction": False},
        {"activating": False, "correct": None, "prediction": None},
    ]
    return {
        "run_config.json": json.dumps({"model": "gpt2", "explainer_model": "llama"}).encode(),
        "explanations/layers.0.mlp_latent7.txt": b'"rivers"',
        "explanations/layers.1.mlp_latent12.txt": b'"water"',
        "scores/detection/layers.0.mlp_latent7.txt": json.dumps(predictions).encode(),
        "scores/fuzz/layers.0.mlp_latent7.txt": b"[]",
    }


def test_a_run_of_delphi_gives_labels_and_scores_of_all_its_hookpoints(mine: Path, tmp_path: Path) -> None:
    done = label_store(mine, folder_of(delphi(), tmp_path / "run"))
    assert [(each.sae, each.n_labels) for each in done] == [("layer_0", 2), ("layer_1", 1)]
    first, second = labels_in(mine)[7]
    assert first == Label("rivers", "llama", 0.75, "detection, balanced accuracy", 0)
    assert (second.scorer, second.score == second.score) == ("fuzz, balanced accuracy", False)
    assert labels_in(mine, "layer_1")[12][0].description == "water"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("explanations/layers.0.mlp_latent7.txt", b'["rivers"]', "got a JSON list, expected one string"),
        ("explanations/layers.0.mlp_latent07.txt", b'"rivers"', "latent 7 has two explanations"),
        ("explanations/layers.0.mlp_latent9999.txt", b'"rivers"', "has a label of feature 9999, expected 0 to 1199"),
        ("scores/fuzz/layers.0.mlp_latent7.txt", b"{}", "expected a list of predictions, each an object"),
        ("run_config.json", b"{", "run_config.json: not readable as JSON"),
    ],
)
def test_a_bad_run_of_delphi_is_one_line(mine: Path, tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    before = manifest_of.root_hash(mine)
    with pytest.raises(SaegeomError) as refused:
        label_store(mine, folder_of(delphi() | {name: data}, tmp_path / "run"))
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert manifest_of.root_hash(mine) == before


def dashboard(*indices: int) -> bytes:
    example = {"tokens": [" the", " river"], "values": [0.1, 2.0], "qualifying_token_index": 1, "bin_max": 2.0}
    features = [{"feature_index": index, "pos_str": [" lake"], "activations": [example]} for index in indices]
    return json.dumps({"model_id": MODEL, "layer": 0, "sae_set": "res-jb", "features": features}).encode()


def test_batches_of_saedashboard_say_what_features_fire_on_and_raise(mine: Path, tmp_path: Path) -> None:
    files = {"batch-0.json": dashboard(0, 1), "batch-1.json": dashboard(2), "skipped_indexes.json": b"{}"}
    (done,) = label_store(mine, folder_of(files, tmp_path / "0-res-jb"), sae="layer_0")
    assert (done.n_labels, done.n_features) == (6, 3)
    assert [label.description for label in labels_in(mine)[2]] == ["fires on “ river”", "raises “ lake”"]
    for files, expected in (
        ({"batch-1.json": dashboard(0)}, "feature 0 is there twice"),
        ({"batch-3.json": dashboard(9)}, "batches 2 are missing"),
        ({"batch-1.json": b"[]"}, "no list under features"),
        ({"batch-1.json": b'{"features": [1]}'}, "got a JSON int among features"),
    ):
        bad = folder_of(
            {"batch-0.json": dashboard(0, 1), "batch-1.json": dashboard(2)} | files, tmp_path / expected[:9]
        )
        with pytest.raises(SaegeomError, match=expected):
            label_store(mine, bad, sae="layer_0")
