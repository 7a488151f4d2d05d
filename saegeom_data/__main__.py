"""``python -m saegeom_data`` is ``saegeom``."""

from saegeom_data.cli import main

main()
