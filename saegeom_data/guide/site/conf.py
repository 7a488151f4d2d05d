"""How Sphinx makes the site; it reads pages that ``saegeom guide --write`` has written, and needs no network."""

from __future__ import annotations

from importlib.metadata import version as version_of
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

html_theme = "pydata_sphinx_theme"
html_title = f"saegeom-data {release}"
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2, "use_edit_page_button": False}
html_show_sourcelink = False
html_copy_source = False
# Prompts of a session are left out of what is copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app: Any) -> None:
    """Let browsers draw mathematics by themselves: without a script from elsewhere."""
    from saegeom_data.guide.site import mathematics

    app.add_html_math_renderer("mathml", (mathematics.visit_inline, None), (mathematics.visit_block, None))


html_math_renderer = "mathml"
