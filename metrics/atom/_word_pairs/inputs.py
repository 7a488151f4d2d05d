"""Word pairs as the metrics of relations take them: their columns, the names of their relations, and what they take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.errors import DataValueError, ParameterError

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.output import Output

INPUTS = (
    schema.relation,
    schema.source,
    schema.target,
    schema.length_difference,
    schema.source_activation,
    schema.target_activation,
)
OPTIONAL = (
    schema.source_token_count,
    schema.target_token_count,
    schema.source_last_token_id,
    schema.target_last_token_id,
    schema.last_token_length_difference,
    schema.source_frequency_rank,
    schema.target_frequency_rank,
    schema.source_language,
    schema.target_language,
)


def relation_names(pairs: xr.Dataset) -> tuple[str, ...]:
    """Names of the relations, which lazy pairs list in an attribute."""
    if "relations" in pairs.attrs:
        listed = pairs.attrs["relations"]
        relations = (listed,) if isinstance(listed, str) else tuple(str(name) for name in listed)
        if len(set(relations)) < len(relations):
            twice = next(name for name in relations if relations.count(name) > 1)
            raise DataValueError(f"attrs['relations']: got {twice!r} twice, expected each name once; list it once")
    elif pairs["relation"].chunks is None:
        # Sorted, so that results do not depend on the order of the pairs.
        relations = tuple(sorted(set(map(str, pairs["relation"].values))))
    else:
        raise ParameterError(
            "relation: the names of the relations are not known while pairs are lazy; add them with "
            "pairs.assign_attrs(relations=[...]), as saegeom_data.data.selection.select_relations does"
        )
    if len(relations) < 2:
        raise DataValueError(
            f"relation: got {len(relations)} relation, expected at least 2, whose offsets are compared"
        )
    return relations


def over_folds(
    of_fold: Callable[..., dict[str, Any]],
    gather: Callable[..., dict[str, Any]],
    pairs: xr.Dataset,
    outputs: Sequence[Output],
    coords: Mapping[str, Any],
    *,
    n_folds: int,
    fold_outputs: Mapping[str, lazy.Result],
    memory: tuple[int, int],
    work: tuple[lazy.Work, lazy.Work],
) -> xr.Dataset:
    """Call ``of_fold(fold=..., **columns)`` on all columns of the pairs for each fold, for cores to share.

    After that ``gather(**columns, **lists)`` makes the outputs, from lists with one array of each fold by the names of
    ``fold_outputs``. ``memory`` is what either takes, in bytes, and ``work`` what it computes.
    """
    columns = {name: pairs[name] for variable in (*INPUTS, *OPTIONAL) if (name := variable.name) in pairs}
    # A coordinate along another dimension, given with the name of that dimension, has no size of its own.
    sizes = {dim: len(labels) for dim, labels in coords.items() if not isinstance(labels, tuple)}
    sizes |= {str(dim): size for dim, size in pairs.sizes.items()}
    of_folds, of_all = (lazy.Memory(finish=taken, lower="max_pairs") for taken in memory)
    parts = [
        lazy.whole(
            functools.partial(of_fold, fold=fold), **columns, outputs=fold_outputs, memory=of_folds, work=work[0]
        )
        for fold in range(n_folds)
    ]
    return lazy.whole(
        gather,
        **columns,
        **{name: [part[name] for part in parts] for name in fold_outputs},
        outputs={output.name: output.result(sizes) for output in outputs},
        memory=of_all,
        work=work[1],
    ).assign_coords(coords)


def offset_bytes(pairs: xr.Dataset) -> int:
    """Bytes a value that offsets of all pairs take, with a little for their norms."""
    return int(max(4, pairs.target_activation.dtype.itemsize)) + 1


def check_parameters(
    metric: str,
    least: Mapping[str, tuple[int, int]],
    n_components_removed: int,
    n_hidden: int,
    shrinkage: float | None,
    others: Sequence[str] = (),
) -> None:
    """Raise one error for all parameters out of range: numbers with their least values, and what else was found."""
    problems = [
        f"{name}: got {value}, expected at least {smallest}"
        for name, (value, smallest) in least.items()
        if value < smallest
    ]
    if n_components_removed >= n_hidden:
        problems.append(f"n_components_removed: got {n_components_removed}, expected fewer than hidden, {n_hidden}")
    if shrinkage is not None and not 0 < shrinkage <= 1:
        problems.append(f"shrinkage: got {shrinkage}, expected a number in (0, 1], or None for that of Ledoit and Wolf")
    problems += others
    if problems:
        raise ParameterError("\n".join(f"{metric}: {problem}" for problem in problems))


def unfit_names(needed: bool, **lists: tuple[str, ...]) -> list[str]:
    """What is wrong with lists of names: a name twice, or none where one is ``needed``."""
    problems = [
        f"{name}: got {list(given)}, expected each name once"
        for name, given in lists.items()
        if len(set(given)) < len(given)
    ]
    return problems + [
        f"{name}: got none, expected at least one name" for name, given in lists.items() if needed and not given
    ]
