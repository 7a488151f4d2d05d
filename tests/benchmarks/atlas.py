"""Size, first picture and search of atlases in a browser: ``python tests/benchmarks/atlas.py`` (``make bench``).

The browser has no network and draws by the processor. A search is timed from the key to the list of what is found, over
labels of eight words; the first picture from the moment that the file is opened.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from atlas_facts import simulated_facts
from devtools import NO_WEBGL, SOFTWARE, browser

from saegeom_data.atlas.page import write_atlas

SIZES = {16_384: (8, True), 131_072: (4, True), 1_000_000: (0, False)}
PICTURE = "performance.getEntriesByName('first picture')"
SEARCH = """(words) => {
  const query = document.getElementById("query");
  query.value = words;
  const started = performance.now();
  query.dispatchEvent(new Event("input"));
  return performance.now() - started;
}"""
READY = "document.getElementById('panel').innerText.includes('Unpacking') === false"


def measured(file: Path, options: tuple[str, ...], has_labels: bool) -> tuple[float, float | None]:
    """Milliseconds to the first picture, the median of three browsers, and of a search, the median of ten words."""
    pictures, searches = [], []
    for _ in range(3):
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
            browser(Path(profile), options) as page,
        ):
            page.open(file)
            page.wait(f"{PICTURE}.length")
            pictures.append(page.value(f"{PICTURE}[0].startTime"))
            page.wait(f"{READY} && document.querySelectorAll('#panel h3').length")
            if has_labels and not searches:
                page.wait(f"({SEARCH})('stone') && document.querySelectorAll('#hits [role=option]').length")
                searches = [page.value(f"({SEARCH})('harbour{i} ')") for i in range(10)]
            assert page.console == [], page.console
    return statistics.median(pictures), statistics.median(searches) if searches else None


def main() -> None:
    print("| features | drawn by | neighbours | MB | first picture, s | search, ms |")
    print("| --: | :-- | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        for n, (n_neighbours, labels) in SIZES.items():
            file = Path(folder) / f"{n}.html"
            size = write_atlas(
                [simulated_facts(n, n_neighbours=n_neighbours, labels=labels)], {"title": "Made up"}, file
            )
            for drawn, options in {"WebGL2": SOFTWARE, "2-D canvas": NO_WEBGL}.items():
                picture, search = measured(file, options, labels)
                searched = "" if search is None else f"{search:.0f}"
                print(
                    f"| {n:,} | {drawn} | {n_neighbours} | {size / 1e6:.1f} | {picture / 1e3:.1f} | {searched} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
