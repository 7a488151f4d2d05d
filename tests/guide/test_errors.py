"""Every error class has an example on the page of errors, which raises it and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from saegeom_data import errors
from saegeom_data.guide.pages.error_cases import CASES, Case
from saegeom_data.guide.pages.errors import errors_page


def classes(of: type[errors.SaegeomError]) -> list[type[errors.SaegeomError]]:
    return [of, *(found for child in of.__subclasses__() for found in classes(child))]


def test_every_error_class_has_a_case() -> None:
    own = {found for found in classes(errors.SaegeomError) if found.__module__ == errors.__name__}
    assert {case.error for case in CASES} == own
    assert len(CASES) == len(own)
    page = errors_page()
    for case in CASES:
        assert f"\n## {case.error.__name__}\n" in page
        assert case.remedy


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.error.__name__)
def test_an_example_raises_its_error(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "distributed" in case.example:
        pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(case.error) as raised:
        exec(compile(case.example, case.error.__name__, "exec"), {})
    assert type(raised.value) is case.error
    pattern = ".*".join(re.escape(part) for part in case.message.split("..."))
    assert re.fullmatch(pattern, str(raised.value)), str(raised.value)
