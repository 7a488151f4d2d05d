"""Measure the geometry of sparse-autoencoder features, and share the data it is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saegeom_data.checkpoints import Encoder, import_checkpoints, open_checkpoint, open_checkpoints
    from saegeom_data.data.batches import batches
    from saegeom_data.data.layout import laid_out
    from saegeom_data.data.occurrence import occurrence_from_codes
    from saegeom_data.data.selection import select_relations, select_sae, select_saes
    from saegeom_data.data.store import open
    from saegeom_data.data.write import write_tree
    from saegeom_data.declare.metric import metric
    from saegeom_data.declare.registry import get_metric, list_metrics
    from saegeom_data.engine.runner import evaluate, plan, run
    from saegeom_data.report import plot
    from saegeom_data.results.claims import claims
    from saegeom_data.results.depth_trend import depth_trend
    from saegeom_data.results.summary import summary_table
    from saegeom_data.sample import sample_path
    from saegeom_data.share.publish import publish
    from saegeom_data.spec.models import OccurrenceSettings

__all__ = [
    "Encoder",
    "OccurrenceSettings",
    "__version__",
    "batches",
    "claims",
    "depth_trend",
    "evaluate",
    "get_metric",
    "import_checkpoints",
    "laid_out",
    "list_metrics",
    "metric",
    "occurrence_from_codes",
    "open",
    "open_checkpoint",
    "open_checkpoints",
    "plan",
    "plot",
    "publish",
    "run",
    "sample_path",
    "select_relations",
    "select_sae",
    "select_saes",
    "summary_table",
    "write_tree",
]

_LAZY = {
    "Encoder": "checkpoints",
    "OccurrenceSettings": "spec.models",
    "batches": "data.batches",
    "claims": "results.claims",
    "depth_trend": "results.depth_trend",
    "evaluate": "engine.runner",
    "get_metric": "declare",
    "import_checkpoints": "checkpoints",
    "laid_out": "data.layout",
    "list_metrics": "declare",
    "metric": "declare",
    "occurrence_from_codes": "data.occurrence",
    "open": "data.store",
    "open_checkpoint": "checkpoints",
    "open_checkpoints": "checkpoints",
    "plan": "engine.runner",
    "publish": "share.publish",
    "run": "engine.runner",
    "sample_path": "sample",
    "select_relations": "data.selection",
    "select_sae": "data.selection",
    "select_saes": "data.selection",
    "summary_table": "results.summary",
    "write_tree": "data.write",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"saegeom_data.{_LAZY[name]}"), name)
    if name == "plot":
        from importlib import import_module

        return import_module("saegeom_data.report.plot")
    if name == "__version__":
        from importlib.metadata import version

        return version("saegeom-data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
