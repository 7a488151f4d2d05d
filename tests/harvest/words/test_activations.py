"""Activations of word pairs: the model's own, with what may confound them, and the mistakes of a recipe of pairs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")


from tiny_models import (
    write_model,
)
from word_pairs import PAIRS

import saegeom_data
from saegeom_data.cli import main
from saegeom_data.data import manifest_of, store, validation
from saegeom_data.engine import runner
from saegeom_data.errors import DataValueError, ParameterError, SpecError
from saegeom_data.harvest import Recipe, build
from saegeom_data.spec import models

SITES = ["hidden_state_0", "hidden_state_1", "hidden_state_2"]


def recipe_for(model: Path, **relations: Any) -> dict[str, Any]:
    files = ["{pairs}/capital.json", "{pairs}/plural.csv", "{pairs}/german.json"]
    return {
        "spec_version": 1,
        "kind": "dataset",
        "name": "pairs",
        "title": "Pairs",
        "description": "Pairs that a test writes.",
        "license": "CC0-1.0",
        "model": {"name": model.name, "path": str(model)},
        "activations": {"sites": SITES},
        "relations": {"files": files, "dtype": "float32"} | relations,
    }


def built(words: Path, target: Path, kind: str, **relations: Any) -> xr.DataTree:
    recipe = Recipe.model_validate(recipe_for(words / kind, **relations))
    return saegeom_data.open(build(recipe, target, roots={"pairs": words / "pairs"}), verify="checksums").load()


@pytest.fixture(scope="module")
def tree(words: Path) -> xr.DataTree:
    return built(words, words / "store.zarr", "llama", languages={"german": ["en", "de"]})


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("pieces", ["last", "mean"])
@pytest.mark.parametrize("special", [True, False])
def test_activations_are_the_models_own(words: Path, tmp_path: Path, kind: str, pieces: str, special: bool) -> None:
    tree = built(words, tmp_path / "store.zarr", kind, pieces=pieces, special_tokens=special)
    model = transformers.AutoModel.from_pretrained(words / kind).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(words / kind)
    first = 1 if special and kind == "llama" else 0
    for index, word in enumerate(tree["relations/target"].values):
        encoded = tokenizer(word, return_tensors="pt", add_special_tokens=special)
        with torch.inference_mode():
            states = model(**encoded, output_hidden_states=True).hidden_states
        for site in SITES:
            own = states[int(site[-1])][0].numpy()
            expected = own[-1] if pieces == "last" else own[first:].mean(axis=0)
            stored = tree[f"relations/{site}/target_activation"].values[index]
            np.testing.assert_allclose(stored, expected, rtol=1e-4, atol=1e-5)
    attrs = tree["relations/hidden_state_1"].attrs
    assert attrs["context"] == ("<s> {word}" if first else "{word}")
    assert attrs["word_pieces"] == pieces


def test_pairs_and_what_may_confound_them_are_stored(words: Path, tree: xr.DataTree) -> None:
    pairs = tree["relations"].to_dataset(inherit=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(words / "llama")
    stored = [tuple(row) for row in np.stack([pairs[name] for name in ("relation", "source", "target")], 1).tolist()]
    assert stored == [(name, *pair) for name in ("capital", "plural", "german") for pair in PAIRS[name]]
    andorra = pairs.isel(pairs=3)
    ids = tokenizer("Andorra la Vella", add_special_tokens=False)["input_ids"]
    assert andorra.length_difference == 9
    assert andorra.target_token_count == len(ids)
    assert andorra.target_last_token_id == ids[-1]
    last = [tokenizer.convert_ids_to_tokens(tokenizer(word, add_special_tokens=False)["input_ids"])[-1]
            for word in ("Andorra la Vella", "Andorra")]  # fmt: skip
    assert andorra.last_token_length_difference == len(last[0]) - len(last[1])
    assert pairs.target_language.values.tolist() == ["en"] * 18 + ["de"] * 9
    assert set(pairs.source_language.values) == {"en"}
    files = {file["name"]: file for file in json.loads(pairs.attrs["files"])}
    assert files["plural"]["pairs"] == 9
    assert len(files["plural"]["sha256"]) == 64


def test_changed_weights_of_the_model_give_other_activations(words: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "gpt2", "gpt2")
    value, options = recipe_for(tmp_path / "gpt2"), {"roots": {"pairs": words / "pairs"}, "work": tmp_path / "work"}
    build(Recipe.model_validate(value), tmp_path / "before.zarr", **options)
    model = transformers.AutoModel.from_pretrained(tmp_path / "gpt2")
    with torch.no_grad():
        model.wpe.weight.add_(1)
    model.save_pretrained(tmp_path / "gpt2")
    build(Recipe.model_validate(value), tmp_path / "after.zarr", **options)
    assert manifest_of.root_hash(tmp_path / "after.zarr") != manifest_of.root_hash(tmp_path / "before.zarr")


def test_words_are_read_on_the_device_asked_for(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def placed(model: object, dtype: str, device: str = "cpu", **options: object) -> None:
        raise RuntimeError(f"on {device}")

    monkeypatch.setattr(sys.modules["saegeom_data.harvest.build"], "load_model", placed)
    with pytest.raises(RuntimeError, match="on cpu:0"):
        build(
            Recipe.model_validate(recipe_for(words / "gpt2")),
            tmp_path / "store.zarr",
            roots={"pairs": words / "pairs"},
            device="cpu:0",
        )


def run_of(metric: str, **parameters: Any) -> models.RunSpec:
    metrics = [models.MetricRun(metric=metric, parameters=parameters)]
    return models.RunSpec(spec_version=1, kind="run", title="One metric", metrics=metrics)


def test_a_store_without_saes_is_valid_and_can_be_measured(tree: xr.DataTree, words: Path, tmp_path: Path) -> None:
    assert set(tree.children) == {"relations"}
    assert validation.validate(tree) == []
    quality = run_of("parallelogram_quality", n_folds=2, n_permutations=5)
    results = runner.run(quality, words / "store.zarr", tmp_path / "results")
    assert results["parallelogram_quality/n_pairs"].min() >= 8
    assert np.isfinite(results["parallelogram_quality/silhouette"]).all()
    assert (tmp_path / "results" / "report.html").is_file()
    with pytest.raises(DataValueError, match="the data has no SAEs"):
        runner.run(run_of("eigenvalue_slope"), words / "store.zarr", tmp_path / "none")


@pytest.fixture
def saegeom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process: exit status and standard error."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["saegeom", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        return int(stop.value.code or 0), capsys.readouterr().err

    return call


def test_a_build_from_a_url_gives_the_bytes_of_one_from_a_folder(
    saegeom: Callable[..., tuple[int, str]], words: Path, tree: xr.DataTree, address: str, tmp_path: Path
) -> None:
    recipe = recipe_for(words / "llama", languages={"german": ["en", "de"]})
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe))
    target = tmp_path / "store.zarr"
    assert saegeom("build", tmp_path / "spec.yaml", "-o", target, "--root", f"pairs={address}/pairs") == (0, "")
    assert manifest_of.root_hash(target) == manifest_of.root_hash(words / "store.zarr")


def write_own_pairs(folder: Path, *pairs: tuple[str, str]) -> dict[str, Any]:
    """Write pairs as JSON; return where a build finds them."""
    (folder / "own.json").write_text(json.dumps([{"input": source, "output": target} for source, target in pairs]))
    return {"spec_folder": folder}


def built_from(words: Path, kind: str, target: Path, options: dict[str, Any], **relations: Any) -> xr.DataTree:
    recipe = Recipe.model_validate(recipe_for(words / kind, files=["own.json"], **relations))
    return saegeom_data.open(build(recipe, target, **options), verify="checksums").load()


def test_a_leading_space_chooses_the_token(words: Path, tmp_path: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(words / "gpt2")
    options = write_own_pairs(tmp_path, (" river", " stone"), ("river", "stone"))
    tree = built_from(words, "gpt2", tmp_path / "both.zarr", options)
    assert tree["relations/source"].values.tolist() == [" river", "river"]
    for column in ("source_last_token_id", "source_token_count"):
        ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in (" river", "river")]
        expected = [len(own) if "count" in column else own[-1] for own in ids]
        assert tree[f"relations/{column}"].values.tolist() == expected
    states = tree["relations/hidden_state_2/source_activation"].values
    assert not np.allclose(states[0], states[1])
    spaced = built_from(words, "gpt2", tmp_path / "spaced.zarr", options, prepend_space=True)
    assert spaced["relations/source"].values.tolist() == [" river", " river"], "no second space"
    for row in spaced["relations/hidden_state_2/source_activation"].values:
        np.testing.assert_allclose(row, states[0], rtol=1e-5, atol=1e-6)
    assert spaced["relations"].attrs["prepend_space"] is True
    assert "prepend_space" not in tree["relations"].attrs
    assert '"prepend_space": true' in (tmp_path / "spaced.zarr" / "README.md").read_text()
    assert "prepend_space" not in (tmp_path / "both.zarr" / "README.md").read_text()


def test_a_space_that_is_asked_for_later_is_no_finished_work(words: Path, tmp_path: Path) -> None:
    options = write_own_pairs(tmp_path, ("river", "stone")) | {"work": tmp_path / "work"}
    built_from(words, "gpt2", tmp_path / "bare.zarr", options)
    assert built_from(words, "gpt2", tmp_path / "own.zarr", options, prepend_space=True)["relations/source"] == " river"


def test_accents_are_no_characters_of_their_own(words: Path, tmp_path: Path) -> None:
    options = write_own_pairs(tmp_path, ("cafe\u0301", "caf\u00e9"))
    assert built_from(words, "gpt2", tmp_path / "own.zarr", options)["relations/length_difference"] == 0


def _word_piece() -> Any:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0, "river": 1, "stone": 2}))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _spaces_of_its_own() -> Any:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, "\u2581river": 1, "\u2581\u2581": 2}, "?"))
    tokenizer.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("\u2581"), tokenizers.normalizers.Replace(" ", "\u2581")]
    )
    return tokenizer


@pytest.mark.parametrize(
    ("made", "message"),
    [(_word_piece, "the same tokens with and without"), (_spaces_of_its_own, "itself puts a space")],
)
def test_a_space_that_makes_no_sense_is_refused(words: Path, tmp_path: Path, made: Any, message: str) -> None:
    options = write_own_pairs(tmp_path, ("river", "river"))
    shutil.copytree(words / "gpt2", tmp_path / "model")
    transformers.PreTrainedTokenizerFast(tokenizer_object=made()).save_pretrained(tmp_path / "model")
    with pytest.raises(ParameterError, match=rf"^relations\.prepend_space: .*{message}"):
        built_from(tmp_path, "model", tmp_path / "own.zarr", options, prepend_space=True)


def test_a_word_longer_than_the_model_reads_is_named(words: Path, tmp_path: Path) -> None:
    options = write_own_pairs(tmp_path, ("river", "x" * 100))
    with pytest.raises(
        DataValueError, match=r"^the word 'x{40}'\.\.\.: got 100 tokens, expected at most 64, the positions"
    ):
        built_from(words, "gpt2", tmp_path / "own.zarr", options)


PLACES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown relation": (lambda r: r["relations"].update(files=["{pairs}/capitol.json"]), "mean 'capital.json'"),
    "unknown language": (lambda r: r["relations"].update(languages={"germn": ["en", "de"]}), "did you mean 'german'"),
    "no folder": (lambda r: r["relations"].update(files=["{pairs}/none/capital.json"]), "none: no such folder"),
    "duplicate": (lambda r: r["relations"]["files"].append("{pairs}/*.json"), "duplicate relation 'capital'"),
    "no root": (lambda r: r["relations"].update(files=["{words}/capital.json"]), "say where it is with --root words="),
    "no such site": (lambda r: r["activations"].update(sites=["hidden_state_3"]), "model has hidden_state_0 to"),
    "nothing": (lambda r: r.pop("relations"), "nothing to build"),
    "half a text": (lambda r: r.update(sequences={"per_type": 3}), "sources, sequences and saes go together"),
    "no SAE": (lambda r: r.update(codes={"site": SITES[0], "sequences_per_type": 1}), "codes need an SAE"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_one_clear_line_and_nothing_written(
    saegeom: Callable[..., tuple[int, str]], words: Path, tmp_path: Path, case: str
) -> None:
    change, message = PLACES[case]
    recipe = recipe_for(words / "llama")
    change(recipe)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe))
    arguments = ["build", tmp_path / "spec.yaml", "-o", tmp_path / "store.zarr", "--root", f"pairs={words / 'pairs'}"]
    status, error = saegeom(*arguments)
    assert (status, error.count("\n")) == (2, 1)
    assert message in error
    assert not (tmp_path / "store.zarr").exists()


def test_values_that_do_not_fit_are_an_error_not_infinity(words: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(words / "gpt2")
    with torch.no_grad():
        model.wpe.weight[0] += 1e5
    model.save_pretrained(tmp_path / "gpt2")
    transformers.AutoTokenizer.from_pretrained(words / "gpt2").save_pretrained(tmp_path / "gpt2")
    recipe = recipe_for(tmp_path / "gpt2", dtype="float16", pieces="mean")
    roots = {"pairs": words / "pairs"}
    with pytest.raises(DataValueError, match=r"hidden_state_0: '\w+': got .*; set relations.dtype: float32"):
        build(Recipe.model_validate(recipe), tmp_path / "store.zarr", roots=roots)
    assert not (tmp_path / "store.zarr").exists()
    recipe["relations"]["dtype"] = "float32"
    build(Recipe.model_validate(recipe), tmp_path / "store.zarr", roots=roots)
    assert store.open(tmp_path / "store.zarr")["relations/hidden_state_0/source_activation"].values.max() > 65504


def test_a_spec_of_a_wrong_language_is_refused(words: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe_for(words / "llama", languages={"german": ["en"]})))
    with pytest.raises(SpecError, match=r"relations\.languages\.german"):
        models.load_spec(tmp_path / "spec.yaml", Recipe)
