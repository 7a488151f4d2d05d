"""Generated mathematics: right, repeatable, and the same text as ever."""

from __future__ import annotations

import hashlib
import re

import pytest

from saegeom_data.sample.mathematics import TOPICS, worksheets

SUM_OR_PRODUCT = re.compile(r"(?<![-+*/^] )(?<![\w./(-])(\d+) ([+*]) (\d+) = (\d+)(?![\w/(]| [-+*/(])")


def test_sums_and_products_of_the_mathematics_are_right() -> None:
    checked = 0
    for worksheet in worksheets(60, seed=3):
        for left, sign, right, result in SUM_OR_PRODUCT.findall(worksheet["text"]):
            expected = int(left) + int(right) if sign == "+" else int(left) * int(right)
            assert int(result) == expected, f"{left} {sign} {right} = {result}"
            checked += 1
    assert checked > 150


def test_derivatives_of_the_mathematics_are_right() -> None:
    pattern = re.compile(r"Differentiate ([fgh])\(x\) = (.+?)\.\n.*?\1'\(x\) = ([^.]+)\.")
    checked = 0
    for worksheet in worksheets(60, seed=4):
        for _, function, derivative in pattern.findall(worksheet["text"]):
            for x in (-1.5, 0.25, 2.0):
                step = 1e-5
                slope = (value_at(function, x + step) - value_at(function, x - step)) / (2 * step)
                assert value_at(derivative, x) == pytest.approx(slope, rel=1e-5, abs=1e-4)
            checked += 1
    assert checked > 20


def value_at(polynomial: str, x: float) -> float:
    total = 0.0
    for sign, factor, variable, power in re.findall(r"([+-]?) ?(\d*)(x?)(?:\^(\d+))?", polynomial):
        if not factor and not variable:
            continue
        value = float(factor or 1) * (x ** int(power or 1) if variable else 1)
        total += -value if sign == "-" else value
    return total


def test_mathematics_repeats_and_varies() -> None:
    first, again = list(worksheets(20, seed=0)), list(worksheets(20, seed=0))
    assert first == again
    assert first != list(worksheets(20, seed=1))
    assert [worksheet["document_id"] for worksheet in first] == [f"mathematics/{index:04d}" for index in range(20)]
    problems = [line for worksheet in worksheets(40, seed=0) for line in worksheet["text"].split("\n\n")[1:]]
    assert len(set(problems)) > 0.95 * len(problems)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_topic_appears(topic: str) -> None:
    assert any(topic in worksheet["text"].split("\n\n")[0] for worksheet in worksheets(60, seed=0))


# Of the text before this module left the harvest; the first are the worksheets of the sample.
DIGESTS = {
    (180, 0): "12ecdb8f419867192ecf0095234e92b0d266de61fd5cc57966afd44fccc02afe",
    (40, 7): "b2bd24c3b9dfffdce23a588788230de29f6de8be8df97a5e60e5eb873658e7cd",
}


@pytest.mark.parametrize(("documents", "seed"), DIGESTS)
def test_the_text_is_the_same_as_ever(documents: int, seed: int) -> None:
    rows = [f"{worksheet['document_id']}\n{worksheet['text']}" for worksheet in worksheets(documents, seed)]
    assert hashlib.sha256("\n\0".join(rows).encode()).hexdigest() == DIGESTS[documents, seed]
