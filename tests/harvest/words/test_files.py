"""Files of word pairs: both kinds, from a folder and from a server, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from word_pairs import PAIRS

from saegeom_data.errors import DataValueError, ParameterError, StoreError
from saegeom_data.harvest import Recipe
from saegeom_data.harvest.recipe import Relations
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.words.files import read_relations
from saegeom_data.spec import models

SHARED = Path(__file__).parents[4] / "shared" / "data" / "word_pairs"


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


def test_a_pattern_finds_all_files_and_pairs_are_capped(words: Path) -> None:
    found = read_relations(Relations(files=["{pairs}/*.json"], pairs=2), Roots(folders={"pairs": words / "pairs"}))
    assert [(relation.name, relation.pairs) for relation in found] == [
        ("capital", PAIRS["capital"][:2]),
        ("german", PAIRS["german"][:2]),
    ]


@pytest.mark.parametrize("pattern", ["a [1].csv", "a*.csv"])
def test_names_with_brackets_are_read_as_they_are(pattern: str, tmp_path: Path) -> None:
    folder = tmp_path / "run [seed 1]"
    folder.mkdir()
    (folder / "a [1].csv").write_text("source,target\nriver,stone\n")
    (found,) = read_relations(Relations(files=[pattern]), Roots(folder))
    assert (found.name, found.pairs) == ("a [1]", [("river", "stone")])


def test_files_at_a_url_are_those_of_the_folder(words: Path, address: str) -> None:
    relations = Relations(files=["{pairs}/capital.json", "{pairs}/plural.csv"])
    local, remote = (
        read_relations(relations, Roots(folders={"pairs": root})) for root in (words / "pairs", f"{address}/pairs/")
    )
    assert local == remote
    with pytest.raises(StoreError, match=r"absent\.json: cannot be fetched: HTTP Error 404"):
        read_relations(Relations(files=["{pairs}/absent.json"]), Roots(folders={"pairs": f"{address}/pairs"}))
    with pytest.raises(ParameterError, match="a pattern does not work with a URL"):
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
    "empty": (b"[]", "one.json: no word pairs; add some or leave the file out"),
    "encoding": (b'["\xff"]', "one.json: not UTF-8 text"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_that_is_no_relation_is_named(tmp_path: Path, case: str) -> None:
    content, message = CONTENTS[case]
    (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(DataValueError, match=message) as caught:
        read_relations(Relations(files=["one.json"]), Roots(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_shipped_spec_reads_the_files_it_names() -> None:
    if not SHARED.is_dir():
        pytest.skip("the relation files are not there: put those of the function vectors data into ../shared")
    recipe = models.load_spec(models.find_spec("word-pairs", "datasets"), Recipe)
    assert recipe.relations is not None
    found = read_relations(recipe.relations, Roots(folders={"word_pairs": SHARED}))
    assert {relation.name: len(relation.pairs) for relation in found} == N_PAIRS
    assert sum(N_PAIRS.values()) == 18_941
