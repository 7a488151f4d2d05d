"""The check of a store against its declarations, from metadata alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from saegeom_data.data import group_kinds, schema
from saegeom_data.data.csr_checks import shape_problems
from saegeom_data.data.schema import dims_text
from saegeom_data.errors import ParameterError, Problem, ValidationError, suggest

if TYPE_CHECKING:
    import xarray as xr

# What a metric writes beside its outputs, so that a result can be read without the code that made it.
_RESULT_ATTRS = ("metric", "metric_version", "parameters")
_RESULT_DIMS = ("sae", "site")


def validate(tree: xr.DataTree) -> list[Problem]:
    """Collect every way in which a store breaks format version 1, from metadata alone.

    Parameters
    ----------
    tree
        A store, as ``xr.open_datatree(path, engine="zarr", chunks={})`` gives it.

    Returns
    -------
    list of Problem
        All problems, each with its path; empty for a valid store.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> validate(simulate_store())
    []
    """
    refuse_other_than_tree(tree)
    problems: list[Problem] = []
    version, store_kind = tree.attrs.get("format_version"), tree.attrs.get("kind", "dataset")
    if version is not None and version != schema.FORMAT_VERSION:
        problems.append(
            Problem(
                "/@format_version",
                f"got {version!r}, expected {schema.FORMAT_VERSION}; upgrade saegeom-data or the store",
            )
        )
    if store_kind not in ("dataset", "results"):
        near = suggest(str(store_kind), ["dataset", "results"])
        return [*problems, Problem("/@kind", f"got {store_kind!r}, expected 'dataset' or 'results'{near}")]
    for node in tree.subtree:
        path = node.path.strip("/")
        dataset = node.to_dataset(inherit=False)
        kind = group_kinds.kind_of(path)
        if path and store_kind == "results":
            problems.extend(_result_problems(dataset, f"/{path}"))
        elif kind is not None:
            problems.extend(kind.problems(dataset, f"/{path}" if path else ""))
        elif dataset.data_vars:
            near = suggest(path, [known.path for known in group_kinds.KINDS])
            listed = ", ".join(known.path for known in group_kinds.KINDS if known.path)
            problems.append(Problem(f"/{path}", f"no kind of group has this path{near}; known: {listed}"))
    if store_kind == "results":
        if not tree.children:
            problems.append(Problem("/", "no results; expected one group for each metric of the run"))
    else:
        problems.extend(_length_problems(tree))
    return problems


def refuse_other_than_tree(tree: Any) -> None:
    """Raise :class:`ParameterError` unless something is a tree, such as an opened store."""
    import xarray as xr

    if isinstance(tree, str | os.PathLike):
        raise ParameterError(
            f"tree: got the path {os.fspath(tree)!r}, expected an opened store: saegeom_data.open(path)"
        )
    if not isinstance(tree, xr.DataTree):
        raise ParameterError(
            f"tree: got {type(tree).__name__}, expected an xarray.DataTree, as saegeom_data.open gives it, or one of"
            " your own with the groups of a store, such as /activations/<site>"
        )


def check(tree: xr.DataTree) -> None:
    """Raise :class:`ValidationError` with all problems of :func:`validate`, if there are any."""
    problems = validate(tree)
    if problems:
        raise ValidationError(problems)


def _result_problems(dataset: xr.Dataset, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the result of one metric, as far as it shows without the metric's declaration."""
    for name in _RESULT_ATTRS:
        if name not in dataset.attrs:
            near = suggest(name, [str(attr) for attr in dataset.attrs])
            yield Problem(f"{where}@{name}", f"attribute missing{near}; only results of a run have it, so run it again")
    try:
        parameters = json.loads(dataset.attrs.get("parameters", "{}"))
    except (TypeError, ValueError, RecursionError):
        parameters = None
    if not isinstance(parameters, dict):
        yield Problem(f"{where}@parameters", "not a JSON object of parameters; run the metric again")
    if not dataset.data_vars:
        yield Problem(where, "no outputs; expected those that the metric declares")
    for output, variable in dataset.data_vars.items():
        if not variable.dims or variable.dims[0] not in _RESULT_DIMS:
            yield Problem(
                f"{where}/{output}",
                f"got dims {dims_text(variable.dims)}, expected sae or site as the first; transpose it",
            )
        elif variable.dims[0] not in dataset.coords:
            yield Problem(f"{where}/{variable.dims[0]}", "coordinate missing; it names the SAEs or sites of the result")


def width_problems(features: xr.Dataset, where: str) -> Iterator[Problem]:
    """Yield a problem for a stated width that the decoder of a group does not have: it may lie the other way round."""
    width, rows = features.coords.get("width"), features.sizes.get("features", 0)
    # No features at all are refused as such.
    if width is None or width.ndim or width.dtype.kind not in "iu" or not rows or int(width) == rows:
        return
    if int(width) == features.sizes.get("hidden"):
        fix = "the decoder lies the other way round, transpose it"
    else:
        fix = f"of some of the features say .assign_coords(width={rows})"
    yield Problem(f"{where}/width", f"got {int(width)}, expected {rows}, the decoder's rows; {fix}")


def _length_problems(tree: xr.DataTree) -> Iterator[Problem]:
    """Lengths that must agree between groups, which xarray cannot see."""
    for where, groups in _of_saes(tree):
        n_features = groups["features"].sizes.get("features") if "features" in groups else None
        if n_features is None:
            continue
        yield from width_problems(groups["features"], f"{where}/features")
        for group, name, dim in (
            ("occurrence", "occurrence", "features"),
            ("cooccurrence", "n_blocks_both", "features"),
            ("cooccurrence", "n_blocks_both", "features_other"),
        ):
            yield from _size_problems(
                groups.get(group), f"{where}/{group}/{name}", dim, n_features, "the decoder's rows"
            )
        if "codes" in groups:
            n_tokens = tree.children["tokens"].sizes.get("tokens") if "tokens" in tree.children else None
            yield from shape_problems(groups["codes"], n_features, n_tokens, f"{where}/codes")
        if "labels" in groups:
            # With numpy, which a command that only prints its help does not need.
            from saegeom_data.data.labels import labels_problems

            yield from labels_problems(groups["labels"], n_features, f"{where}/labels")
        if "examples" in groups:
            from saegeom_data.data.examples import examples_problems

            yield from examples_problems(groups["examples"], n_features, f"{where}/examples")
    yield from _untrained_problems(tree)
    # Between a group and its parent, as with word pairs, xarray checks lengths itself when it opens the store.
    if "tokens" in tree.children and "activations" in tree.children:
        n_tokens = tree.children["tokens"].sizes.get("tokens", 0)
        for name, node in tree.children["activations"].children.items():
            activations = node.to_dataset(inherit=False)
            yield from _size_problems(activations, f"/activations/{name}", "tokens", n_tokens, "as in /tokens")


def _of_saes(tree: xr.DataTree) -> Iterator[tuple[str, dict[str, xr.Dataset]]]:
    """Path and groups of each SAE, untrained ones included."""
    for folder in ("saes", "untrained"):
        children = tree.children[folder].children if folder in tree.children else {}
        for name in sorted(children, key=schema.natural_order):
            groups = {group: node.to_dataset(inherit=False) for group, node in children[name].children.items()}
            yield f"/{folder}/{name}", groups


def _untrained_problems(tree: xr.DataTree) -> Iterator[Problem]:
    """Untrained SAEs of no SAE, and those whose occurrence is of other blocks than that of theirs."""
    names = schema.sae_names(tree)
    for where, groups in _of_saes(tree):
        _, folder, name = where.split("/")
        if folder != "untrained":
            continue
        if name not in names:
            yield Problem(where, f"is held against /saes/{name}, which is not there; known: {', '.join(names)}")
            continue
        beside = tree["saes"][name].children
        if "occurrence" in beside:
            n_blocks = beside["occurrence"].to_dataset(inherit=False).sizes.get("blocks", 0)
            found = groups.get("occurrence")
            yield from _size_problems(found, f"{where}/occurrence", "blocks", n_blocks, f"as of /saes/{name}")


def _size_problems(group: xr.Dataset | None, where: str, dim: str, expected: int, why: str) -> Iterator[Problem]:
    """Yield a problem if the group has ``dim`` in another size than expected."""
    if group is not None and group.sizes.get(dim, expected) != expected:
        yield Problem(where, f"got {group.sizes[dim]} {dim}, expected {expected}, {why}")
