"""Examples from a source into the group ``examples`` of an SAE, checked row by row, beside those that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.labels import sources_of
from saegeom_data.labels.found import Found, FoundExample
from saegeom_data.labels.join import check_index, check_origin, features_of
from saegeom_data.labels.spool import Spool

if TYPE_CHECKING:
    import xarray as xr

_TOLD_EACH = 20_000


@dataclass
class ExamplesReader:
    """Puts the examples of one SAE down on disk.

    Parameters
    ----------
    tree, name
        Store and SAE.
    folder
        Where there is room for them.
    model
        Name by which the source calls the model, if the two names do not show that it is one.
    """

    tree: xr.DataTree
    name: str
    folder: Path
    model: str | None
    progress: Callable[[str], None]

    def __post_init__(self) -> None:
        node = self.tree["saes"].children[self.name]
        self.features = features_of(self.tree, self.name)
        self.held = node.children["examples"].to_dataset(inherit=False) if "examples" in node.children else None
        self.sources: Sequence[Mapping[str, Any]] = [] if self.held is None else sources_of(self.held)
        self.datasets: dict[str, None] = {}
        self.spool = Spool(self.folder, self.features.sizes["features"])

    def read(self, rows: Iterable[FoundExample], found: Found) -> int:
        """Put down all examples of a source, and return their number.

        Raises
        ------
        DataValueError, StoreError
            If one is of another SAE or damaged, or the source cannot be read.
        """
        with self.spool as spool:
            for row in rows:
                if not spool.n_examples:
                    # Before the rest is fetched: an export may be of gigabytes.
                    check_origin(found, self.features, self.name, self.model, row.where)
                check_index(row.feature, self.features, self.name, row.where, "example")
                example = replace(row.example, source=len(self.sources))
                spool.add(row.feature, example, where=row.where, key=row.key)
                self.datasets |= {row.dataset: None} if row.dataset else {}
                if spool.n_examples % _TOLD_EACH == 0:
                    self.progress(f"{self.name}: {spool.n_examples:,} examples read")
            spool.settle()
        return self.spool.n_examples

    def group(self, record: Mapping[str, Any]) -> tuple[xr.Dataset, int] | None:
        """Examples that the SAE has and those that were read, and features of these; None if the source is known.

        Raises
        ------
        DataValueError
            If the source has an example twice.
        """
        if any(source["sha256"] == record["sha256"] for source in self.sources):
            return None
        n_features = self.spool.n_features_with_examples()
        if self.held is not None:
            with self.spool as spool:
                spool.add_group(self.held)
        told = {"datasets": list(self.datasets)} if self.datasets else {}
        return self.spool.group([*self.sources, {**record, **told}]), n_features
