"""What files of word pairs say: spaces that are kept, quotation marks, line ends, encodings, and what is refused."""

from __future__ import annotations

import json
import time

import pytest

from saegeom_data.errors import DataValueError
from saegeom_data.harvest.words.formats import Pair, parse_pairs

HEADER = "source,target\n"

TABLES: dict[str, tuple[bytes, list[Pair]]] = {
    "cells without quotation marks are stripped": (b"source,target\n a , b\n", [("a", "b")]),
    "what is between them is kept": (b'source,target\n" a","b "\n', [(" a", "b ")]),
    "space around them is not": (b'source,target\na, "b, c" \n', [("a", "b, c")]),
    "two of them are one": (b'source,target\n"a ""b""",c\n', [('a "b"', "c")]),
    "a quoted header": (b'"source", "target"\na,b\n', [("a", "b")]),
    "terms of several words": (b"source,target\nNew York,United States\n", [("New York", "United States")]),
    "no end of the last line": (b"source,target\na,b", [("a", "b")]),
    "carriage returns and line feeds": (b"source,target\r\na,b\r\nc,d\r\n", [("a", "b"), ("c", "d")]),
    "carriage returns": (b"source,target\ra,b\rc,d\r", [("a", "b"), ("c", "d")]),
    "empty lines": (b"source,target\n\na,b\n  \n\n", [("a", "b")]),
    "a byte order mark": (b"\xef\xbb\xbfsource,target\na,b\n", [("a", "b")]),
    "UTF-16": ("source\ttarget\r\n\u00e9\tb\r\n".encode("utf-16"), [("\u00e9", "b")]),
    "UTF-16, the other way round": (b"\xfe\xff" + "source,target\na,b".encode("utf-16-be"), [("a", "b")]),
    "tabs": (b'source\ttarget\na, b\t"\tc"\n', [("a, b", "\tc")]),
    "semicolons": (b"source;target\na, b;c\n", [("a, b", "c")]),
    "right to left": ("source,target\n\u05e9\u05dc\u05d5\u05dd,\u0645\u0631\u062d\u0628\u0627\n".encode(),
                      [("\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627")]),
    "accents of their own are left alone": ("source,target\ne\u0301,\u00e9\n".encode(), [("e\u0301", "\u00e9")]),
    "ends of lines that only Python knows": ("source,target\na\u2028b,c\x0bd\n".encode(), [("a\u2028b", "c\x0bd")]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_table_of_pairs(case: str) -> None:
    content, expected = TABLES[case]
    assert list(parse_pairs("one.csv", content, suffix=".csv")) == expected


BAD_TABLES = {
    "open": ('"tis,it is\n' + "a,b\n" * 3, "2: got a quotation mark that is not closed on its line"),
    "open, with one on a later line": ('a,b\n"tis,it is\nc,"d\n', "3: got a quotation mark that is not closed"),
    "over two lines": ('"a\nb",c\n', "2: got a quotation mark that is not closed"),
    "longer than the csv module reads": ('a,b\n"' + "c" * 200_000, "3: got a quotation mark that is not closed"),
    "inside a cell": ('a,b\nc"d,e\n', "3: got a quotation mark inside 'c\"d'"),
    "after a cell": ('"a"b,c\n', "2: got 'b' after a closing quotation mark"),
    "one word": ("a,b\nc\n", r"3: got \['c'\], expected two words separated by commas"),
    "three words": ("a,b,c\n", "2: got .*, expected two words"),
    "a comma at the end": ("a,b,\n", r"2: got \['a', 'b', ''\], expected two words"),
    "an empty word": ("a,\n", "2: got .*, expected two words"),
    "a space for a word": ('" ",a\n', "2: got .*, expected two words"),
    "NUL": ("a\0,b\n", r"2: got the character U\+0000 in 'a\\x00'"),
    "files that were joined": ("a,b\n\ufeffsource,target\n", r"3: got the character U\+FEFF"),
    "what another encoding left": ("a\ufffd,b\n", r"2: got the character U\+FFFD"),
    "codes of a terminal": ("\x1b[1ma,b\n", r"2: got the character U\+001B"),
    "millions of cells": ("," * 10**6, "2: got .*, expected two words"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_line_is_named(case: str) -> None:
    lines, message = BAD_TABLES[case]
    assert_refused((HEADER + lines).encode(), ".csv", f"^one.csv:{message}")


HEADERS = {
    "none": b"",
    "other names": b"input,output\na,b\n",
    "capitals": b"Source,Target\na,b\n",
    "one name twice": b"source,source\na,b\n",
    "three": b"source,target,note\na,b,c\n",
    "a comma at the end": b"source,target,\na,b,\n",
    "a stray quotation mark": b'source","target\na,b\n',
    "UTF-16 without its mark": "source,target\na,b\n".encode("utf-16-le"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_bad_header_is_shown(case: str) -> None:
    assert_refused(HEADERS[case], ".csv", "^one.csv: got header .*, expected 'source,target'")


def test_text_of_another_encoding_is_refused_with_its_line() -> None:
    assert_refused(b"source,target\r\na,b\r\n\xe9,c\r\n", ".csv", r"^one.csv: not UTF-8 text: line 3, byte 20")
    assert_refused(b"\xff\xfes\0o", ".csv", r"^one.csv: not UTF-16 text: line 1")


def test_spaces_in_json_are_kept_and_line_breaks_are_not() -> None:
    items = [{"input": " river", "output": "ma\u00dfig\n"}, {"input": "a\tb", "output": "b "}]
    for content in (json.dumps(items).encode(), json.dumps(items).encode("utf-16")):
        assert list(parse_pairs("one.json", content, suffix=".JSON")) == [(" river", "ma\u00dfig"), ("a\tb", "b ")]


BAD_ITEMS = {
    "a list": ('{"input": "a", "output": ["b", "c"]}', ":3: item 1: got .*, expected two words"),
    "null": ('{"input": null, "output": "b"}', ":3: item 1: got .*, expected two words"),
    "a pair": ('["a", "b"]', ":3: item 1: got list, expected the keys input and output"),
    "keys": ('{"input": "a", "out": "b"}', r":3: item 1: got \['input', 'out'\]"),
    "a key twice": ('{"input": "a", "input": "b", "output": "c"}', ": got 'input' twice in .*'b'.*"),
    "half a character": ('{"input": "\\ud83d", "output": "b"}', r":3: item 1: got the character U\+D83D"),
    "NUL": ('{"input": "a", "output": "b\\u0000"}', r":3: item 1: got the character U\+0000"),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
def test_a_bad_item_is_named_with_its_line(case: str) -> None:
    item, message = BAD_ITEMS[case]
    assert_refused(f'[{{"input": "a, [", "output": "b"}},\n\n {item}]'.encode(), ".json", f"^one.json{message}")


def test_the_line_of_a_late_item_is_found_at_once() -> None:
    items = '{"input": "a", "output": "b"},\n' * 200_000
    content = f'[{items}{{"input": "", "output": "b"}}]'.encode()
    start = time.process_time()
    assert_refused(content, ".json", "^one.json:200001: item 200000: got")
    assert time.process_time() - start < 20, "a copy of the file for each item takes hours"


def assert_refused(content: bytes, suffix: str, message: str) -> None:
    with pytest.raises(DataValueError, match=message) as caught:
        list(parse_pairs(f"one{suffix}", content, suffix=suffix))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
