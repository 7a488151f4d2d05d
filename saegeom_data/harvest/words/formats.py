"""What a file of word pairs says: CSV with the header ``source,target``, or a JSON list of ``input`` and ``output``.

A leading space chooses the token of a word in byte-level tokenizers. So spaces in a JSON string, or between quotation
marks in CSV, are kept as they stand; around CSV cells without quotation marks they are taken off.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from saegeom_data.errors import DataValueError

Pair = tuple[str, str]

_KEYS = ("input", "output")
_HEADER = ["source", "target"]
# Spreadsheets write semicolons where the comma is the decimal sign, and tabs into what they call Unicode text.
_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons"}
# The end of a line as CSV knows it; str.splitlines would also cut at characters that stand inside words.
_LINE_END = re.compile(r"\r\n|\r|\n")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# NUL comes from UTF-16 without its mark, the mark itself from files that were joined, half a surrogate from a string
# that was cut, U+FFFD from bytes that were read in another encoding, other control characters from a terminal:
# tokenizers would take each for a part of the word.
_NO_WORD = re.compile("[\0-\x08\x0e-\x1f\x7f\ufeff\ufffd\ud800-\udfff]")
_SHOWN = 60


class LineError(Exception):
    """What is wrong with one line or item, to which the reader of the file adds where it is."""


def parse_pairs(path: str, content: bytes, *, suffix: str) -> Iterator[Pair]:
    r"""Yield the pairs of a file, JSON if its name ends so and CSV otherwise.

    Commas, tabs or semicolons separate cells, as they do in the header. A quoted cell ends on its line. Empty lines are
    passed over. Line breaks at the ends of a JSON string are no part of its word.

    Parameters
    ----------
    path
        Path or address of the file, for errors.
    content
        Its bytes: UTF-8, or UTF-16 with a byte order mark.
    suffix
        How its name ends, such as ``".json"``.

    Raises
    ------
    DataValueError
        If the file does not hold word pairs; names the file and the line.

    Examples
    --------
    >>> list(parse_pairs("pairs.csv", b'source,target\n" river", stone\n', suffix=".csv"))
    [(' river', 'stone')]
    """
    text = _decoded(path, content)
    return _json_pairs(path, text) if suffix.lower() == ".json" else _csv_pairs(path, text)


def _decoded(path: str, content: bytes) -> str:
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_at(error.object[: error.start].decode(encoding, "replace"))
        name = encoding.removesuffix("-sig").upper()
        raise DataValueError(f"{path}: not {name} text: line {line}, byte {error.start}; save it as UTF-8") from error


def _csv_pairs(path: str, text: str) -> Iterator[Pair]:
    lines = _LINE_END.split(text)
    separator = _separator(path, lines[0])
    for number, line in enumerate(lines[1:], 2):
        if not line.strip(" "):
            continue
        try:
            words = _cells(line, separator)
            if len(words) != 2 or not all(word.strip() for word in words):
                raise LineError(f"got {_short(words)}, expected two words separated by {_SEPARATORS[separator]}")
            yield _checked(words)
        except LineError as error:
            raise DataValueError(f"{path}:{number}: {error}; fix the line") from None


def _separator(path: str, header: str) -> str:
    """The character that separates the two names of the first line."""
    for separator in _SEPARATORS:
        try:
            if _cells(header, separator) == _HEADER:
                return separator
        except LineError:  # shown whole below
            continue
    raise DataValueError(
        f"{path}: got header {header[:_SHOWN]!r}, expected 'source,target', or with a tab or a semicolon for the comma;"
        " fix the first line"
    )


def _cells(line: str, separator: str) -> list[str]:
    """First cells of a line, one more than are wanted: what is between quotation marks as it stands; others stripped.

    The csv module is no help: it does not say which cells had quotation marks, and reads on into other lines where one
    is left open.
    """
    cells, rest = [], line
    while True:
        space, mark, after = rest.partition('"')
        if mark and separator not in space and not space.strip():
            cell, rest = _quoted(after)
            stray, found, rest = rest.partition(separator)
            if stray.strip():
                raise LineError(
                    f"got {_short(stray)} after a closing quotation mark, expected {separator!r} or the end"
                )
        else:
            cell, found, rest = rest.partition(separator)
            if '"' in cell:
                raise LineError(
                    f"got a quotation mark inside {_short(cell)}, expected it around a whole cell;"
                    ' inside one it is written ""'
                )
            cell = cell.strip()
        cells.append(cell)
        if not found or len(cells) > len(_HEADER):
            return cells


def _quoted(text: str) -> tuple[str, str]:
    """Split what follows an opening quotation mark into the cell and what follows its closing mark."""
    place = 0
    while (place := text.find('"', place)) >= 0:
        if text[place + 1 : place + 2] != '"':
            return text[:place].replace('""', '"'), text[place + 1 :]
        place += 2
    raise LineError("got a quotation mark that is not closed on its line, expected two of them around a cell")


def _json_pairs(path: str, text: str) -> Iterator[Pair]:
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except LineError as error:
        raise DataValueError(f"{path}: {error}; fix the file") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataValueError(f"{path}: not JSON: {reason}; check the file") from error
    if not isinstance(value, list):
        raise DataValueError(
            f"{path}: got {type(value).__name__}, expected a list of objects with input and output; fix the file"
        )
    for index, item in enumerate(value):
        try:
            yield _checked(_words(item))
        except LineError as error:
            line = _line_of(text, index)
            raise DataValueError(f"{path}:{line}: item {index}: {error}; fix the item") from None


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    # json alone keeps the last of two equal keys, so that a pair would be lost without a word.
    found = dict(items)
    if len(found) < len(items):
        keys = [key for key, _ in items]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise LineError(f"got {_short(repeated)} twice in {_short(items)}, expected each key once")
    return found


def _words(item: Any) -> list[str]:
    if not isinstance(item, dict) or not all(key in item for key in _KEYS):
        keys = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
        raise LineError(f"got {str(keys)[:_SHOWN]}, expected the keys input and output")
    words = [item[key] for key in _KEYS]
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise LineError(f"got {_short(words)}, expected two words")
    return [word.strip("\r\n") for word in words]


def _line_of(text: str, index: int) -> int:
    """Line of an item of the list that a valid JSON text holds, from 1."""
    decoder, place = json.JSONDecoder(), text.index("[") + 1
    for _ in range(index):
        place = decoder.raw_decode(text, _next(text, place))[1]
    return _line_at(text[: _next(text, place)])


def _line_at(before: str) -> int:
    """Number from 1 of the line that follows a text."""
    return len(_LINE_END.findall(before)) + 1


def _next(text: str, place: int) -> int:
    """Where the next item begins, after white space and a comma."""
    return _BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # it matches everywhere


def _checked(words: list[str]) -> Pair:
    for word in words:
        if bad := _NO_WORD.search(word):
            raise LineError(f"got the character U+{ord(bad[0]):04X} in {_short(word)}, which no word has")
    return words[0], words[1]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
