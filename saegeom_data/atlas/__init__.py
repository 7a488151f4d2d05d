"""The atlas: one HTML file in which the features of SAEs are seen on a map, searched, and read one by one.

:mod:`.build` gathers what a store and results say of each SAE (:mod:`.facts`), :mod:`.payload` packs it to bytes, and
:mod:`.page` writes them with own scripts and styles into one file, which asks nothing of any network. In a notebook,
``saegeom_data.atlas.show(results)`` shows the same page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saegeom_data.atlas.notebook import show

__all__ = ["show"]


def __getattr__(name: str) -> Any:
    # The command line imports this package for its help, which needs none of what a page is made with.
    if name == "show":
        from saegeom_data.atlas.notebook import show

        return show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
