"""Figures of executed notebooks: drawn and laid out by the scripts that reports carry, which are in the site."""

from __future__ import annotations

import re
from typing import Any

# Figures are drawn while the page is read, before it has the width that it will have.
_FITTED = """<script>
addEventListener("load", () => {
  for (const element of document.querySelectorAll(".plotly-graph-div")) {
    const figure = structuredClone({data: element.data, layout: element.layout});
    const draw = () => {
      // The element itself stays as wide as it was first drawn, and what is around it as high.
      const around = element.parentElement;
      const width = around.clientWidth;
      const {data, layout} = laidOut(figure, width);
      for (const {style} of [around, element]) Object.assign(style, {width: "100%", height: layout.height + "px"});
      Plotly.react(element, data, {...layout, width, autosize: false}, {...options, responsive: false});
    };
    draw();
    whenWidthChanges(draw);
  }
});
</script>"""
_SCRIPTS = ("_static/plotly-cartesian.min.js", "_static/layout.js")
# Before each figure plotly loads its own script and one for mathematics, which no figure here has, from elsewhere.
_FROM_ELSEWHERE = re.compile(
    r'<script[^>]*src="https://(?:cdn\.plot\.ly|cdnjs\.cloudflare\.com/ajax/libs/mathjax)/[^"]*"[^>]*></script>'
)


def draw_locally(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the figures of a page be drawn by the script of the site, which only pages with figures load."""
    body, count = _FROM_ELSEWHERE.subn("", context.get("body", ""))
    if count:
        # Ahead of the first figure, each of which draws itself where it stands.
        scripts = [f'<script src="{context["pathto"](script, resource=True)}"></script>' for script in _SCRIPTS]
        context["body"] = "\n".join([*scripts, body, _FITTED])
