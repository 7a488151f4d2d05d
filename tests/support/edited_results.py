"""Results with values and names put in place of others, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from saegeom_data.report.findings import findings_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures


def edit_group(results: xr.DataTree, group: str, edit: Callable[[xr.Dataset], xr.Dataset]) -> xr.DataTree:
    """The same results with one group edited; they themselves stay as they are."""
    groups = {node.path: node.to_dataset(inherit=False).load() for node in results.subtree}
    groups[f"/{group}"] = edit(groups[f"/{group}"].copy(deep=True))
    return xr.DataTree.from_dict(groups)


def finding_on(results: xr.DataTree, topic: str) -> str:
    """The paragraph on one topic; fails if a presentation failed."""
    failures = Failures()
    (found,) = [finding for finding in findings_of(read_groups(results), failures) if finding.topic == topic]
    assert failures.lines == []
    return str(found)


def with_names(tree: xr.DataTree, types: Sequence[str], relations: Sequence[str] | None = None) -> xr.DataTree:
    """A simulated store with other names of document types and, if given, of relations."""
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for path, group in groups.items():
        if "document_type" in group:
            names = _numbered(group["document_type"], types)
            groups[path] = group.assign(document_type=(group["document_type"].dims, names))
    if relations is not None:
        names = _numbered(groups["/relations"]["relation"], relations)
        groups["/relations"] = groups["/relations"].assign(relation=("pairs", names))
    return xr.DataTree.from_dict(groups)


def _numbered(simulated: xr.DataArray, names: Sequence[str]) -> np.ndarray:
    """The name at the number that each simulated name ends with."""
    return np.array([names[int(str(name).split()[-1])] for name in simulated.values], dtype=object)
