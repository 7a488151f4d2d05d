"""The site is made of all pages without a warning, and asks nothing of the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from saegeom_data import evaluate
from saegeom_data.cli.main import app
from saegeom_data.errors import TargetExistsError
from saegeom_data.guide import site
from saegeom_data.guide.site.sources import write_sources
from saegeom_data.testing import simulate_store

# What a browser fetches by itself, as against links that a reader may follow.
FETCHED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+rel="(?:stylesheet|preload)"[^>]+href="([^"]+)"'
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide") / "pages"
    results = evaluate(simulate_store(n_saes=3), "isotropy").load()
    pages = write_sources(folder, typer.main.get_command(app), results)
    assert all(page.is_file() for page in pages)
    return folder


def test_a_figure_stands_on_the_page_of_its_metric_and_on_its_card(sources: Path) -> None:
    assert (sources / "figures" / "isotropy.svg").read_text("utf-8").startswith("<svg")
    assert "](figures/isotropy.svg)" in (sources / "isotropy.md").read_text("utf-8")
    assert ":img-top: figures/isotropy.svg" in (sources / "metrics.md").read_text("utf-8")
    assert "figures/" not in (sources / "hubness.md").read_text("utf-8")


def test_pages_are_never_written_over(sources: Path) -> None:
    before = {path: path.read_bytes() for path in sources.rglob("*") if path.is_file()}
    with pytest.raises(TargetExistsError):
        write_sources(sources, typer.main.get_command(app))
    assert {path: path.read_bytes() for path in sources.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_sphinx_makes_the_site_without_a_warning_or_a_network(sources: Path, tmp_path: Path) -> None:
    for needed in ("sphinx", "myst_nb", "pydata_sphinx_theme", "sphinx_design", "sphinx_copybutton"):
        pytest.importorskip(needed)
    conf = str(Path(site.__file__).parent)
    # Tutorials have a test of their own, which runs them.
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "-q", "-D", "nb_execution_mode=off", "-c", conf]
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(sources), str(tmp_path / "site")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    names = {page.relative_to(tmp_path / "site").with_suffix(".md") for page in pages}
    assert {page.relative_to(sources) for page in sources.rglob("*.md")} <= names
    for page in pages:
        fetched = [found[0] or found[1] for found in FETCHED.findall(page.read_text("utf-8"))]
        assert fetched or page.name == "search.html"
        assert not [address for address in fetched if "//" in address], page
    shown = (tmp_path / "site" / "isotropy.html").read_text("utf-8")
    assert shown.count("<math") > 10
