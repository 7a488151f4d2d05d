"""Simulators with planted structure, and checks for metrics: the same that the tests of this package use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saegeom_data.testing.battery import Check, check_metric, metric_checks
    from saegeom_data.testing.checks import assert_equal, assert_lazy, raise_if_dask_computes, rechunk
    from saegeom_data.testing.simulate import (
        simulate_crystals,
        simulate_relations,
        simulate_sae,
        simulate_store,
        write_simulated_activations,
        write_simulated_store,
    )

__all__ = [
    "Check",
    "assert_equal",
    "assert_lazy",
    "check_metric",
    "metric_checks",
    "raise_if_dask_computes",
    "rechunk",
    "simulate_crystals",
    "simulate_relations",
    "simulate_sae",
    "simulate_store",
    "write_simulated_activations",
    "write_simulated_store",
]

_MODULES = {
    "battery": ("Check", "check_metric", "metric_checks"),
    "checks": ("assert_equal", "assert_lazy", "raise_if_dask_computes", "rechunk"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        module = import_module(f"saegeom_data.testing.{_MODULE_OF.get(name, 'simulate')}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
