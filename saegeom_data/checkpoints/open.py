"""From an address to a group of a store: what a checkpoint says, what the user says, and lazily the weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.checkpoints.checkpoint import FEATURE_VECTORS, Checkpoint, Part
from saegeom_data.checkpoints.locate import Source, locate
from saegeom_data.checkpoints.recognise import find_checkpoints
from saegeom_data.checkpoints.weights.tensors import lazy, values
from saegeom_data.errors import ParameterError, StoreError

if TYPE_CHECKING:
    import xarray as xr

# What the user may say of a checkpoint: one value for all, or values by patterns of the files' names.
Said = str | int | float | Mapping[str, Any] | None
_OPTIONS = ("model", "site", "layer", "l0", "architecture")
_HELP = {
    "model": "the model that it was trained on",
    "site": "where it reads and writes, such as blocks.6.hook_resid_post",
    "layer": "the number of the block",
    "l0": "features on a token, on average; nan if it is not known",
    "architecture": "the kind of SAE, such as topk",
}


@dataclass(frozen=True)
class Opened:
    """One checkpoint as a lazy group of a store, with the file that it comes from."""

    features: xr.Dataset
    checkpoint: Checkpoint
    license: str | None


def open_checkpoint(
    source: str | os.PathLike[str],
    *,
    format: str | None = None,
    encoder: bool = False,
    key: str | None = None,
    model: str | None = None,
    site: str | None = None,
    layer: int | None = None,
    l0: float | None = None,
    architecture: str | None = None,
) -> xr.Dataset:
    """Open the checkpoint of one SAE lazily, as the group ``/saes/<name>/features`` of a store.

    Parameters
    ----------
    source
        Path of a file or folder, ``s3://bucket/key``, ``https://...`` or ``hf://owner/repository@revision/path``.
    format
        Name of the format: one of :data:`FORMATS`. Told by files, keys and configuration if not given.
    encoder
        Read the encoder, biases and thresholds too, which :class:`Encoder` needs; the decoder alone by default.
    key
        Name of the decoder among plain arrays.
    model, site, layer, l0, architecture
        What the checkpoint does not say of itself. They take precedence over what it says.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden) as it is stored, bit for bit, and with ``encoder`` the rest, lazy, in float32
        where the file has bfloat16. Coordinates site, layer, width and l0. Attributes say where it is from
        (``source``, ``source_revision``, ``format``), how it encodes, and what was done to its inputs.
        ``decoder_norm`` is ``"raw"``: nothing is claimed of norms that were not read.

    Raises
    ------
    StoreError
        If nothing is there, the format is not known, or the checkpoint is damaged or half-written.
    ParameterError
        If there are several checkpoints, or something that a store must say is said by nobody.
    UnknownNameError
        If there is no such format or key.
    MissingDependencyError
        If an extra is needed: ``harvest`` for ``.pt``, ``hub`` for what is not on this machine.

    Notes
    -----
    Of ``.npz``, ``.npy`` and ``.safetensors`` files only headers are read here and the needed byte ranges later, one a
    block, without torch. A ``.pt`` file is mapped into memory, and fetched whole if it is not on this machine.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "decoder.npy"
    >>> np.save(path, np.eye(6, 4, dtype="float32"))
    >>> sae = open_checkpoint(path, model="gpt2", site="blocks.6.hook_resid_post", l0=32, architecture="topk")
    >>> sae.decoder.shape, int(sae.layer), sae.attrs["format"]
    ((6, 4), 6, 'arrays')
    """
    said = {"model": model, "site": site, "layer": layer, "l0": l0, "architecture": architecture}
    opened = open_all([source], format=format, encoder=encoder, key=key, **said)
    if len(opened) > 1:
        names = ", ".join(one.checkpoint.file.name for one in opened[:3])
        raise ParameterError(
            f"{os.fspath(source)}: got {len(opened)} checkpoints ({names}, ...), expected one; give the path of one, or"
            " open them all with open_checkpoints"
        )
    return opened[0].features


def open_all(
    sources: Sequence[str | os.PathLike[str]],
    *,
    format: str | None = None,
    encoder: bool = False,
    key: str | None = None,
    **said: Said,
) -> list[Opened]:
    """Open every checkpoint of some sources; see :func:`open_checkpoint` for the parameters."""
    opened = []
    for address in sources:
        source = locate(address)
        for name, checkpoint in find_checkpoints(source, format, key):
            features = _features(source, name, checkpoint, _spoken(checkpoint, said), encoder)
            opened.append(Opened(features, checkpoint, source.license))
    return opened


def _spoken(checkpoint: Checkpoint, said: Mapping[str, Said]) -> dict[str, Any]:
    """What is known of a checkpoint: what the user says of it, or else what it says itself."""
    own = {
        "model": checkpoint.model,
        "site": checkpoint.hook_name or checkpoint.hf_hook_name,
        "layer": checkpoint.layer,
        "l0": checkpoint.l0,
        "architecture": checkpoint.architecture,
    }
    known = {}
    for option in _OPTIONS:
        value = _chosen(checkpoint.file.name, said.get(option))
        known[option] = own[option] if value is None else value
    if known["layer"] is None:
        known["layer"] = _layer_in(known["site"])
    for option, value in known.items():
        if value is None:
            raise ParameterError(
                f"{checkpoint.file.name}: {option} is not in the checkpoint; give --{option} ({_HELP[option]}), or"
                f" --{option} PATTERN=VALUE for some of several"
            )
        known[option] = _checked(value, option, checkpoint.file.name)
    return known


def _layer_in(site: Any) -> int | None:
    from saegeom_data.checkpoints.sites import layer_of

    return layer_of(site if isinstance(site, str) else None)


def _chosen(name: str, said: Said) -> Any:
    if not isinstance(said, Mapping):
        return said
    fitting = [value for pattern, value in said.items() if fnmatchcase(name, pattern)]
    return fitting[-1] if fitting else None


def _checked(value: Any, option: str, where: str) -> Any:
    """Text as it is, numbers as numbers: configurations hold anything."""
    try:
        if option in ("layer", "l0"):
            number = int(value) if option == "layer" else float(value)
            if not number < 0:
                return number
        elif isinstance(value, str):
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise ParameterError(f"{where}: {option}: got {str(value)[:60]!r}, expected {_HELP[option]}; give --{option}")


def _features(source: Source, format: str, checkpoint: Checkpoint, known: dict[str, Any], encoder: bool) -> xr.Dataset:
    import xarray as xr

    decoder = checkpoint.parts["decoder"]
    dims = ("features", "hidden")
    data: dict[str, Any] = {"decoder": (dims, _matrix(checkpoint, "decoder"))}
    features, hidden = data["decoder"][1].shape
    if encoder:
        data |= dict(_rest(checkpoint, features, hidden))
    attrs = {
        "model": known["model"],
        "architecture": known["architecture"],
        "decoder_norm": "raw",
        "source_dtype": str(decoder.tensor.dtype) if decoder.tensor is not None else "",
        "format": format,
        "source": source.address,
        "source_file": checkpoint.file.name,
        "source_revision": source.revision,
        "source_sha256": checkpoint.file.sha256,
        "source_etag": checkpoint.file.etag,
        "hook_name": checkpoint.hook_name,
        "hf_hook_name": checkpoint.hf_hook_name,
        **checkpoint.encoding.attrs(),
        **checkpoint.notes,
    }
    return xr.Dataset(
        data,
        coords={"site": str(known["site"]), "layer": known["layer"], "width": features, "l0": known["l0"]},
        attrs={name: value for name, value in attrs.items() if value is not None},
    )


def _matrix(checkpoint: Checkpoint, name: str) -> Any:
    from dask.base import tokenize

    part, file = checkpoint.parts[name], checkpoint.file
    if part.tensor is None:
        raise StoreError(f"{file.name}: no {name} in it")
    modified = os.stat(file.path).st_mtime_ns if file.is_local else file.etag
    token = tokenize(file.path, file.size, modified, name, part.transpose, getattr(part.tensor, "offset", None))
    return lazy(part.tensor, f"checkpoint-{name}-{token}", transpose=part.transpose)


def _rest(checkpoint: Checkpoint, features: int, hidden: int) -> Iterator[tuple[str, Any]]:
    """Everything beside the decoder; vectors are read at once."""
    if "encoder" in checkpoint.parts:
        encoder = _matrix(checkpoint, "encoder")
        if encoder.shape != (features, hidden):
            raise StoreError(
                f"{checkpoint.file.name}: its encoder reads {encoder.shape[1]} hidden units and its decoder writes"
                f" {hidden}, which one group cannot hold; import the decoder alone"
            )
        yield "encoder", (("features", "hidden"), encoder)
    for name in (*FEATURE_VECTORS, "decoder_bias"):
        if name in checkpoint.parts:
            dim, size = ("hidden", hidden) if name == "decoder_bias" else ("features", features)
            yield name, (dim, _vector(checkpoint.parts[name], size))


def _vector(part: Part, size: int) -> np.ndarray[Any, Any]:
    array = np.asarray(part.default, "float32") if part.tensor is None else values(part.tensor)
    return np.array(np.broadcast_to(array, (size,)))
