"""How Sphinx makes the site; it reads pages that ``saegeom guide --write`` has written, and needs no network."""

from __future__ import annotations

import os
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

project = "saegeom-data"
author = "The saegeom-data developers"
copyright = author
release = version = version_of("saegeom-data")

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
# Tutorials are executed again only if they have changed.
nb_execution_mode = "cache"
nb_execution_timeout = 600
# What tutorials write is not left beside the pages.
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nitpicky = True
# Figures of notebooks are HTML that draws itself; the script that draws them is the report's, not one from elsewhere.
os.environ["PLOTLY_RENDERER"] = "sphinx_gallery"

html_theme = "pydata_sphinx_theme"
html_title = "saegeom-data"
_REPORT = Path(__file__).parents[2] / "report"
html_static_path = ["guide.css", *(str(_REPORT / script) for script in ("plotly-cartesian.min.js", "layout.js"))]
html_css_files = ["guide.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 1,
    "show_nav_level": 1,
    "use_edit_page_button": False,
    "header_links_before_dropdown": 4,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "logo": {"text": f"saegeom-data {release}"},
}
html_sidebars: dict[str, list[str]] = {"index": []}
html_show_sourcelink = False
html_copy_source = False
# Prompts of a session are left out of what is copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app: Any) -> None:
    """Let browsers draw mathematics and figures without a script from elsewhere, and link names to their pages."""
    from saegeom_data.guide.site import links, mathematics, notebook_figures

    app.add_html_math_renderer("mathml", (mathematics.visit_inline, None), (mathematics.visit_block, None))
    app.connect("doctree-resolved", links.link_names)
    app.connect("html-page-context", notebook_figures.draw_locally)


html_math_renderer = "mathml"
