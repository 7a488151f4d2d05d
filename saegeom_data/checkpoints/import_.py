"""Import checkpoints into a store: decoders are streamed into it once, and measured on what arrived.

The underscore is there because ``import`` is a word of the language.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.checkpoints.encoder import refuse_incomplete
from saegeom_data.checkpoints.facts import Fact
from saegeom_data.checkpoints.names import root_attrs, saes_by_name
from saegeom_data.checkpoints.open import Opened, open_all
from saegeom_data.data.card import dataset_card
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.staging import refuse_existing
from saegeom_data.data.store import open_unchecked
from saegeom_data.data.value_checks import norm_tolerance
from saegeom_data.data.write import expected_warnings, staged, write_group
from saegeom_data.errors import DataValueError, ParameterError

if TYPE_CHECKING:
    import xarray as xr

_log = logging.getLogger(__name__)


def open_checkpoints(
    sources: Sequence[str | os.PathLike[str]],
    *,
    format: str | None = None,
    encoder: bool = False,
    key: str | None = None,
    orientation: Fact = None,
    title: str | None = None,
    license: str | None = None,
    **facts: Fact,
) -> xr.DataTree:
    """Open every checkpoint of some sources lazily as one store, a suite of layers and widths for example.

    Parameters
    ----------
    sources
        Addresses as :func:`open_checkpoint` takes them; a folder may hold any number of checkpoints.
    format, encoder, key, orientation
        As in :func:`open_checkpoint`; an orientation may be a mapping from patterns as facts may.
    title, license
        Attributes of the root; the licence is that which the Hub states, or ``"unknown"``, if not given.
    **facts
        ``model``, ``site``, ``layer``, ``l0`` and ``architecture``, as in :func:`open_checkpoint`, or mappings from
        patterns of the files' names, such as ``{"*/layer_3/*": 71.0}``.

    Returns
    -------
    xarray.DataTree
        ``/saes/<name>/features`` of each, named by layer and by what tells those of one layer apart. It is a valid
        store in all but its manifest.

    Raises
    ------
    ParameterError
        If nothing tells two of them apart, or as in :func:`open_checkpoint`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for width in (6, 8):
    ...     np.save(folder / f"{width}.npy", np.eye(width, 4, dtype="float32"))
    >>> facts = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 2, "architecture": "topk"}
    >>> list(open_checkpoints([folder], **facts)["saes"].children)
    ['layer_6_width_6', 'layer_6_width_8']
    """
    import xarray as xr

    named = saes_by_name(open_all(sources, format=format, encoder=encoder, key=key, orientation=orientation, **facts))
    groups = {f"/saes/{name}/features": sae.features for name, sae in named.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root_attrs(named, title, license)), **groups})


def import_checkpoints(
    sources: Sequence[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    format: str | None = None,
    encoder: bool = False,
    key: str | None = None,
    orientation: Fact = None,
    name: str | None = None,
    title: str | None = None,
    license: str | None = None,
    progress: Callable[[str], None] = lambda message: None,
    begun: Callable[[Path], None] = lambda folder: None,
    **facts: Fact,
) -> str:
    """Write all checkpoints of some sources into a new store, whole or not at all, and return its root hash.

    Each decoder is read once. Norms are measured on what was written, and ``decoder_norm`` is ``"unit"`` where all rows
    have unit norm. The sha256 of a file on this machine, or as the Hub states it, is recorded.

    Parameters
    ----------
    sources, format, encoder, key, orientation, title, license, **facts
        As in :func:`open_checkpoints`.
    target
        Folder to make.
    name
        Name of the SAE, if there is only one.
    progress
        Called with what is done next.
    begun
        Called with the folder that is written into, before anything is: where it raises, nothing is left.

    Raises
    ------
    TargetExistsError
        If ``target`` exists.
    DataValueError
        If weights hold NaN or infinity.
    StoreError, ParameterError, UnknownNameError, MissingDependencyError
        As in :func:`open_checkpoint`.
    """
    import xarray as xr

    refuse_existing(target)
    named = saes_by_name(open_all(sources, format=format, encoder=encoder, key=key, orientation=orientation, **facts))
    if name is not None:
        named = _renamed(named, name)
    # Said before anything is read, which may take hours.
    if encoder:
        _say_unusable(named)
    with expected_warnings(), staged(target) as folder:
        begun(folder)
        for number, (sae_name, sae) in enumerate(list(named.items()), 1):
            progress(f"{sae_name} ({number} of {len(named)}): {sae.checkpoint.file.shown}")
            named[sae_name] = write_features(folder, f"saes/{sae_name}/features", sae)
        write_group(folder, "/", xr.Dataset(attrs=root_attrs(named, title, license)))
        with open_unchecked(folder) as tree:
            (folder / "README.md").write_text(dataset_card(tree), encoding="utf-8")
    return root_hash(target)


def _renamed(named: dict[str, Opened], name: str) -> dict[str, Opened]:
    if len(named) > 1 or not name.replace("-", "_").isidentifier():
        raise ParameterError(f"--name: got {name!r} for {len(named)} SAEs, expected letters, digits, - and _, for one")
    return dict(zip([name], named.values(), strict=True))


def _say_unusable(named: Mapping[str, Opened]) -> None:
    """Log in one line each encoder that is asked for, and by which nothing can be encoded."""
    for name, sae in named.items():
        try:
            refuse_incomplete(sae.features.assign_attrs(path=sae.checkpoint.file.shown))
        except (DataValueError, ParameterError) as error:
            _log.warning("%s: its encoder is stored, and cannot encode: %s", name, error)


def write_features(folder: Path, group: str, sae: Opened) -> Opened:
    """Write one group into a staged folder and measure it; returns the SAE with what is now known of it.

    Raises
    ------
    DataValueError
        If weights hold NaN or infinity.
    """
    import zarr

    sha256 = sae.checkpoint.file.digest()
    known = {"source_sha256": sha256} if sha256 else {}
    write_group(folder, group, sae.features.assign_attrs(known))
    written = zarr.open_group(str(folder), path=group, mode="r+", zarr_format=3)
    for name, array in sorted(written.arrays()):
        if array.ndim and array.dtype.kind == "f":
            _check_finite(array, f"{sae.checkpoint.file.shown}: {name}")
    # Norms are known only now: to measure them before would read each decoder, which may be remote, twice.
    if _is_unit(written["decoder"], str(sae.features.attrs["source_dtype"])):
        known |= {"decoder_norm": "unit"}
        written.attrs.update(known)
    return replace(sae, features=sae.features.assign_attrs(known))


def _blocks(array: Any) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Yield the first row and the values of each shard of a stored array, so that no file is read more than once.

    A shard of a decoder of several sites holds rows of one of them.
    """
    rows = (array.shards or array.chunks)[0]
    for start in range(0, array.shape[0], rows):
        for site in np.ndindex(array.shape[1:-1]):
            yield start, array[(slice(start, start + rows), *site)]


def _check_finite(array: Any, where: str) -> None:
    """Raise :class:`DataValueError` for rows with NaN or infinity; a row of a vector is one value."""
    bad, first = 0, 0
    for start, block in _blocks(array):
        rows = np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(axis=1))
        first = start + int(rows[0]) if len(rows) and not bad else first
        bad += len(rows)
    if bad:
        raise DataValueError(f"{where}: {bad} rows with NaN or infinite values, the first is {first}; nothing was kept")


def _is_unit(decoder: Any, source_dtype: str) -> bool:
    r"""Whether :math:`|\lVert d_i \rVert - 1| \le \epsilon` for all rows :math:`d_i` of a decoder (features, hidden).

    Norms are taken in float64; :math:`\epsilon` is that of the coarser of the two dtypes, in which rows were rounded.
    """
    tolerance = norm_tolerance(source_dtype, str(decoder.dtype))
    return all(
        np.abs(np.linalg.norm(block.astype(np.float64), axis=-1) - 1).max() <= tolerance
        for _, block in _blocks(decoder)
    )
