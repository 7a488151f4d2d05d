"""How lobes are shown.

No column and no figure of their own: what lobes do, and whether they are places, is shown by the metrics of that.
"""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation

PRESENTATION = Presentation(place=60)
