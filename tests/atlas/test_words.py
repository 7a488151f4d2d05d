from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data.atlas.build import Source, gathered
from saegeom_data.atlas.facts import SaeFacts
from saegeom_data.atlas.of_results import Row, numbers_of
from saegeom_data.atlas.words import PARAMETERS, contexts_of, neuronpedia_key, read_labels, tokens_of
from saegeom_data.data.examples import Example, examples_group
from saegeom_data.data.labels import Label, labels_group
from saegeom_data.declare.group import Group
from saegeom_data.declare.registry import list_metrics
from saegeom_data.engine import runner
from saegeom_data.metrics.brain.feature_logits import feature_logits
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_text, simulate_unembedding

SOURCE = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
KNOWN = pytest.mark.skipif("feature_tokens" not in list_metrics(), reason="the entry points are those of an older tree")


def text_store(*, vocabulary: bool = True, labels: bool = True, order: bool = True) -> xr.DataTree:
    """A store of one SAE with codes and text, in which feature i fires on word i."""
    text = simulate_text(strength=1.0, rate=0.0)
    tokens = {"token_id": "token_id", "token_document": "document", "token_position": "position"}
    held = text[[*tokens, "token_is_special"]].rename(tokens | {"token_is_special": "is_special"})
    documents = xr.Dataset({"document_type": text.type_of_document}).assign(
        document_id=("documents", [f"d{i}" for i in range(text.sizes["documents"])])
    )
    codes = text[["data", "indices", "indptr"]].drop_vars(["site", "layer", "width", "l0"], errors="ignore")
    codes.attrs = {
        "encoding-type": "csr_matrix",
        "encoding-version": "0.1.0",
        "shape": [text.sizes["tokens"], text.sizes["features"]],
    }
    groups = {
        "/tokens": held.drop_vars(["site", "layer", "width", "l0"], errors="ignore"),
        "/documents": documents.drop_vars(["site", "layer", "width", "l0"], errors="ignore"),
        "/saes/layer_0/features": text[["decoder"]].assign_attrs(text.attrs),
        "/saes/layer_0/codes": codes,
    }
    if vocabulary:
        groups["/vocabulary"] = xr.Dataset({"text": ("vocabulary_tokens", text.vocabulary_token.values)})
    if labels:
        known = {1: [Label("rivers", "me", 0.5), Label("water", "me", 0.9), Label("water", "me", 0.7)]}
        source = SOURCE | {"model": "simulated", "source_id": "0-res"}
        groups["/saes/layer_0/labels"] = labels_group(known, text.sizes["features"], [source])
    return xr.DataTree.from_dict(groups)


def only(source: Source) -> SaeFacts:
    (facts,) = gathered(source)
    return facts


@KNOWN
def test_tokens_and_contexts_are_measured_where_the_store_serves() -> None:
    facts = only(Source(text_store()))
    assert [tokens.name for tokens in facts.tokens] == ["Tokens", "Strongest on"]
    assert facts.tokens[0].text[7, 0] == " word7"
    assert facts.tokens[0].is_found[7, 0]
    assert facts.contexts is not None
    own = np.flatnonzero(facts.contexts.feature == 7)
    assert {facts.contexts.mark[i] for i in own} == {" word7"}
    assert (np.bincount(facts.contexts.feature) <= 6).all()
    assert not any(line.startswith("No tokens") for line in facts.missing)


@KNOWN
def test_results_are_read_as_they_would_be_measured() -> None:
    store = text_store()
    metrics = [{"metric": name, "parameters": parameters} for name, parameters in PARAMETERS.items()]
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "", "metrics": metrics}, strict=False)
    read, measured = only(Source(store, (runner.measure(store, run),))), only(Source(store))
    for one, other in zip(read.tokens, measured.tokens, strict=True):
        np.testing.assert_array_equal(one.text, other.text)
    assert read.contexts is not None
    assert measured.contexts is not None
    assert list(read.contexts.before) == list(measured.contexts.before)


def test_tokens_that_features_raise_and_lower_are_lists_of_their_own() -> None:
    found = feature_logits(simulate_unembedding(n_features=4, strength=0.9), n_ranks=2, n_directions=99)
    group = Group("feature_logits", "feature_logits", "brain", {}, found.expand_dims(sae=["layer_0"]))
    raises, lowers = tokens_of(Row("layer_0", "layer_0", 4, [group], []))
    assert (raises.name, lowers.name) == ("Raises", "Lowers")
    assert raises.text[:, 0].tolist() == [" word0", " word1", " word2", " word3"]
    np.testing.assert_array_equal(raises.is_found, (found.q_raised.values <= 0.05)[:, None].repeat(2, axis=1))
    assert raises.is_found.all()
    assert not lowers.is_found.all()
    # How far they stand out is a number of the feature; the tokens are listed, and not numbers.
    names = [number.name for number in numbers_of(Row("layer_0", "layer_0", 4, [group], []))]
    assert names == ["z raised", "p raised", "q raised", "z lowered", "p lowered", "q lowered"]


def test_without_a_vocabulary_it_is_said_how_to_add_one() -> None:
    facts = only(Source(text_store(vocabulary=False)))
    assert facts.tokens == []
    assert facts.contexts is None
    assert any("saegeom label STORE --vocabulary" in line for line in facts.missing)


def test_without_codes_or_text_that_is_said() -> None:
    store = text_store()
    bare = xr.DataTree.from_dict({path: store[path].to_dataset(inherit=False) for path in ("/saes/layer_0/features",)})
    assert any(line == "No tokens and contexts: no codes in this store." for line in only(Source(bare)).missing)
    assert any(line.startswith("No labels: none in the store") for line in only(Source(bare)).missing)


def test_labels_are_those_of_the_store_the_best_first() -> None:
    facts = only(Source(text_store()))
    assert facts.labels is not None
    assert facts.labels.start[:4].tolist() == [0, 0, 2, 2]
    assert list(facts.labels.description) == ["water", "rivers"]
    np.testing.assert_array_equal(facts.labels.score, [0.9, 0.5])
    assert facts.neuronpedia == "simulated/0-res"


def test_a_description_with_several_scores_has_the_place_of_its_best() -> None:
    labels = [Label("a", score=0.9), Label("b", score=0.8), Label("a", score=0.1)]
    found = read_labels(labels_group({0: labels}, 1, [{"url": "x", "sha256": "0" * 64, "date": "2026-01-31"}]))
    assert (found.description, found.score.tolist()) == (["a", "b"], [0.9, 0.8])


def with_examples(store: xr.DataTree, examples: dict[int, list[Example]]) -> xr.DataTree:
    source = SOURCE | {"format": "neuronpedia", "model": "simulated", "source_id": "0-res"}
    n_features = store["saes/layer_0/features"].sizes["features"]
    store["saes/layer_0/examples"] = xr.DataTree(examples_group(examples, n_features, [source, SOURCE]))
    return store


def spoken(text: str, strongest: float, source: int = 0) -> Example:
    """An example whose fifth token from the end is its strongest."""
    tokens = [f" {word}" for word in text.split()]
    activation = np.zeros(len(tokens), np.float32)
    activation[-5] = strongest
    return Example(tokens, activation, source)


def test_a_store_without_codes_shows_stored_examples_and_where_they_are_from() -> None:
    store = text_store(labels=False)
    del store.children["saes"].children["layer_0"]["codes"]
    long = " ".join(f"w{number}" for number in range(40))
    examples = {3: [spoken(long, 2.0), spoken("a b c d e f g", 1.0), spoken("none of it at all", 0.0)]}
    examples[3] += [spoken("p q r s t u", 1.5, source=1)]
    facts = only(Source(with_examples(store, examples)))
    found = facts.contexts
    assert found is not None
    assert (found.feature.tolist(), found.value.tolist()) == ([3, 3, 3], [2.0, 1.5, 1.0])
    assert list(found.source) == ["Neuronpedia, simulated/0-res", "mine.csv", "Neuronpedia, simulated/0-res"]
    assert (found.before[0].split(), found.mark[0]) == ([f"w{number}" for number in range(23, 35)], " w35")
    assert found.after[0] == " w36 w37 w38 w39"
    assert "No tokens: no codes in this store." in facts.missing
    assert facts.neuronpedia == "simulated/0-res"


@KNOWN
def test_features_with_contexts_of_their_own_show_these_and_the_others_stored_examples() -> None:
    silent = text_store()
    # Feature 5 never fires in the text of the store.
    codes = silent["saes/layer_0/codes"].to_dataset(inherit=False)
    silent["saes/layer_0/codes"] = xr.DataTree(codes.assign(data=codes.data.where(codes.indices != 5, 0.0)))
    known = {feature: [spoken("a b c d e f g", 1.0)] for feature in (5, 7)}
    found = only(Source(with_examples(silent, known))).contexts
    assert found is not None
    assert (np.diff(found.feature) >= 0).all()
    of = {feature: {found.source[i] for i in np.flatnonzero(found.feature == feature)} for feature in (5, 6, 7)}
    assert of == {5: {"Neuronpedia, simulated/0-res"}, 6: {""}, 7: {""}}


def test_labels_of_many_features_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    group = labels_group({i: [Label(f"l{i}")] for i in range(0, 50, 3)}, 50, [SOURCE])
    whole = read_labels(group)
    monkeypatch.setattr("saegeom_data.atlas.words._FEATURES", 7)
    pieces = read_labels(group)
    np.testing.assert_array_equal(pieces.start, whole.start)
    assert pieces.description == whole.description


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"neuronpedia": "gemma-3-270m/9-res"}, "gemma-3-270m/9-res"),
        ({"neuronpedia": "javascript:alert(1)//x"}, ""),
        ({"neuronpedia": "../../x"}, ""),
        ({}, ""),
    ],
)
def test_only_a_key_becomes_a_link(attrs: dict[str, str], expected: str) -> None:
    assert neuronpedia_key(attrs, [SOURCE]) == expected


def test_no_contexts_are_asked_of_results_that_have_none() -> None:
    assert contexts_of(Row("a", "a", 4, [], []), 6) is None
