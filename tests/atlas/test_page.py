"""The page in a real browser, without a network: what it shows, that it asks for nothing, and that data stay text."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from atlas_facts import simulated_facts, with_words
from devtools import NO_WEBGL, Page, browser

from saegeom_data.atlas.facts import Grouping, Labels, Layout, Part, SaeFacts
from saegeom_data.atlas.page import render, write_atlas

READY = "document.querySelectorAll('#panel h2').length && performance.getEntriesByName('first picture').length"
HOSTILE = "</script><script>document.title='owned'</script><img src=https://example.org/x.png onerror=alert(1)>"
ATTRS = {"title": "Made-up <b>features</b>", "license": "CC0-1.0", "root": "ab" * 32}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SAEs, one with all that there is to show and one with next to nothing."""
    file = tmp_path_factory.mktemp("atlas") / "atlas.html"
    bare = SaeFacts("layer_4", 30, "layer 4", Layout(np.random.default_rng(0).normal(size=(30, 2)), "Made up."))
    bare.missing = ["No firing: neither occurrence nor codes in this store."]
    write_atlas([with_words(simulated_facts(400)), bare], ATTRS, file)
    return file


@pytest.fixture
def opened(page: Page, atlas: Path) -> Iterator[Page]:
    page.console.clear()
    page.requests.clear()
    page.resize(1400, 900)
    show(page, atlas)
    yield page
    assert page.console == []
    assert [url for url in page.requests if not url.startswith(("file:///", "blob:"))] == []


def show(page: Page, file: Path, address: str = "") -> None:
    """Open a page anew, and wait until all of it is there."""
    page.call("Page.navigate", url="about:blank")
    page.open(file, address)
    page.wait(READY)


TYPED = """(words) => {
  const query = document.getElementById("query");
  query.value = words;
  query.dispatchEvent(new Event("input"));
  return document.querySelectorAll("#hits [role=option]").length;
}"""
COLOURS = """(async () => {
  const bytes = Uint8Array.from(atob("%s"), (sign) => sign.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const { left, top, width, height } = document.getElementById("map").getBoundingClientRect();
  const found = new Map();
  const pixels = new Uint32Array(pen.getImageData(left, top, width - 80, height).data.buffer);
  for (const pixel of pixels) found.set(pixel, (found.get(pixel) ?? 0) + 1);
  return [...found.values()].filter((count) => count > 20).length;
})()"""


def n_colours(page: Page) -> int:
    """Colours of the map that are on more than a few pixels: one, if nothing is drawn."""
    picture = page.call("Page.captureScreenshot", format="png")["data"]
    return int(page.value(COLOURS % picture))


def panel(page: Page) -> str:
    return page.text("#panel")


def search(page: Page, words: str) -> list[str]:
    """Type into the search box, and give what is listed."""
    page.value("document.getElementById('query').value = ''; document.getElementById('query').focus()")
    page.type(words)
    found: list[str] = page.value("[...document.querySelectorAll('#hits [role=option]')].map((item) => item.innerText)")
    return found


def test_it_opens_on_a_map_with_lobes_and_what_it_is(opened: Page) -> None:
    opened.wait("document.getElementById('panel').innerText.includes('Crystals')")
    found = panel(opened)
    assert "Each point is one of 400 features" in found
    assert "Trustworthiness 0.90" in found
    assert "Lobe 0" in found
    assert "CC0-1.0" in found
    assert opened.text("h1") == "Made-up <b>features</b>"
    assert n_colours(opened) > 3


def test_a_feature_is_found_and_read(opened: Page, atlas: Path) -> None:
    opened.wait("document.getElementById('panel').innerText.includes('Crystals')")
    assert search(opened, "river")
    assert search(opened, "#7")[0].startswith("7")
    opened.key("Enter", code="Enter", windowsVirtualKeyCode=13)
    opened.wait("document.querySelector('#panel h2').innerText === 'Feature 7'")
    assert opened.value("location.hash") == "#layer_3/7"
    assert opened.value("document.activeElement.id") == "panel"
    show(opened, atlas, "#layer_3/5")
    opened.wait("document.getElementById('panel').innerText.includes('In the text')")
    found = panel(opened)
    for words in ("Feature 5", "Tokens", "Fires", "Groups", "Nearest directions", "Fire together", "Crystals", "skill"):
        assert words in found
    assert opened.text(".contexts p") == "a proof by ledger."
    assert opened.text("mark") == "ledger"
    assert "activation 1.00, speech, from Neuronpedia, made-up/3-res" in found


def test_tokens_of_blanks_are_seen(page: Page, tmp_path: Path) -> None:
    facts = with_words(simulated_facts(40, labels=False))
    facts.tokens[0].text[facts.groupings[0].member == 1, 0] = "  "
    write_atlas([facts], ATTRS, tmp_path / "atlas.html")
    show(page, tmp_path / "atlas.html")
    page.wait("document.querySelectorAll('#panel .stands.note').length")
    assert "␣␣" in panel(page)


def test_saes_are_switched_and_addresses_are_kept(opened: Page, atlas: Path) -> None:
    opened.value("location.hash = '#layer_4/3'")
    opened.wait(
        "document.querySelector('#panel h2').innerText === 'Feature 3' && document.getElementById('sae').value === '1'"
    )
    opened.value("history.back()")
    opened.wait("document.getElementById('sae').value === '0'")
    show(opened, atlas, "#layer_4")
    opened.wait("document.getElementById('panel').innerText.includes('No firing: neither occurrence nor codes')")
    assert "Each point is one of 30 features" in panel(opened)
    assert search(opened, "river") == []
    assert "neither labels nor tokens" in opened.text("#hits")
    # What no SAE of the page is called is no error.
    show(opened, atlas, "#layer_9/%E0%A4%A/x")
    assert "Each point is one of" in panel(opened)


def test_keys_and_pointer_pick_features(opened: Page) -> None:
    opened.wait("document.getElementById('panel').innerText.includes('Crystals')")
    opened.value("document.getElementById('marks').focus()")
    opened.key("ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    first = opened.wait("document.querySelector('#panel h2').innerText.startsWith('Feature') && location.hash")
    assert opened.text("#spoken").startswith("Feature")
    opened.key("n")
    opened.wait(f"location.hash !== {first!r} && document.querySelector('#panel h2').innerText.startsWith('Feature')")
    opened.key("Escape", code="Escape", windowsVirtualKeyCode=27)
    opened.wait("!document.querySelector('#panel h2').innerText.startsWith('Feature')")
    opened.key("/")
    assert opened.value("document.activeElement.id") == "query"
    # Somewhere among the points the pointer finds one.
    for left in range(300, 700, 7):
        opened.click(left, 480)
        if opened.value("document.querySelector('#panel h2').innerText.startsWith('Feature')"):
            break
    assert opened.value("location.hash").startswith("#layer_3/")


def test_one_group_is_shown_alone(opened: Page) -> None:
    before = n_colours(opened)
    opened.value("document.querySelector('.group').click()")
    opened.wait("document.getElementById('note').innerText.startsWith('Only Lobe')")
    assert opened.value("document.querySelector('.group').getAttribute('aria-pressed')") == "true"
    assert n_colours(opened) != before
    opened.value("document.getElementById('colour').value = '-1'")
    opened.value("document.getElementById('colour').dispatchEvent(new Event('change'))")
    assert n_colours(opened) > 1
    assert "Three lobes" not in panel(opened)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_a_narrow_window(opened: Page, atlas: Path, dark: bool) -> None:
    opened.resize(400, 800, dark=dark)
    for address in ("#layer_3", "#layer_3/5"):
        show(opened, atlas, address)
        assert opened.value("document.documentElement.scrollWidth") <= 400
        assert n_colours(opened) > 3


def test_hostile_names_stay_text(page: Page, tmp_path: Path) -> None:
    facts = with_words(simulated_facts(20, name=HOSTILE))
    labels = [HOSTILE, "\u202eevil\u2066", "<b>bold</b>", "x" * 10_000, "a\nb\tc", *[""] * 15]
    facts.labels = Labels(np.arange(21), labels, [HOSTILE] * 20, np.full(20, np.nan))
    facts.groupings = [Grouping(HOSTILE, "lobe", np.zeros(20, int), [Part(HOSTILE, HOSTILE, HOSTILE)], [HOSTILE])]
    facts.missing = [HOSTILE]
    assert facts.contexts is not None
    facts.tokens = [replace(each, name=HOSTILE, words=HOSTILE, text=np.full((20, 2), HOSTILE)) for each in facts.tokens]
    said = {"before": [HOSTILE] * 3, "mark": [HOSTILE] * 3, "after": [HOSTILE] * 3, "document_type": [HOSTILE] * 3}
    facts.contexts = replace(facts.contexts, **said)  # type: ignore[arg-type]
    file = tmp_path / "atlas.html"
    write_atlas([facts], {"title": HOSTILE, "citation": HOSTILE}, file)
    page.console.clear()
    for feature in ("", "/0", "/1", "/3", "/4"):
        show(page, file, f"#{quoted(HOSTILE)}{feature}")
        page.wait("!document.getElementById('panel').innerText.includes('Unpacking')")
        assert page.value("document.title") != "owned"
        assert page.value("document.querySelectorAll('img, script[src], iframe, #panel b b').length") == 0
        assert page.value("document.documentElement.scrollWidth") <= 1400
    search(page, "script")
    assert HOSTILE[:40] in page.text("#hits")
    assert page.console == []


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def test_a_wide_sae_takes_8_mb_and_is_drawn(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "atlas.html"
    assert write_atlas([simulated_facts(131_072)], ATTRS, file) <= 8_000_000
    page.console.clear()
    show(page, file)
    assert n_colours(page) > 3
    page.wait(
        "document.querySelector('#panel h3') && !document.getElementById('panel').innerText.includes('Unpacking')"
    )
    page.wait("(document.getElementById('query').focus(), true)")
    page.wait(f"({TYPED})('harbour2') === 40")
    assert page.console == []


@pytest.mark.slow
def test_a_million_points_are_drawn(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "atlas.html"
    write_atlas([simulated_facts(1_000_000, n_neighbours=0, labels=False, numbers=[])], ATTRS, file)
    page.console.clear()
    show(page, file)
    assert n_colours(page) > 3
    assert page.console == []


def test_without_webgl_it_is_drawn_on_a_plain_canvas(atlas: Path, tmp_path: Path) -> None:
    with browser(tmp_path / "profile", NO_WEBGL) as page:
        show(page, atlas, "#layer_3/5")
        assert page.value("document.getElementById('map').dataset.drawn") == "2-D canvas"
        assert n_colours(page) > 3
        page.value("document.querySelector('.walk button').click()")
        page.wait("document.querySelectorAll('.group').length")
        page.value("document.querySelector('.group').click()")
        assert n_colours(page) > 3
        assert page.console == []


def test_the_page_holds_no_address_that_it_could_ask() -> None:
    content = render([with_words(simulated_facts(50))], ATTRS)
    assert "default-src 'none'" in html.unescape(content)
    for sign in ("src=", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "eval(", "onclick"):
        assert sign not in content
    # The one address is of a link that a reader may follow.
    assert content.count("https://") == content.count("https://www.neuronpedia.org/")
