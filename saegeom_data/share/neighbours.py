"""Nearest features of each, in the files of other tools: delphi's ``neighbours`` and Neuronpedia's ``topkCosSim``."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from saegeom_data.data import schema, store
from saegeom_data.data.selection import Selection
from saegeom_data.data.staging import staged_folder
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.remote.manifest import is_inside
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# As many as each tool lists.
MOST = {"delphi": 250, "neuronpedia": 25}
FORMATS = tuple(MOST)
_ROWS_OF_BATCH = 1024


@dataclass(frozen=True)
class Nearest:
    """The nearest others of each feature: ``index`` (features, order), -1 for none, and ``value``, falling."""

    index: Array
    value: Array

    def of(self, feature: int) -> Iterator[tuple[int, float]]:
        """Yield index and value of the nearest of one feature, the nearest first."""
        for other, value in zip(self.index[feature].tolist(), self.value[feature].tolist(), strict=True):
            if other >= 0 and math.isfinite(value):
                yield other, round(value, 6)


def export_neighbours(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    format: str = "delphi",
    k: int | None = None,
    saes: Sequence[str] = (),
) -> list[str]:
    """Write the nearest features of each into a new folder, whole or not at all, and return the names of its files.

    Parameters
    ----------
    path
        A store.
    folder
        Folder to make.
    format
        ``"delphi"``: ``neighbours/<hookpoint>-<method>.json`` with ``{latent: [[other, value], ...]}``, of the methods
        ``decoder_similarity``, ``encoder_similarity`` (cosines) and ``co-occurrence`` (Jaccard, over blocks) those that
        the store has data for. ``"neuronpedia"``: ``<model>/<source>/features/batch-N.jsonl.gz`` with
        ``topkCosSimIndices`` and ``topkCosSimValues`` of the decoder, ordered by index as text.
    k
        Others of each feature; 250 for delphi and 25 for Neuronpedia if not given.
    saes
        Names of SAEs; all by default.

    Raises
    ------
    UnknownNameError
        If there is no such format or SAE.
    ParameterError
        If k is below 1, or two SAEs would have the same file.
    TargetExistsError
        If ``folder`` exists.

    Notes
    -----
    Pairs of features are compared tile by tile; held are the k nearest of each feature alone.
    """
    if format not in FORMATS:
        raise UnknownNameError("format of neighbours", format, FORMATS)
    k = MOST[format] if k is None else k
    if k < 1:
        raise ParameterError(f"k: got {k}, expected at least 1")
    written: list[str] = []
    with store.open(path) as tree, staged_folder(folder) as content:
        names = schema.sae_names(tree)
        for name in saes:
            if name not in names:
                raise UnknownNameError("SAE", name, names)
        selection = Selection(tree)
        for name in saes or names:
            sae = selection.sae(name, {"decoder", "encoder", "occurrence"})
            if "decoder" in sae and schema.SITES in sae["decoder"].dims:
                raise ParameterError(f"{name}: writes to several sites; give --sae for one that does not")
            made = _delphi(content, sae, k) if format == "delphi" else _neuronpedia(content, sae, name, k)
            for file in made:
                if file in written:
                    raise ParameterError(f"{name}: {file} is that of another SAE too; give --sae for one of them")
                written.append(file)
    return written


def _delphi(content: Path, sae: xr.Dataset, k: int) -> Iterator[str]:
    hook = str(sae.attrs.get("input_module") or sae.attrs.get("input_hook") or sae.coords["site"].item())
    for method, nearest in _methods(sae, k):
        file = content / "neighbours" / f"{hook.replace('/', '.')}-{method}.json"
        # The name goes out before the file is written, so that one which another SAE has already is refused.
        yield _name(file, content)
        file.parent.mkdir(exist_ok=True)
        with file.open("w", encoding="utf-8") as stream:
            _write_table(stream, nearest)


def _methods(sae: xr.Dataset, k: int) -> Iterator[tuple[str, Nearest]]:
    """Yield delphi's methods that there is data for, one in memory at a time."""
    from saegeom_data.metrics.brain._shared.affinity_graph import strongest_affinities
    from saegeom_data.metrics.brain._shared.packed_occurrence import packed

    yield "decoder_similarity", by_cosine(sae["decoder"], k)
    if "encoder" in sae:
        yield "encoder_similarity", by_cosine(sae["encoder"], k)
    if "occurrence" in sae:
        most = min(k, sae.sizes["features"] - 1)
        found = strongest_affinities(packed(sae["occurrence"]), kind="jaccard", n_neighbours=most, min_blocks=1)
        found = found[["affinity", "neighbour"]].compute()
        yield "co-occurrence", Nearest(found.neighbour.values, found.affinity.values)


def by_cosine(rows: xr.DataArray, k: int) -> Nearest:
    """The k others of largest cosine of each row (features, hidden), and the cosines.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> near = by_cosine(xr.DataArray(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), dims=("features", "hidden")), 1)
    >>> list(near.of(0))
    [(1, 0.8)]
    """
    from saegeom_data.metrics._shared.directions import cosine_neighbours

    return Nearest(*cosine_neighbours(rows, k))


def _write_table(stream: TextIO, nearest: Nearest) -> None:
    """Write ``{latent: [[other, value], ...]}`` row by row, as the text of all would take many times its numbers."""
    stream.write("{")
    for feature in range(len(nearest.index)):
        listed = json.dumps([list(pair) for pair in nearest.of(feature)])
        stream.write(f'{", " if feature else ""}"{feature}": {listed}')
    stream.write("}")


def _neuronpedia(content: Path, sae: xr.Dataset, name: str, k: int) -> Iterator[str]:
    key = str(sae.attrs.get("neuronpedia") or "")
    if key and not is_inside(key):
        raise ParameterError(f"{name}: neuronpedia is {key[:80]!r}, expected model/source; fix the attribute")
    # Names of models have slashes, which would be folders.
    model, _, source = key.partition("/") if key else (str(sae.attrs.get("model", "")).rpartition("/")[2], "", name)
    nearest = by_cosine(sae["decoder"], k)
    order = sorted(range(len(nearest.index)), key=str)
    for number, start in enumerate(range(0, len(order), _ROWS_OF_BATCH)):
        file = content / model / source / "features" / f"batch-{number}.jsonl.gz"
        yield _name(file, content)
        file.parent.mkdir(parents=True, exist_ok=True)
        # No date in it, so that the same neighbours are the same bytes.
        with file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
            for feature in order[start : start + _ROWS_OF_BATCH]:
                stream.write(f"{json.dumps(_row(model, source, feature, nearest))}\n".encode())


def _row(model: str, source: str, feature: int, nearest: Nearest) -> dict[str, Any]:
    listed = list(nearest.of(feature))
    return {
        "modelId": model,
        "layer": source,
        "index": str(feature),
        "topkCosSimIndices": [other for other, _ in listed],
        "topkCosSimValues": [value for _, value in listed],
    }


def _name(file: Path, content: Path) -> str:
    return file.relative_to(content).as_posix()
