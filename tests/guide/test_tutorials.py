"""The tutorials run from their first cell to their last, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import TUTORIALS, blocks, text_of

# Packages that a tutorial needs beside those of every installation.
NEEDS = {"model_and_text": ("torch", "transformers", "sae_lens"), "cluster": ("distributed",), "publish": ("aiohttp",)}


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda tutorial: tutorial.stem)
def test_a_tutorial_runs(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in NEEDS.get(tutorial.stem, ()):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    # A cell may be imported from, as the module that a notebook is.
    names = {"__name__": "__main__"}
    cells = blocks(tutorial, "{code-cell} python")
    assert len(cells) >= 4
    for number, code in enumerate(cells):
        exec(compile(code, f"{tutorial.stem}, cell {number}", "exec"), names)


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda tutorial: tutorial.stem)
def test_a_tutorial_is_a_notebook_without_output(tutorial: Path) -> None:
    text = text_of(tutorial)
    assert text.startswith("---\njupytext:\n")
    assert "\n# " in text.split("---\n")[2]
    assert "```{code-cell} python" in text
    assert "```python" not in text
