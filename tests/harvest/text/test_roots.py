"""Paths of a recipe, and the roots that they start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from saegeom_data.errors import ParameterError
from saegeom_data.harvest.text.roots import Roots


@pytest.mark.parametrize("path", ["{corpora", "corpora}", "{corpora!z}/a", "{corpora:d}/a", "{}/a"])
def test_a_path_with_odd_braces_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ParameterError, match="expected such as {corpora}/x|is not given") as caught:
        Roots(folders={"corpora": tmp_path}).resolve(path)
    assert path in str(caught.value)
