"""Layouts that labels come in, one module each, with the same functions in the same order."""

from __future__ import annotations

from collections.abc import Mapping

from saegeom_data.labels.formats import csv_table, delphi, neuronpedia, saedashboard
from saegeom_data.labels.found import Format

FORMATS: Mapping[str, Format] = {
    "csv": csv_table,
    "neuronpedia": neuronpedia,
    "delphi": delphi,
    "saedashboard": saedashboard,
}
