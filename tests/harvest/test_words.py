"""Word pairs without SAEs: files of both kinds, from a folder and from a server, and the model's own activations."""

from __future__ import annotations

import functools
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from saegeom_data.data import manifest_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
tokenizers = pytest.importorskip("tokenizers")

import saegeom_data
from saegeom_data.cli import main
from saegeom_data.data import schema, store
from saegeom_data.engine import runner
from saegeom_data.errors import DataValueError, ParameterError, SpecError, StoreError
from saegeom_data.harvest import Recipe, build
from saegeom_data.harvest.recipe import Relations
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.words.files import read_relations
from saegeom_data.spec import models

SHARED = Path(__file__).parents[3] / "shared" / "data" / "word_pairs"
N_PAIRS = {
    "country-capital": 197,
    "country-currency": 197,
    "english-french": 4698,
    "english-german": 5145,
    "english-spanish": 5199,
    "landmark-country": 836,
    "person-instrument": 510,
    "person-occupation": 821,
    "person-sport": 318,
    "present-past": 293,
    "product-company": 522,
    "singular-plural": 205,
}
WORDS = {
    "capital": "France Paris Italy Rome Peru Lima Spain Madrid Egypt Cairo Japan Tokyo Cuba Havana Iraq Baghdad",
    "plural": "river rivers stone stones lamp lamps house houses tree trees road roads moon moons sea seas Rome romes",
    "german": "river Fluss stone Stein lamp Lampe house Haus tree Baum road Weg moon Mond sea See word Wort",
}
PAIRS = {name: list(zip(text.split()[::2], text.split()[1::2], strict=True)) for name, text in WORDS.items()}
PAIRS["capital"].insert(3, ("Andorra", "Andorra la Vella"))
SITES = ["hidden_state_0", "hidden_state_1", "hidden_state_2"]


def write_pairs(folder: Path) -> Path:
    """Write one relation as CSV, and two as Todd et al. publish theirs."""
    folder.mkdir(parents=True)
    for name, pairs in PAIRS.items():
        items = [{"input": source, "output": target} for source, target in pairs]
        (folder / f"{name}.json").write_text(json.dumps(items))
    (folder / "plural.json").unlink()
    (folder / "plural.csv").write_text("\n".join(["source,target", *(",".join(one) for one in PAIRS["plural"])]))
    return folder


def write_model(folder: Path, kind: str) -> Path:
    """Write a small random model with a byte-level tokenizer, which puts a special token before a text or does not."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([word for pairs in PAIRS.values() for pair in pairs for word in pair], trainer)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 300}
    if kind == "llama":
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
        config = transformers.LlamaConfig(**sizes, intermediate_size=24, num_key_value_heads=1)
    else:
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=300, n_positions=64)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / "pairs")
    write_model(folder / "llama", "llama")
    write_model(folder / "gpt2", "gpt2")
    return folder


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


def built(folder: Path, target: Path, kind: str, **relations: Any) -> xr.DataTree:
    recipe = Recipe.model_validate(recipe_for(folder / kind, **relations))
    return saegeom_data.open(build(recipe, target, roots={"pairs": folder / "pairs"}), verify="checksums").load()


@pytest.fixture(scope="module")
def tree(folder: Path) -> xr.DataTree:
    return built(folder, folder / "store.zarr", "llama", languages={"german": ["en", "de"]})


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("pieces", ["last", "mean"])
@pytest.mark.parametrize("special", [True, False])
def test_activations_are_the_models_own(folder: Path, tmp_path: Path, kind: str, pieces: str, special: bool) -> None:
    tree = built(folder, tmp_path / "store.zarr", kind, pieces=pieces, special_tokens=special)
    model = transformers.AutoModel.from_pretrained(folder / kind).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / kind)
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


def test_pairs_and_what_may_confound_them_are_stored(folder: Path, tree: xr.DataTree) -> None:
    pairs = tree["relations"].to_dataset(inherit=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    stored = [tuple(one) for one in np.stack([pairs[name] for name in ("relation", "source", "target")], 1).tolist()]
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
    files = {one["name"]: one for one in json.loads(pairs.attrs["files"])}
    assert files["plural"]["pairs"] == 9
    assert len(files["plural"]["sha256"]) == 64


def test_changed_weights_of_the_model_give_other_activations(folder: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "gpt2", "gpt2")
    value, options = recipe_for(tmp_path / "gpt2"), {"roots": {"pairs": folder / "pairs"}, "work": tmp_path / "work"}
    build(Recipe.model_validate(value), tmp_path / "before.zarr", **options)
    model = transformers.AutoModel.from_pretrained(tmp_path / "gpt2")
    with torch.no_grad():
        model.wpe.weight.add_(1)
    model.save_pretrained(tmp_path / "gpt2")
    build(Recipe.model_validate(value), tmp_path / "after.zarr", **options)
    assert manifest_of.root_hash(tmp_path / "after.zarr") != manifest_of.root_hash(tmp_path / "before.zarr")


def test_words_are_read_on_the_device_asked_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def placed(model: object, dtype: str, device: str = "cpu") -> None:
        raise RuntimeError(f"on {device}")

    monkeypatch.setattr(sys.modules["saegeom_data.harvest.build"], "load_model", placed)
    with pytest.raises(RuntimeError, match="on cpu:0"):
        build(
            Recipe.model_validate(recipe_for(folder / "gpt2")),
            tmp_path / "store.zarr",
            roots={"pairs": folder / "pairs"},
            device="cpu:0",
        )


def run_of(metric: str, **parameters: Any) -> models.RunSpec:
    metrics = [models.MetricRun(metric=metric, parameters=parameters)]
    return models.RunSpec(spec_version=1, kind="run", title="One metric", metrics=metrics)


def test_a_store_without_saes_is_valid_and_can_be_measured(tree: xr.DataTree, folder: Path, tmp_path: Path) -> None:
    assert set(tree.children) == {"relations"}
    assert schema.validate(tree) == []
    quality = run_of("parallelogram_quality", n_folds=2, n_permutations=5)
    results = runner.run(quality, folder / "store.zarr", tmp_path / "results")
    assert results["parallelogram_quality/n_pairs"].min() >= 8
    assert np.isfinite(results["parallelogram_quality/silhouette"]).all()
    assert (tmp_path / "results" / "report.html").is_file()
    with pytest.raises(DataValueError, match="the dataset has no SAEs"):
        runner.run(run_of("eigenvalue_slope"), folder / "store.zarr", tmp_path / "none")


def test_a_pattern_finds_all_files_and_pairs_are_capped(folder: Path) -> None:
    found = read_relations(Relations(files=["{pairs}/*.json"], pairs=2), Roots(folders={"pairs": folder / "pairs"}))
    assert [(one.name, one.pairs) for one in found] == [
        ("capital", PAIRS["capital"][:2]),
        ("german", PAIRS["german"][:2]),
    ]


@pytest.fixture
def saegeom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process: exit status and standard error."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["saegeom", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        return int(stop.value.code or 0), capsys.readouterr().err

    return call


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Address of a server of the folder of pairs."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_build_from_a_url_gives_the_bytes_of_one_from_a_folder(
    saegeom: Callable[..., tuple[int, str]], folder: Path, tree: xr.DataTree, address: str, tmp_path: Path
) -> None:
    recipe = recipe_for(folder / "llama", languages={"german": ["en", "de"]})
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe))
    target = tmp_path / "store.zarr"
    assert saegeom("build", tmp_path / "spec.yaml", "-o", target, "--root", f"pairs={address}/pairs") == (0, "")
    assert manifest_of.root_hash(target) == manifest_of.root_hash(folder / "store.zarr")


def test_files_at_a_url_are_those_of_the_folder(folder: Path, address: str) -> None:
    relations = Relations(files=["{pairs}/capital.json", "{pairs}/plural.csv"])
    local, remote = (
        read_relations(relations, Roots(folders={"pairs": root})) for root in (folder / "pairs", f"{address}/pairs/")
    )
    assert local == remote
    with pytest.raises(StoreError, match=r"absent\.json: cannot be fetched: HTTP Error 404"):
        read_relations(Relations(files=["{pairs}/absent.json"]), Roots(folders={"pairs": f"{address}/pairs"}))
    with pytest.raises(ParameterError, match="a pattern cannot be looked up at a URL"):
        read_relations(Relations(files=["{pairs}/*.json"]), Roots(folders={"pairs": f"{address}/pairs"}))


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9/one\.json: cannot be fetched"):
        read_relations(Relations(files=["http://127.0.0.1:9/one.json"]), Roots())


CONTENTS = {
    "not JSON": (b'[{"input": "a"', "one.json: not JSON: "),
    "nested": (b"[" * 100_000, "one.json: not JSON: nested too deeply"),
    "another kind": (b'{"input": "a", "output": "b"}', "got dict, expected a list of objects with input and output"),
    "keys": (b'[{"input": "a", "output": "b"}, {"input": "a", "out": 1}]', r"item 1: got \['input', 'out'\]"),
    "no object": (b'["a"]', "item 0: got str, expected the keys input and output"),
    "no word": (b'[{"input": " ", "output": "b"}]', "item 0: got .*, expected two words"),
    "number": (b'[{"input": 3, "output": "b"}]', "item 0: got .*, expected two words"),
    "empty": (b"[]", "one.json: no pairs; add some or leave the file out"),
    "encoding": (b'["\xff"]', "one.json: not UTF-8 text"),
}
PLACES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown relation": (lambda r: r["relations"].update(files=["{pairs}/capitol.json"]), "mean 'capital.json'"),
    "unknown language": (lambda r: r["relations"].update(languages={"germn": ["en", "de"]}), "did you mean 'german'"),
    "no folder": (lambda r: r["relations"].update(files=["{pairs}/none/capital.json"]), "none: no such folder"),
    "duplicate": (lambda r: r["relations"]["files"].append("{pairs}/*.json"), "duplicate relation 'capital', which another file gives too"),
    "no root": (lambda r: r["relations"].update(files=["{words}/capital.json"]), "say where it is with --root words="),
    "no such site": (lambda r: r["activations"].update(sites=["hidden_state_3"]), "the model has hidden_state_0 to"),
    "nothing": (lambda r: r.pop("relations"), "nothing to build"),
    "half a text": (lambda r: r.update(sequences={"per_type": 3}), "sources, sequences and saes go together"),
    "no SAE": (lambda r: r.update(codes={"site": SITES[0], "sequences_per_type": 1}), "codes are those of an SAE"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_that_is_no_relation_is_named(tmp_path: Path, case: str) -> None:
    content, message = CONTENTS[case]
    (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(DataValueError, match=message) as caught:
        read_relations(Relations(files=["one.json"]), Roots(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", PLACES)
def test_one_clear_line_and_nothing_written(
    saegeom: Callable[..., tuple[int, str]], folder: Path, tmp_path: Path, case: str
) -> None:
    change, message = PLACES[case]
    recipe = recipe_for(folder / "llama")
    change(recipe)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe))
    arguments = ["build", tmp_path / "spec.yaml", "-o", tmp_path / "store.zarr", "--root", f"pairs={folder / 'pairs'}"]
    status, error = saegeom(*arguments)
    assert (status, error.count("\n")) == (2, 1)
    assert message in error
    assert not (tmp_path / "store.zarr").exists()


def test_values_that_do_not_fit_are_an_error_not_infinity(folder: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "gpt2")
    with torch.no_grad():
        model.wpe.weight[0] += 1e5
    model.save_pretrained(tmp_path / "gpt2")
    transformers.AutoTokenizer.from_pretrained(folder / "gpt2").save_pretrained(tmp_path / "gpt2")
    recipe = recipe_for(tmp_path / "gpt2", dtype="float16", pieces="mean")
    roots = {"pairs": folder / "pairs"}
    with pytest.raises(DataValueError, match=r"hidden_state_0: '\w+': got .*; set relations.dtype: float32"):
        build(Recipe.model_validate(recipe), tmp_path / "store.zarr", roots=roots)
    assert not (tmp_path / "store.zarr").exists()
    recipe["relations"]["dtype"] = "float32"
    build(Recipe.model_validate(recipe), tmp_path / "store.zarr", roots=roots)
    assert store.open(tmp_path / "store.zarr")["relations/hidden_state_0/source_activation"].values.max() > 65504


def test_the_shipped_spec_reads_the_files_it_names() -> None:
    if not SHARED.is_dir():
        pytest.skip("the relation files are not there: put those of the function vectors data into ../shared")
    recipe = models.load_spec(models.find_spec("word-pairs", "datasets"), Recipe)
    assert recipe.relations is not None
    found = read_relations(recipe.relations, Roots(folders={"word_pairs": SHARED}))
    assert {one.name: len(one.pairs) for one in found} == N_PAIRS
    assert sum(N_PAIRS.values()) == 18_941


def test_a_spec_of_a_wrong_language_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(recipe_for(folder / "llama", languages={"german": ["en"]})))
    with pytest.raises(SpecError, match=r"relations\.languages\.german"):
        models.load_spec(tmp_path / "spec.yaml", Recipe)
