"""The bulk export of Neuronpedia: ``<model>/<source>/{explanations,features,activations}/batch-N.jsonl.gz``.

Rows are ordered by their index as text, so that a batch is no range of features. Where nobody has explained an SAE, the
tokens whose logits its features raise most, from ``features``, stand in for explanations. A row of ``activations`` is a
context in which a feature fires.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from saegeom_data.data.examples import Example
from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.batches import batches_of, listed_tokens
from saegeom_data.labels.found import Found, FoundExample, example_of, feature_index, numbers_of, text_of
from saegeom_data.labels.source import LabelSource

WHAT = "a folder with explanations/batch-N.jsonl.gz, features/batch-N.jsonl.gz or activations/batch-N.jsonl.gz"

_FOLDERS = ("explanations", "features", "activations")
_BATCH = r"batch-(\d+)[.]jsonl(?:[.]gz)?"
_FOLDER = re.compile(rf"((?:[^/]+/)?)((?:explanations|features|activations)[^/]*)/{_BATCH}")
# Bytes of one batch of activations once unpacked, of which no more than a line is held.
_MOST_OF_ACTIVATIONS = 2**35
# Of a web server, which cannot list, that many batches are asked for at most.
_MOST_BATCHES = 4096
_ROWS_OF_BATCH = 1024


def parts(source: LabelSource) -> list[str]:
    """Sources of Neuronpedia: the folder itself, or the folders in it."""
    if not source.names:
        return [source.name] if any(source.has(f"{each}/batch-0.jsonl.gz") for each in _FOLDERS) else []
    prefixes = {found[1].rstrip("/") for name in source.names if (found := _FOLDER.fullmatch(name))}
    return [source.name] if "" in prefixes else sorted(prefixes)


def read(source: LabelSource, part: str, *, is_partial: bool) -> Found:
    """Read all explanations of an SAE, by whatever model, or else its features.

    Raises
    ------
    StoreError, DataValueError
        If a batch is missing, damaged, of several SAEs, or has the same explanation or feature twice.
    """
    names = _names(source, part)
    folders = sorted({name.rpartition("/")[0] for name in names})
    explained = [folder for folder in folders if folder.rpartition("/")[2].startswith("explanations")]
    featured = [folder for folder in folders if folder.rpartition("/")[2] == "features"]
    found, seen = Found(), dict[str, str]()
    for folder in explained or featured:
        for where, row in _rows(source, names, folder, is_partial=is_partial):
            _check_same(found, row, where)
            key = text_of(row.get("id")) if explained else text_of(row.get("index"))
            if key and key in seen:
                raise DataValueError(f"{where}: {key!r:.60} is there twice, first in {seen[key]}; fetch it again")
            seen[key] = where
            label = _explanation(row) if explained else _raised(row)
            feature = feature_index(row.get("index"), where)
            if label.description and label not in found.labels.get(feature, []):
                found.labels.setdefault(feature, []).append(label)
    _note_width(found, names, is_partial)
    return found


def examples(source: LabelSource, part: str, found: Found, *, is_partial: bool) -> Iterator[FoundExample]:
    """Yield all activations of an SAE, row by row.

    Raises
    ------
    StoreError, DataValueError
        If a batch is missing, damaged or of several SAEs, or tokens and values of a row do not go together.
    """
    names = _names(source, part)
    folders = sorted({name.rpartition("/")[0] for name in names})
    for folder in (each for each in folders if each.rpartition("/")[2].startswith("activations")):
        for where, row in _rows(source, names, folder, is_partial=is_partial, most=_MOST_OF_ACTIVATIONS):
            is_first = not found.facts
            _check_same(found, row, where)
            if is_first:
                _note_width(found, names, is_partial)
            feature = feature_index(row.get("index"), where)
            yield FoundExample(
                where, feature, _activation(where, row), text_of(row.get("id")), text_of(row.get("dataSource"))
            )


def _rows(
    source: LabelSource, names: list[str], folder: str, *, is_partial: bool, most: int | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and object of each row of all batches of a folder."""
    where = f"{source.address}/{folder}"
    for name in batches_of(names, rf"{re.escape(folder)}/{_BATCH}", where, is_partial=is_partial):
        yield from source.objects(name) if most is None else source.objects(name, most)


def _note_width(found: Found, names: list[str], is_partial: bool) -> None:
    """Note what the name and the batches of an SAE say of its width."""
    said = re.search(r"(\d+)k(?![a-z])", str(found.facts.get("source_id", "")))
    found.thousands = int(said[1]) if said else None
    counts = Counter(folder for name in names if (folder := name.rpartition("/")[0]).rpartition("/")[2] == "features")
    # By rows of a batch alone: a feature that never fires may be left out of an export.
    found.most_features = max(counts.values()) * _ROWS_OF_BATCH if counts and not is_partial else None


def _names(source: LabelSource, part: str) -> list[str]:
    """Names of the batches of a part; those of a web server are asked for one after the other."""
    if source.names:
        inside = [name for name in source.names if (found := _FOLDER.fullmatch(name)) and found[1].rstrip("/") == part]
        return inside or [name for name in source.names if (found := _FOLDER.fullmatch(name)) and not found[1]]
    return [name for folder in _FOLDERS for name in _asked(source, folder)]


def _asked(source: LabelSource, folder: str) -> Iterator[str]:
    for number in range(_MOST_BATCHES):
        name = f"{folder}/batch-{number}.jsonl.gz"
        if not source.has(name):
            return
        yield name


def _check_same(found: Found, row: dict[str, Any], where: str) -> None:
    """Note which SAE a row is of, and refuse one of another SAE than those before it."""
    model, source_id = text_of(row.get("modelId")), text_of(row.get("layer"))
    if not found.facts:
        found.model, found.facts = model, {"format": "neuronpedia", "source_id": source_id}
    elif (model, source_id) != (found.model, found.facts["source_id"]):
        raise DataValueError(
            f"{where}: of {model}/{source_id}, expected {found.model}/{found.facts['source_id']} before; give one SAE"
        )


def _explanation(row: dict[str, Any]) -> Label:
    by = [text_of(row.get(name)) for name in ("explanationModelName", "typeName")]
    return Label(text_of(row.get("description")).strip(), ", ".join(filter(None, by)))


def _raised(row: dict[str, Any]) -> Label:
    tokens = row.get("pos_str")
    return Label(listed_tokens("raises", tokens if isinstance(tokens, list) else []), "top logits, Neuronpedia")


def _activation(where: str, row: dict[str, Any]) -> Example:
    example = example_of(where, row, ("binMin", "binMax", "binContains"))
    # Without attributions the list is empty or none.
    attribution = numbers_of(where, row, "dfaValues") if row.get("dfaValues") else None
    target = row.get("dfaTargetIndex")
    if attribution is not None:
        if len(attribution) != len(example.tokens):
            raise DataValueError(
                f"{where}: got {len(example.tokens)} tokens and {len(attribution)} dfaValues, expected as many of both;"
                " fetch it again"
            )
        if target is not None and (type(target) is not int or not -1 <= target < len(attribution)):
            raise DataValueError(
                f"{where}: got dfaTargetIndex {target!r:.60}, expected 0 to {len(attribution) - 1}, one of its tokens"
            )
    attributed = target if attribution is not None and target is not None else -1
    return replace(example, attribution=attribution, attributed=attributed)
