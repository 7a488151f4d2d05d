"""Dataset specs: the shipped one, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saegeom_data.data.store import open as open_store
from saegeom_data.errors import SpecError
from saegeom_data.harvest import Recipe
from saegeom_data.sample import sample_path
from saegeom_data.spec.models import find_spec, load_spec

MINIATURE = (Path(__file__).parents[1] / "specs" / "datasets" / "miniature.yaml").read_text()

BAD = {
    "unknown key": ("per_type: 150", "per_typ: 150", r"per_typ: unknown key; did you mean 'per_type'"),
    "wrong type": ("length: 32", 'length: "32"', r"sequences\.length"),
    "two origins": (
        '  folder: "{texts}/play"',
        '  folder: "{texts}/play"\n  archive: play.zip',
        "exactly one of archive",
    ),
    "no origin": ("  generator: mathematics\n", "", "exactly one of archive"),
    "generated without end": ("  documents: 8\n", "", "generated text needs documents"),
    "duplicate site": ("hidden_state_1, hidden_state_6]", "hidden_state_1, hidden_state_1]", "duplicate site"),
    "no such site": ("hidden_state_1, hidden_state_6]", "hidden_state_1, layer_6]", r"activations\.sites\[1\]"),
    "codes elsewhere": ("site: hidden_state_6", "site: hidden_state_5", "not one of activations.sites"),
    "k above width": ("k: 4", "k: 65", "k = 65 is more than width = 64"),
    "duplicate source": ("- name: play", "- name: stories", "two sources have the same name"),
    "no checksum": ('  exclude: ["*/notes.txt"]', "  sha256: abc", r"sources\[0\]\.sha256"),
    "no encoding": ('  exclude: ["*/notes.txt"]', "  encoding: nope", "got 'nope': python has no such text encoding"),
    "no text": ('  exclude: ["*/notes.txt"]', "  encoding: hex", "got 'hex': python has no such text encoding"),
    "one ready SAE": ("saes: {", "saes: {address: own, ", "saes: got .*expected a list"),
    "other version": ("spec_version: 1", "spec_version: 2", "spec_version"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_spec_is_refused_with_file_and_key(tmp_path: Path, case: str) -> None:
    good, bad, message = BAD[case]
    assert good in MINIATURE
    file = tmp_path / "bad.yaml"
    file.write_text(MINIATURE.replace(good, bad, 1))
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(file, Recipe)
    assert str(file) in str(caught.value)


def test_all_that_does_not_go_together_is_said_at_once_and_no_key_is_offered_for_itself(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    text = MINIATURE.replace("- name: play", "- name: stories").replace("site: hidden_state_6", "site: hidden_state_5")
    file.write_text(text + "\ncooccurrence: true\n")
    with pytest.raises(SpecError) as caught:
        load_spec(file, Recipe)
    for part in ("two sources have the same name", "not one of activations.sites", "are for ready SAEs"):
        assert part in str(caught.value)
    file.write_text(MINIATURE.replace("saes: {", "saes: {l0: 4, "))
    with pytest.raises(SpecError, match=r"saes\.l0: unknown key; known: auxiliary_loss, .*width$"):
        load_spec(file, Recipe)


def test_codes_of_all_sites_are_kept_where_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MINIATURE.replace("codes: {site: hidden_state_6, ", "codes: {"))
    codes = load_spec(file, Recipe).codes
    assert codes is not None
    assert (codes.site, codes.sequences_per_type) == (None, 3)


def test_the_shipped_sample_covers_seven_types_and_all_hidden_states() -> None:
    recipe = load_spec(find_spec("minilm-sample", "datasets"), Recipe)
    assert len({source.document_type for source in recipe.sources}) == 7
    assert recipe.activations.sites == [f"hidden_state_{layer}" for layer in range(7)]
    assert all(source.sha256 for source in recipe.sources if source.archive)
    assert recipe.codes is not None
    assert recipe.relations is not None


def test_the_causal_model_is_read_at_seven_even_depths_with_a_checksum() -> None:
    recipe = load_spec(find_spec("gemma-3-270m", "datasets"), Recipe)
    assert recipe.activations.sites == [f"hidden_state_{layer}" for layer in range(0, 19, 3)]
    assert len({source.document_type for source in recipe.sources}) == 7
    assert recipe.sequences is not None
    assert recipe.sequences.prepend_bos
    assert recipe.model.sha256 is not None
    assert recipe.codes is not None
    # All codes of all sites.
    assert (recipe.codes.site, recipe.codes.sequences_per_type) == (None, recipe.sequences.per_type)
    assert recipe.relations is not None
    assert len(recipe.relations.files) == 12


def test_the_recipe_of_the_sample_is_written_as_it_was() -> None:
    recipe = json.loads(load_spec(find_spec("minilm-sample", "datasets"), Recipe).model_dump_json())
    with open_store(sample_path()) as tree:
        stored = json.loads(tree.attrs["recipe"])
    for value in (recipe, stored):
        # Word pairs have more settings than when the sample was built.
        value["relations"] = {name: value["relations"][name] for name in ("files", "pieces", "pairs")}
    assert json.dumps(recipe) == json.dumps(stored)


def test_a_recipe_survives_the_way_through_the_store() -> None:
    recipe = load_spec(find_spec("minilm-sample", "datasets"), Recipe)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
