"""Measure the geometry of sparse-autoencoder features, and share the data it is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saegeom_data.declare import get_metric, list_metrics, metric
    from saegeom_data.occurrence import occurrence_from_codes
    from saegeom_data.publishing import publish
    from saegeom_data.runner import evaluate
    from saegeom_data.selection import sample_path, select_relations, select_sae, select_saes
    from saegeom_data.shuffling import batches
    from saegeom_data.sources import Encoder, import_checkpoints, open_checkpoint, open_checkpoints
    from saegeom_data.spec import OccurrenceSettings
    from saegeom_data.store import open, write_tree
    from saegeom_data.trend import depth_trend

__all__ = [
    "Encoder",
    "OccurrenceSettings",
    "__version__",
    "batches",
    "depth_trend",
    "evaluate",
    "get_metric",
    "import_checkpoints",
    "list_metrics",
    "metric",
    "occurrence_from_codes",
    "open",
    "open_checkpoint",
    "open_checkpoints",
    "publish",
    "sample_path",
    "select_relations",
    "select_sae",
    "select_saes",
    "write_tree",
]

_LAZY = {
    "Encoder": "sources",
    "OccurrenceSettings": "spec",
    "batches": "shuffling",
    "depth_trend": "trend",
    "evaluate": "runner",
    "get_metric": "declare",
    "import_checkpoints": "sources",
    "list_metrics": "declare",
    "metric": "declare",
    "occurrence_from_codes": "occurrence",
    "open": "store",
    "open_checkpoint": "sources",
    "open_checkpoints": "sources",
    "publish": "publishing",
    "sample_path": "selection",
    "select_relations": "selection",
    "select_sae": "selection",
    "select_saes": "selection",
    "write_tree": "store",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"saegeom_data.{_LAZY[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("saegeom-data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
