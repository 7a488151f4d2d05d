"""``python -m saegeom_data`` is ``saegeom``."""

from saegeom_data.cli.main import main

main()
