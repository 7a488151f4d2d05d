"""The site is made of all pages without a warning, and asks nothing of the network."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

import saegeom_data
from saegeom_data import evaluate
from saegeom_data.cli.main import app
from saegeom_data.errors import TargetExistsError
from saegeom_data.guide import site
from saegeom_data.guide.site import matrices
from saegeom_data.guide.site.front import PART_PAGES
from saegeom_data.guide.site.sources import write_sources
from saegeom_data.guide.topics import PARTS
from saegeom_data.results.groups import read_groups
from saegeom_data.testing import simulate_store

# What a browser fetches by itself, as against links that a reader may follow.
FETCHED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+rel="(?:stylesheet|preload)"[^>]+href="([^"]+)"'
)


NEEDED = ("sphinx", "myst_nb", "pydata_sphinx_theme", "sphinx_design", "sphinx_copybutton")
# Metrics whose results are words, or matrices that a report does not draw.
WORDS = """
spec_version: 1
kind: run
title: Words and matrices
metrics:
- {metric: affinity, saes: [layer_3]}
- {metric: feature_tokens, saes: [layer_3]}
- {metric: feature_examples, saes: [layer_3]}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide") / "pages"
    results = evaluate(simulate_store(n_saes=3), "isotropy").load()
    run = tmp_path_factory.mktemp("run") / "run.yaml"
    run.write_text(WORDS, encoding="utf-8")
    with saegeom_data.open(saegeom_data.sample_path()) as store:
        words = evaluate(store, run).load()
    pages = write_sources(folder, typer.main.get_command(app), [results, words])
    assert all(page.is_file() for page in pages)
    return folder


def test_a_figure_stands_on_the_page_of_its_metric_and_on_its_card(sources: Path) -> None:
    assert (sources / "figures" / "isotropy.svg").read_text("utf-8").startswith("<svg")
    assert "](figures/isotropy.svg)" in (sources / "isotropy.md").read_text("utf-8")
    assert ":img-top: figures/isotropy.svg" in (sources / "metrics.md").read_text("utf-8")
    assert "figures/" not in (sources / "hubness.md").read_text("utf-8")
    # Above what is computed, where a reader sees it first.
    page = (sources / "isotropy.md").read_text("utf-8")
    assert page.index("## On the bundled sample") < page.index("## What is computed")


def test_a_matrix_of_few_features_is_drawn_whole() -> None:
    (panel,) = matrices.panels(read_groups(evaluate(simulate_store(n_saes=1, n_features=5), "affinity").compute()))
    assert panel.alt.startswith("5 features by 5 features")


def test_matrices_are_drawn_and_words_are_told(sources: Path) -> None:
    assert (sources / "figures" / "matrix-affinity.svg").read_text("utf-8").count("<rect") > 1000
    assert "](figures/matrix-affinity.svg)" in (sources / "affinity.md").read_text("utf-8")
    tokens, examples = ((sources / f"feature_{name}.md").read_text("utf-8") for name in ("tokens", "examples"))
    shown = tokens.split("## On the bundled sample")[1].split("\n## ")[0]
    assert "| feature | tokens by odds |" in shown
    # The sample has no text of tokens, and says so.
    assert "`saegeom label --vocabulary` adds it" in shown
    assert len(re.findall(r"^\| \d+ \| `\d+`", shown, flags=re.MULTILINE)) == 6
    shown = examples.split("## On the bundled sample")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| \d+ \|.*document \d+, token \d+ \|$", shown, flags=re.MULTILINE)) == 6


def test_code_on_the_first_page_runs(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (sources / "index.md").read_text("utf-8"), flags=re.DOTALL)
    exec(compile(code, "index", "exec"), {})
    assert "slope_low" in capsys.readouterr().out


NOTEBOOK = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3}
---

# A figure

`saegeom run` and `eigenvalue_slope` have pages, `slope` has none.

```{code-cell} python
import plotly.graph_objects as go

go.Figure(go.Scatter(x=[0, 1], y=[1, 2]))
```
"""


def test_pages_are_never_written_over(sources: Path) -> None:
    before = {path: path.read_bytes() for path in sources.rglob("*") if path.is_file()}
    with pytest.raises(TargetExistsError):
        write_sources(sources, typer.main.get_command(app))
    assert {path: path.read_bytes() for path in sources.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_figures_of_notebooks_are_drawn_and_laid_out_by_the_scripts_of_the_site(tmp_path: Path) -> None:
    for needed in NEEDED:
        pytest.importorskip(needed)
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text(NOTEBOOK, encoding="utf-8")
    for name in ("commands", "eigenvalue_slope"):
        (pages / f"{name}.md").write_text(f"---\norphan: true\n---\n# {name}\n\n## saegeom run\n", encoding="utf-8")
    build(pages, tmp_path / "site")
    shown = (tmp_path / "site" / "index.html").read_text("utf-8")
    for script in ("plotly-cartesian.min.js", "layout.js"):
        assert fetched(shown).count(f"_static/{script}") == 1
        assert (tmp_path / "site" / "_static" / script).is_file()
    assert "Plotly.newPlot" in shown
    assert "laidOut(figure, width)" in shown
    assert not [address for address in fetched(shown) if "//" in address]
    assert 'href="commands.html#saegeom-run"' in shown
    assert 'href="eigenvalue_slope.html"' in shown
    assert "plotly" not in (tmp_path / "site" / "commands.html").read_text("utf-8")


@pytest.mark.slow
def test_sphinx_makes_the_site_without_a_warning_or_a_network(sources: Path, tmp_path: Path) -> None:
    for needed in NEEDED:
        pytest.importorskip(needed)
    # Tutorials have a test of their own, which runs them.
    build(sources, tmp_path / "site", "-D", "nb_execution_mode=off")
    pages = list((tmp_path / "site").rglob("*.html"))
    names = {page.relative_to(tmp_path / "site").with_suffix(".md") for page in pages}
    assert {page.relative_to(sources) for page in sources.rglob("*.md")} <= names
    for page in pages:
        text = page.read_text("utf-8")
        assert fetched(text) or page.name == "search.html"
        assert not [address for address in fetched(text) if "//" in address], page
    shown = (tmp_path / "site" / "isotropy.html").read_text("utf-8")
    assert shown.count("<math") > 10
    # Four parts stand in the head of each page, and the pages of its own part at its side.
    head = shown[shown.index('class="bd-navbar-elements') :].partition("</ul>")[0]
    assert re.findall(r'href="([^"]+)"', head) == [f"{PART_PAGES[part]}.html" for part in PARTS]
    assert 'href="eigenvalue_slope.html"' in shown
    assert dead_links(tmp_path / "site") == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there"></a><a href="b.html#x y"></a><a href="https://x.org"></a>')
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="#"></a><a href="#there"></a><img src="c.png">')
    assert dead_links(tmp_path) == ["a.html: b.html#x y", "b.html: c.png"]


class Page(HTMLParser):
    """What a page links to or shows, and the places in it that may be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name in {"href", "src"} and value:
                self.targets.add(value)


def dead_links(folder: Path) -> list[str]:
    """Links between pages that lead to no file or no place, those that themes and extensions make included."""
    # A theme keeps templates beside its scripts.
    paths = [path.resolve() for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path.read_text("utf-8")) for path in paths}
    found = []
    for path, page in pages.items():
        for target in sorted(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not file.is_file() or (place and file in pages and place not in pages[file].places):
                found.append(f"{path.relative_to(folder.resolve())}: {target}")
    return found


def build(pages: Path, site_folder: Path, *options: str) -> None:
    """Make a site, in which a warning is an error."""
    conf = str(Path(site.__file__).parent)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "-q", "-c", conf]
    made = subprocess.run([*command, *options, str(pages), str(site_folder)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def fetched(page: str) -> list[str]:
    """Addresses that a browser loads by itself."""
    return [found[0] or found[1] for found in FETCHED.findall(page)]
