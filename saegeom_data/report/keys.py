"""Keys of panels, which stand below their titles: broken into lines where they are wider than their panel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from saegeom_data.report.svg_parts import LINE_HEIGHT

LETTER = 6.6
"""Width of a letter of a key in pixels."""
# The entries of a key stand three blanks apart.
_ENTRIES = "   <span"


def fitted(layout: Mapping[str, Any], width: float) -> dict[str, Any]:
    """Return a layout with keys that are wider than their panel broken into lines, and room for these above.

    Parameters
    ----------
    layout
        Layout of a figure, as plain data.
    width
        Width of the figure in pixels.
    """
    margin, notes, most = margin_of(layout), [], 0
    starts = [spec.get("domain", [0, 1]) for name, spec in layout.items() if name.startswith("xaxis")] or [[0, 1]]
    for note in layout.get("annotations", []):
        text = str(note.get("text", ""))
        # A heading belongs to the panel that begins nearest to it.
        across = min(starts, key=lambda domain: abs(domain[0] - note.get("x", 0)))
        room = (across[1] - across[0]) * (width - margin["l"] - margin["r"])
        key = re.sub(r"<[^>]*>", "", text.rpartition("<br>")[2])
        if _ENTRIES in text and len(key) * LETTER > room:
            most = max(most, text.count(_ENTRIES))
            text = text.replace(_ENTRIES, "<br><span")
        notes.append({**note, "text": text})
    taller = {**layout.get("margin", {}), "t": margin["t"] + LINE_HEIGHT * most}
    height = float(layout.get("height") or 450) + LINE_HEIGHT * most
    return {**layout, "annotations": notes, "margin": taller, "height": height}


def margin_of(layout: Mapping[str, Any]) -> dict[str, float]:
    """Room around the panels of a layout in pixels, by side."""
    given = {side: float(size) for side, size in layout.get("margin", {}).items() if side in "lrtb"}
    return {"l": 70.0, "r": 20.0, "t": 60.0, "b": 60.0} | given
