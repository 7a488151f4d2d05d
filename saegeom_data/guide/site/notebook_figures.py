"""Figures of executed notebooks: drawn by the script that reports carry, which is in the site."""

from __future__ import annotations

import re
from typing import Any

# Figures are drawn while the page is read, before it has the width that it will have.
_FITTED = """<script>
addEventListener("load", () => {
  for (const figure of document.querySelectorAll(".plotly-graph-div")) Plotly.Plots.resize(figure);
});
</script>"""
_SCRIPT = "_static/plotly-cartesian.min.js"
# Before each figure plotly loads its own script and one for mathematics, which no figure here has, from elsewhere.
_FROM_ELSEWHERE = re.compile(
    r'<script[^>]*src="https://(?:cdn\.plot\.ly|cdnjs\.cloudflare\.com/ajax/libs/mathjax)/[^"]*"[^>]*></script>'
)


def draw_locally(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the figures of a page be drawn by the script of the site, which only pages with figures load."""
    body, count = _FROM_ELSEWHERE.subn("", context.get("body", ""))
    if count:
        address = context["pathto"](_SCRIPT, resource=True)
        # Ahead of the first figure, each of which draws itself where it stands.
        context["body"] = f'<script src="{address}"></script>\n{body}\n{_FITTED}'
