"""Which numbers of the metrics of this package stand in the table, in which order and under which name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from saegeom_data.report.columns import Column, Value, plain, reader, with_interval, with_probability
from saegeom_data.report.groups import Group, find_group

Read = Callable[[Mapping[str, str]], Value]
Entry = tuple[Column, tuple[Read, ...]]

KNOWN_METRICS = frozenset(
    {
        "eigenvalue_slope", "clustering_entropy", "cooccurrence", "affinity", "lobes", "lobe_modularity", "lobe_function",
        "feature_map", "parallelogram_quality",
    }
)  # fmt: skip
FIXED = (
    Column("SAE", ("name",), plain, "Name of the SAE, or of the site where no SAE reads it"),
    Column("layer", ("layer",), plain, "Index of the hidden state that the SAE reads"),
    Column("width", ("width",), plain, "Number of features"),
    Column("L0", ("l0",), lambda value: "–" if value is None else f"{value:g}", "Features that are on at a time"),
)


def known_columns(groups: Sequence[Group]) -> tuple[list[Column], dict[str, Read]]:
    """Columns of the metrics that this package knows, and how to read each of their values for a row."""
    entries = [*_galaxy(groups)]
    columns = [column for column, _ in entries]
    sources = {key: read for column, reads in entries for key, read in zip(column.keys, reads, strict=True)}
    return columns, sources


def _galaxy(groups: Sequence[Group]) -> Iterator[Entry]:
    slope = find_group(groups, "eigenvalue_slope", "slope")
    if slope is not None:
        yield _values(
            slope, "spectrum slope", ("slope", "slope_low", "slope_high"), with_interval,
            "Slope of log eigenvalue on log rank, with its 95 percent interval; lower is steeper",
        )  # fmt: skip
        yield _values(slope, "slope of noise", ("slope_null",), plain, "The same slope for isotropic rows (Marchenko-Pastur)")


def _values(group: Group, label: str, names: tuple[str, ...], show: Callable[..., str], about: str, **where: object) -> Entry:
    return Column(label, names, show, about), tuple(reader(group, name, **where) for name in names)
