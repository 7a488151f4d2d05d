"""The atlas in a notebook: a frame with the whole page, which works apart from the notebook around it."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from devtools import SOFTWARE, browser

from saegeom_data import atlas, evaluate, open
from saegeom_data.atlas.notebook import AtlasFrame
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.testing.simulate import simulate_store


@pytest.fixture(scope="module")
def store() -> xr.DataTree:
    return simulate_store(n_saes=2, n_features=60)


@pytest.fixture(scope="module")
def frame(store: xr.DataTree) -> AtlasFrame:
    return atlas.show(store, evaluate(store, "isotropy"), height=600)


def test_it_is_followed_inside_a_frame(frame: AtlasFrame, tmp_path: Path) -> None:
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><title>notebook</title>{frame._repr_html_()}", encoding="utf-8")
    # In a process of its own the frame would be another target, and this one is asked of its parent.
    with browser(tmp_path, (*SOFTWARE, "--disable-features=IsolateSandboxedIframes")) as page:
        page.open(notebook, "")
        page.wait("document.readyState === 'complete'")
        inside = page.frame()
        page.wait("document.querySelectorAll('#panel h2').length", world=inside)
        # A key steps from feature to feature, which in a file replaces the address.
        press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}))"
        page.value(press, inside)
        page.wait("document.getElementById('panel').getAttribute('aria-label') === 'Feature 0'", world=inside)
        assert page.value("location.hash.endsWith('/0')", inside)
        assert page.console == []


def test_what_can_be_shown(frame: AtlasFrame, store: xr.DataTree) -> None:
    assert 'style="width:100%;height:600px' in frame._repr_html_()
    assert repr(frame).startswith("<atlas of ")
    assert "No lobes" in frame.page
    for sources, error, expected in (
        ((), ParameterError, "got nothing to show"),
        ((store, store), ParameterError, "got 2 stores, expected one"),
        ((store, "a.zarr"), ParameterError, "got trees and addresses"),
    ):
        with pytest.raises(error, match=expected):
            atlas.show(*sources)
    with pytest.raises(UnknownNameError, match="layer_9"):
        atlas.show(store, saes=["layer_9"])


def test_addresses_are_opened(simulated_store: Path) -> None:
    shown = atlas.show(str(simulated_store), saes=["layer_1"])
    with open(simulated_store) as tree:
        assert atlas.show(tree, saes=["layer_1"]).page == shown.page
