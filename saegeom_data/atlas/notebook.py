"""The atlas in a notebook: the page of the file itself, in a frame.

A widget library would bring a second way to show features, a dependency, and a connection to the kernel that a saved
notebook lacks. The page needs nothing but itself, so a frame shows all of it wherever a notebook is read.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saegeom_data.atlas.build import Source, gathered
from saegeom_data.atlas.page import render
from saegeom_data.atlas.sources import opened_sources
from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    import xarray as xr


class AtlasFrame:
    """An atlas that a notebook shows.

    Attributes
    ----------
    page
        The whole page, as ``saegeom atlas`` writes it.
    height
        Height of the frame in pixels.
    """

    def __init__(self, page: str, height: int) -> None:
        self.page, self.height = page, height

    def __repr__(self) -> str:
        return f"<atlas of {len(self.page) / 1e6:.1f} MB, shown by notebooks>"

    def _repr_html_(self) -> str:
        # Scripts of the page run apart from the notebook, whose cells and cookies are none of their business.
        allowed = "allow-scripts allow-popups"
        style = f"width:100%;height:{self.height}px;border:1px solid #8884"
        page = html.escape(self.page)
        return f'<iframe title="Atlas of features" sandbox="{allowed}" style="{style}" srcdoc="{page}"></iframe>'


def show(
    *sources: str | xr.DataTree, data: str | None = None, saes: Sequence[str] = (), height: int = 700
) -> AtlasFrame:
    """Show features on a map in a notebook, as ``saegeom atlas`` does in a file.

    Parameters
    ----------
    *sources
        Results, of several runs on the same data too, and the store that they are of; or either alone. Either
        addresses, or an opened store and results as :func:`saegeom_data.evaluate` gives them.
    data
        Store that results at addresses were measured on; the bundled sample is known without.
    saes
        Names of SAEs to show; all by default.
    height
        Height of the frame in pixels.

    Returns
    -------
    AtlasFrame
        What a notebook draws; its attribute ``page`` is the HTML.

    Raises
    ------
    ParameterError
        If nothing is given, there are several stores, or addresses and trees are mixed.
    UnknownNameError
        If there is no such SAE.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> frame = show(simulate_store(n_saes=1, n_features=40))
    >>> frame._repr_html_()[:32]
    '<iframe title="Atlas of features'
    """
    opened = _opened(sources, data)
    return AtlasFrame(render(gathered(opened, saes=saes), opened.attrs), height)


def _opened(sources: Sequence[str | xr.DataTree], data: str | None) -> Source:
    import xarray as xr

    if not sources:
        raise ParameterError("atlas: got nothing to show, expected a store or results: show(results, store)")
    trees = [source for source in sources if isinstance(source, xr.DataTree)]
    if not trees:
        return opened_sources([str(source) for source in sources], data)
    if len(trees) < len(sources) or data is not None:
        raise ParameterError("atlas: got trees and addresses, expected one of the two; open all with saegeom_data.open")
    results = tuple(tree for tree in trees if tree.attrs.get("kind") == "results")
    stores = [tree for tree in trees if tree.attrs.get("kind") != "results"]
    if len(stores) > 1:
        raise ParameterError(f"atlas: got {len(stores)} stores, expected one")
    return Source(stores[0] if stores else None, results)
