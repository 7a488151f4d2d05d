"""Word pairs with what may confound them, and their activations: the raw material of parallelograms."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.model.activations import check_width, hidden_size, read_sites
from saegeom_data.harvest.model.sites import check_sites, layer_of
from saegeom_data.harvest.recipe import Recipe, Relations
from saegeom_data.harvest.text.sequences import special_tokens
from saegeom_data.harvest.words.files import RelationFile

_BATCH = 256
_PAIRS = "pairs.json"
_LANGUAGE = "en"
_SPACE = " "
# How the tokens of byte-level tokenizers and of SentencePiece write a space.
_SPACE_MARKS = ("\u0120", "\u2581")
_SHOWN = 40


def save_words(
    folder: Path,
    found: Sequence[RelationFile],
    relations: Relations,
    sites: Sequence[str],
    model: Any,
    tokenizer: Any,
) -> None:
    """Keep word pairs and the activations of their words between stages, each word once.

    At most a batch of words is in memory.

    Raises
    ------
    ParameterError
        If the model lacks a site, or one is not as wide as the hidden states, or ``prepend_space`` is without effect.
    DataValueError
        If the tokenizer gives no tokens for a word or more than the model reads, or an activation is not finite in the
        stored dtype.
    """
    check_sites(sites, model)
    read = relations.as_read
    pairs = [(file.name, read(source), read(target)) for file in found for source, target in file.pairs]
    words = list(dict.fromkeys(word for _, *pair in pairs for word in pair))
    ids = _word_pieces(words, tokenizer)
    if relations.prepend_space:
        _refuse_idle_space(words, ids, tokenizer)
    before, after = special_tokens(tokenizer) if relations.special_tokens else ([], [])
    _refuse_long(words, ids, len(before) + len(after), model)
    record = {
        "columns": _columns(pairs, dict(zip(words, ids, strict=True)), tokenizer, relations),
        "words": words,
        "context": _context(*map(tokenizer.convert_ids_to_tokens, (before, after))),
        "files": [
            {"name": relation.name, "sha256": relation.sha256, "pairs": len(relation.pairs)} for relation in found
        ],
    }
    shape = (len(words), hidden_size(model))
    stored = [np.lib.format.open_memmap(folder / f"{site}.npy", "w+", relations.dtype, shape) for site in sites]
    for rows, states in _batches(ids, before, after, model, sites):
        for site, array, state in zip(sites, stored, states, strict=True):
            check_width(site, state, shape[1])
            chosen = (state[:, -1] if relations.pieces == "last" else state.mean(dim=1)).cpu().numpy()
            array[rows] = _stored(chosen, relations.dtype, [words[row] for row in rows], site)
    for array in stored:
        array.flush()
    (folder / _PAIRS).write_text(json.dumps(record))


def _context(before: Sequence[str], after: Sequence[str]) -> str:
    """What the model reads, such as ``[CLS] {word} [SEP]``."""
    return " ".join([*before, "{word}", *after])


def _batches(
    ids: Sequence[list[int]], before: list[int], after: list[int], model: Any, sites: Sequence[str]
) -> Iterator[tuple[list[int], list[Any]]]:
    """Yield indices of some words, and for each site the hidden states (words, pieces, hidden) of their own tokens."""
    # Words of one length go together: padding would change their activations.
    for length in sorted({len(pieces) for pieces in ids}):
        same = [index for index, pieces in enumerate(ids) if len(pieces) == length]
        for low in range(0, len(same), _BATCH):
            rows = same[low : low + _BATCH]
            tokens = np.asarray([[*before, *ids[row], *after] for row in rows], dtype=np.int32)
            own = slice(len(before), len(before) + length)
            yield rows, [state[:, own] for state in read_sites(model, tokens, sites)]


def _stored(values: npt.NDArray[np.float32], dtype: str, words: Sequence[str], site: str) -> npt.NDArray[Any]:
    # Told below with its word and place, in place of a warning.
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    bad = np.argwhere(~np.isfinite(stored))
    if len(bad):
        row, column = map(int, bad[0])
        value = values[row, column]
        fix = "set relations.dtype: float32" if np.isfinite(value) else "the model gives it, so leave the site out"
        raise DataValueError(f"{site}: {words[row]!r}: got {value:g}, expected values that fit {dtype}; {fix}")
    return stored


def _word_pieces(words: Sequence[str], tokenizer: Any) -> list[list[int]]:
    pieces: list[list[int]] = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    for word, ids in zip(words, pieces, strict=True):
        if not ids:
            raise DataValueError(f"the tokenizer gives no tokens for the word {word!r}; remove it")
    return pieces


def _refuse_idle_space(words: Sequence[str], ids: Sequence[list[int]], tokenizer: Any) -> None:
    """Raise :class:`ParameterError` if a space before a word is no other token than none, or a second space."""
    bare = _word_pieces([word.removeprefix(_SPACE) for word in words], tokenizer)
    # Spaces would then seem to matter where the model never saw one.
    if bare == ids:
        raise ParameterError(
            "relations.prepend_space: the tokenizer gives the same tokens with and without a space; leave it out"
        )
    first = tokenizer.convert_ids_to_tokens([pieces[0] for pieces in bare])
    if all(str(token).startswith(_SPACE_MARKS) for token in first):
        raise ParameterError("relations.prepend_space: the tokenizer itself puts a space before a text; leave it out")


def _refuse_long(words: Sequence[str], ids: Sequence[list[int]], n_special: int, model: Any) -> None:
    """Raise :class:`DataValueError` for a word of more tokens than the model has positions."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for word, pieces in zip(words, ids, strict=True):
        if positions is not None and len(pieces) + n_special > positions:
            raise DataValueError(
                f"the word {word[:_SHOWN]!r}...: got {len(pieces) + n_special} tokens, expected at most {positions},"
                " the positions of the model; remove it"
            )


def _columns(
    pairs: Sequence[tuple[str, str, str]], ids: dict[str, list[int]], tokenizer: Any, relations: Relations
) -> dict[str, list[Any]]:
    """Columns of the table of pairs: the words, and what of them may confound a comparison of their activations."""
    names, *ends = (list(column) for column in zip(*pairs, strict=True))
    columns: dict[str, list[Any]] = {"relation": names, "source": ends[0], "target": ends[1]}
    columns["length_difference"] = [_characters(target) - _characters(source) for _, source, target in pairs]
    last = [[len(str(tokenizer.convert_ids_to_tokens(ids[word][-1]))) for word in words] for words in ends]
    columns["last_token_length_difference"] = [after - before for before, after in zip(*last, strict=True)]
    for place, (end, words) in enumerate(zip(("source", "target"), ends, strict=True)):
        columns[f"{end}_token_count"] = [len(ids[word]) for word in words]
        columns[f"{end}_last_token_id"] = [ids[word][-1] for word in words]
        if relations.languages:
            columns[f"{end}_language"] = [relations.languages.get(name, [_LANGUAGE] * 2)[place] for name in names]
    return columns


def _characters(word: str) -> int:
    """Number of characters, a letter and its accents counted as one however the file writes them."""
    return len(unicodedata.normalize("NFC", word))


def relation_groups(folder: Path, recipe: Recipe, relations: Relations) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and content of the groups of word pairs, one site in memory at a time."""
    record = json.loads((folder / _PAIRS).read_text())
    columns = record["columns"]
    about = {name: getattr(relations, name) for name in ("title", "license", "url", "citation")}
    table = {name: ("pairs", np.asarray(values, dtype=_dtype(values[0]))) for name, values in columns.items()}
    attrs: dict[str, Any] = {name: text for name, text in about.items() if text}
    attrs |= {"files": json.dumps(record["files"])} | ({"prepend_space": True} if relations.prepend_space else {})
    yield "relations", xr.Dataset(table, attrs=attrs)
    place = {word: index for index, word in enumerate(record["words"])}
    rows = {end: np.asarray([place[word] for word in columns[end]]) for end in ("source", "target")}
    for site in recipe.activations.sites:
        values = np.load(folder / f"{site}.npy", mmap_mode="r")
        ends = {f"{end}_activation": (("pairs", "hidden"), values[index]) for end, index in rows.items()}
        attrs = {"model": recipe.model.name, "source_dtype": recipe.activations.dtype}
        attrs |= {"context": record["context"], "word_pieces": relations.pieces}
        yield f"relations/{site}", xr.Dataset(ends, {"site": site, "layer": layer_of(site)}, attrs)


def _dtype(value: Any) -> Any:
    return np.bool_ if isinstance(value, bool) else np.int32 if isinstance(value, int) else object
