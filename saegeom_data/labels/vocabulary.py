"""The text of each token of a tokenizer, as it stands in running text, from the files that tokenizers are kept in."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data import store
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.write import write_group
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.labels.extend import extended
from saegeom_data.labels.found import text_of
from saegeom_data.labels.source import LabelSource

if TYPE_CHECKING:
    import xarray as xr

_GROUP = "vocabulary"
_FILES = ("tokenizer.json", "vocab.txt")
_WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
# The letter of byte-level vocabularies that stands for a blank.
_BYTE_SPACE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL = re.compile(r"\[[A-Za-z0-9_ ]+\]|<[A-Za-z0-9_|/]+>")
# A wrong index in a file must not make a list of any length.
_LARGEST = 2**24


def add_vocabulary(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> tuple[int, str]:
    """Add the text of tokens to a store that has none, and return their number and the new root hash.

    Parameters
    ----------
    path
        Store of this machine.
    source
        ``tokenizer.json`` or ``vocab.txt`` of the tokenizer that made the tokens, or a folder that holds one.

    Raises
    ------
    ParameterError
        If the store has a vocabulary already.
    DataValueError
        If the file holds no vocabulary, or the text of the store has tokens that it does not hold.
    StoreError
        If store or source cannot be read.
    """
    opened = LabelSource(os.fspath(source))
    # A web server does not tell a file from a folder, but its name may.
    is_file = opened.is_file or (not opened.names and opened.name in _FILES)
    name = "" if is_file else next((name for name in _FILES if opened.has(name)), None)
    if name is None:
        raise DataValueError(f"{opened.address}: holds no {' and no '.join(_FILES)}; give the folder of a tokenizer")
    shown = opened.shown(name)
    if (name or opened.name).lower().endswith(".json"):
        found = texts_of_tokenizer(opened.json(name), shown)
    else:
        pieces = _lines(opened.text(name))
        # Any text has lines; every list of word pieces has special ones, such as that for what is unknown.
        if not any(map(_SPECIAL.fullmatch, pieces)):
            raise DataValueError(
                f"{shown}: none of its lines is a special token such as [UNK]; expected the vocab.txt of a tokenizer"
            )
        found = texts_of_word_pieces(pieces)
    with store.open(path) as tree:
        if _GROUP in tree.children:
            raise ParameterError(f"{path}: has a vocabulary already, which stays; build the store anew for another one")
        _check_tokens(tree, len(found), shown)
    group = vocabulary_group(found).assign_attrs(url=opened.address, sha256=opened.sha256)
    with extended(path, [_GROUP]) as folder:
        write_group(Path(folder), _GROUP, group)
    return len(found), root_hash(path)


def _lines(text: str) -> list[str]:
    """Lines of a text, which end at line feeds and carriage returns alone: a word piece may hold other separators."""
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None)]


def vocabulary_group(texts: Sequence[str]) -> xr.Dataset:
    """The ``vocabulary`` group of a store.

    Examples
    --------
    >>> vocabulary_group([" river", "s"]).text.sizes["vocabulary_tokens"]
    2
    """
    import xarray as xr

    return xr.Dataset({"text": ("vocabulary_tokens", np.array([text_of(text) for text in texts], dtype=object))})


def texts_of_word_pieces(pieces: Sequence[str], prefix: str = "##") -> list[str]:
    """Texts of the pieces of a WordPiece tokenizer: those without a prefix begin a word.

    Examples
    --------
    >>> texts_of_word_pieces(["[CLS]", "river", "##s"])
    ['[CLS]', ' river', 's']
    """
    return [
        piece if _SPECIAL.fullmatch(piece) else piece.removeprefix(prefix) if piece.startswith(prefix) else f" {piece}"
        for piece in pieces
    ]


def running_texts(tokens: Sequence[str]) -> list[str]:
    """Tokens as they stand in running text, where a tool gives the pieces of a tokenizer in their place.

    Pieces mark what begins a word by a sign, where running text has a blank. So tokens are pieces if some begin with
    the sign and none with a blank.

    Examples
    --------
    >>> running_texts(["▁river", "s"]), running_texts(["Ġriver", "Ã©"]), running_texts([" river", "▁"])
    ([' river', 's'], [' river', 'é'], [' river', '▁'])
    """
    begins = {text[:1] for text in tokens}
    if " " in begins or not begins & {_WORD_START, _BYTE_SPACE}:
        return list(tokens)
    if _WORD_START in begins:
        return [text.replace(_WORD_START, " ") for text in tokens]
    byte_of = _bytes_by_letter()
    return [_of_bytes(text, byte_of) for text in tokens]


def texts_of_tokenizer(settings: Any, where: str) -> list[str]:
    r"""Texts of the tokens of a ``tokenizer.json``, by index; empty for an index that is not used.

    Pieces of byte-level tokenizers are decoded, each for itself: a part of a character that takes several bytes is a
    replacement character.

    Raises
    ------
    DataValueError
        If it holds no vocabulary.

    Examples
    --------
    >>> settings = {"model": {"type": "Unigram", "vocab": [["▁river", -1.0], ["s", -2.0], ["<0x0A>", 0.0]]}}
    >>> texts_of_tokenizer(settings, "tokenizer.json")
    [' river', 's', '\n']
    """
    model = settings.get("model") if isinstance(settings, dict) else None
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocab, dict | list):
        raise DataValueError(f"{where}: holds no vocabulary under model.vocab; expected a tokenizer.json")
    try:
        pieces = (
            {int(index): str(piece) for piece, index in vocab.items()}
            if isinstance(vocab, dict)
            else {index: str(entry[0]) for index, entry in enumerate(vocab)}
        )
        added = {int(token["id"]): str(token["content"]) for token in settings.get("added_tokens") or ()}
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DataValueError(f"{where}: its vocabulary is no table of tokens and indices; fetch it again") from error
    last = max((*pieces, *added), default=-1)
    if last < 0 or last >= _LARGEST or min((*pieces, *added)) < 0:
        raise DataValueError(f"{where}: got token {last} as the last one, expected 0 to {_LARGEST - 1}")
    decoded = dict(zip(pieces, _decoded(list(pieces.values()), settings, model), strict=True))
    found = [""] * (last + 1)
    # What was added is text as it stands, not written in the letters of the pieces.
    for index, text in (decoded | added).items():
        found[index] = text
    return found


def _decoded(pieces: list[str], settings: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """Texts of pieces, by what the tokenizer's steps say of them."""
    steps = {kind for name in ("pre_tokenizer", "decoder") for kind in _steps(settings.get(name))}
    if "ByteLevel" in steps:
        byte_of = _bytes_by_letter()
        return [_of_bytes(piece, byte_of) for piece in pieces]
    prefix = model.get("continuing_subword_prefix")
    if model.get("type") == "WordPiece" or prefix:
        return texts_of_word_pieces(pieces, str(prefix or "##"))
    suffix = str(model.get("end_of_word_suffix") or "")
    found = [piece.removesuffix(suffix) + " " * (bool(suffix) and piece.endswith(suffix)) for piece in pieces]
    return [_of_letter(piece.replace(_WORD_START, " ")) for piece in found]


def _steps(step: Any) -> Iterator[str]:
    """Kinds of a step of a tokenizer, and of those inside it."""
    if isinstance(step, dict):
        yield str(step.get("type"))
        for name in ("pretokenizers", "decoders"):
            for inner in step.get(name) or ():
                yield from _steps(inner)


def _of_letter(piece: str) -> str:
    """Text of a piece that may stand for one byte."""
    byte = _BYTE.fullmatch(piece)
    # Bytes of characters that take several have no text of their own.
    return chr(int(byte[1], 16)) if byte and int(byte[1], 16) < 128 else piece


def _of_bytes(piece: str, byte_of: Mapping[str, int]) -> str:
    if any(letter not in byte_of for letter in piece):
        return piece
    return bytes(byte_of[letter] for letter in piece).decode("utf-8", "replace")


def _bytes_by_letter() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for: printable ones for themselves, as in GPT-2."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _check_tokens(tree: xr.DataTree, n_texts: int, shown: str) -> None:
    """Refuse a vocabulary that does not hold every token of a store."""
    if "tokens" not in tree.children:
        return
    token_id = tree.children["tokens"].to_dataset(inherit=False)["token_id"]
    last = int(token_id.max()) if token_id.size else -1
    if last >= n_texts:
        raise DataValueError(
            f"{shown}: holds {n_texts} tokens, and the text of the store has token {last}; give its own tokenizer"
        )
