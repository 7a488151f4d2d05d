"""How numbers were measured, and in what ways of measuring differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saegeom_data.declare.group import Group

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Method:
    """How a number was measured. Numbers measured in different ways never share a column.

    Attributes
    ----------
    metric
        Registered name.
    version
        Version of the metric.
    settings
        Parameters, and how occurrence was derived from codes; the seed is none of them.
    seed
        Seed; methods that differ in nothing else share a column, and the comparison says so.
    """

    metric: str
    version: str
    settings: Mapping[str, Any]
    seed: Any = None

    @property
    def identity(self) -> str:
        """Text that is the same for the same method."""
        # Sorted, as the order in which parameters were written changes nothing.
        return json.dumps([self.metric, self.version, self.settings], sort_keys=True)

    def __str__(self) -> str:
        return f"{self.metric} version {self.version}: {_words(self.settings) or 'no parameters'}"


def method_of(group: Group, occurrence: Mapping[str, Any]) -> Method:
    """How the numbers of a group were measured, with the settings that occurrence was derived by."""
    # Results of another seed measure the same, and stand in the same column.
    settings = {name: value for name, value in group.parameters.items() if name != "seed"}
    settings |= {f"occurrence.{name}": value for name, value in occurrence.items()}
    if "features" in group.data.attrs:
        settings["features"] = group.data.attrs["features"]
    version = str(group.data.attrs.get("metric_version", "unknown"))
    return Method(group.metric, version, settings, group.parameters.get("seed"))


def occurrence_of(tree: xr.DataTree) -> dict[str, Any]:
    """How occurrence was derived for results, as their run says; empty where it was not."""
    spec = json.loads(tree.attrs.get("spec", "{}"))
    return dict(spec.get("occurrence") or {})


def differences(methods: Sequence[Method]) -> list[str]:
    """Say of each method in what it differs from the others; nothing of a single one."""
    facts = [{"metric": method.metric, "version": method.version, **method.settings} for method in methods]
    names = list(dict.fromkeys(name for fact in facts for name in fact))
    # As JSON: values may be lists and tables, which a set does not take.
    differing = [name for name in names if len({json.dumps(fact.get(name), sort_keys=True) for fact in facts}) > 1]
    return [_words({name: fact.get(name) for name in differing}) for fact in facts]


def _words(settings: Mapping[str, Any]) -> str:
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return ", ".join(
        f"{name} {value}" if name in ("metric", "version") else f"{name}={value}" for name, value in shown.items()
    )
