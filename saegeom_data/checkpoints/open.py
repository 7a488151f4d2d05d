"""Open checkpoints as lazy groups of a store: facts that they state, facts that the user gives, and the weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.checkpoints.checkpoint import FEATURE_VECTORS, Checkpoint, Part
from saegeom_data.checkpoints.locate import Source, locate
from saegeom_data.checkpoints.recognise import find_checkpoints
from saegeom_data.checkpoints.sites import layer_of
from saegeom_data.checkpoints.weights.tensors import lazy_matrix, read_values
from saegeom_data.errors import ParameterError, StoreError

if TYPE_CHECKING:
    import xarray as xr

# What the user may state of checkpoints: one value for all, or values by patterns of the files' names.
Fact = str | int | float | Mapping[str, Any] | None
# What a store must state of each SAE, in the words of messages.
_FACTS = {
    "model": "the model that it was trained on",
    "site": "where it reads, and where it writes too if it is no transcoder, such as blocks.6.hook_resid_post",
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
    model, layer, l0, architecture
        What the checkpoint does not say of itself. They take precedence over what it says.
    site
        Where it reads, likewise; where it writes too, unless it is a transcoder that names its output.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden) as it is stored, bit for bit, and with ``encoder`` the rest, lazy, in float32
        where the file has bfloat16. Coordinates site (where the decoder writes), layer, width and l0. Attributes say
        where it is from (``source``, ``source_revision``, ``format``), where it reads and writes (``input_hook`` and
        ``output_hook`` in TransformerLens, ``input_module`` and ``output_module`` in the model, ``source_input`` and
        ``source_output`` in the words of the checkpoint), how it encodes, and what was done to its inputs.
        ``decoder_norm`` is ``"raw"``: nothing is claimed of norms that were not read.

    Raises
    ------
    StoreError
        If nothing is there, the format is not known, or the checkpoint is damaged or half-written.
    ParameterError
        If there are several checkpoints, or a fact that a store must state is given by nobody.
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
    facts: dict[str, Fact] = {"model": model, "site": site, "layer": layer, "l0": l0, "architecture": architecture}
    opened = open_all([source], format=format, encoder=encoder, key=key, **facts)
    if len(opened) > 1:
        names = ", ".join(sae.checkpoint.file.name for sae in opened[:3])
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
    **facts: Fact,
) -> list[Opened]:
    """Open every checkpoint of some sources; see :func:`open_checkpoint` for the parameters."""
    opened = []
    for address in sources:
        source = locate(address)
        for name, found in find_checkpoints(source, format, key):
            checkpoint = _stated(found, facts)
            features = _features_group(source, name, checkpoint, _known_facts(checkpoint, facts), encoder)
            opened.append(Opened(features, checkpoint, source.license))
    return opened


def _stated(checkpoint: Checkpoint, facts: Mapping[str, Fact]) -> Checkpoint:
    """The checkpoint with the site and the model that the user states of it."""
    site, model = (_fact_for(checkpoint.file.name, facts.get(name)) for name in ("site", "model"))
    site, model = (value if isinstance(value, str) else None for value in (site, model))
    transcoder = "transcoder" in (checkpoint.architecture or "")
    return replace(checkpoint, site=checkpoint.site.stated(site, model, transcoder=transcoder))


def _known_facts(checkpoint: Checkpoint, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """What is known of a checkpoint: what the user states of it, or else what it states itself.

    Raises
    ------
    ParameterError
        If a fact is stated by neither, or is not a number where it has to be.
    """
    own = {
        "model": checkpoint.site.model,
        "site": checkpoint.site.label,
        "layer": checkpoint.site.layer,
        "l0": checkpoint.l0,
        "architecture": checkpoint.architecture,
    }
    known = {}
    for name in _FACTS:
        # What is stated of a transcoder is where it reads; it is known by where it writes.
        writes = (
            name == "site" and "transcoder" in (checkpoint.architecture or "") and checkpoint.site.writes is not None
        )
        value = None if writes else _fact_for(checkpoint.file.name, facts.get(name))
        known[name] = own[name] if value is None else value
    if known["layer"] is None:
        known["layer"] = layer_of(known["site"] if isinstance(known["site"], str) else None)
    for name, value in known.items():
        if value is None:
            raise ParameterError(
                f"{checkpoint.file.name}: {name} is not in the checkpoint; give --{name} ({_FACTS[name]}), or"
                f" --{name} PATTERN=VALUE for some of several"
            )
        known[name] = _typed_fact(name, value, checkpoint.file.name)
    return known


def _fact_for(file: str, fact: Fact) -> Any:
    """Value of a fact for one file: that of the last pattern that fits its name, or the one value for all."""
    if not isinstance(fact, Mapping):
        return fact
    fitting = [value for pattern, value in fact.items() if fnmatchcase(file, pattern)]
    return fitting[-1] if fitting else None


def _typed_fact(name: str, value: Any, where: str) -> Any:
    """Text as it is, numbers as numbers: configurations hold anything."""
    try:
        if name in ("layer", "l0"):
            number = int(value) if name == "layer" else float(value)
            # L0 may be NaN, which is not below 0 either.
            if not number < 0:
                return number
        elif isinstance(value, str):
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise ParameterError(f"{where}: {name}: got {str(value)[:60]!r}, expected {_FACTS[name]}; give --{name}")


def _features_group(
    source: Source, format: str, checkpoint: Checkpoint, known: dict[str, Any], encoder: bool
) -> xr.Dataset:
    """Group ``/saes/<name>/features``: the decoder (features, hidden), and if asked all that encoding needs."""
    import xarray as xr

    decoder = checkpoint.parts["decoder"]
    dims = ("features", "hidden")
    data: dict[str, Any] = {"decoder": (dims, _lazy_part(checkpoint, "decoder"))}
    features, hidden = data["decoder"][1].shape
    if encoder:
        data |= dict(_encoder_variables(checkpoint, features, hidden))
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
        **checkpoint.site.attrs(),
        **checkpoint.encoding.attrs(),
        **checkpoint.notes,
        "l0_source": checkpoint.l0_source if checkpoint.l0 is not None else None,
    }
    return xr.Dataset(
        data,
        coords={"site": str(known["site"]), "layer": known["layer"], "width": features, "l0": known["l0"]},
        attrs={name: value for name, value in attrs.items() if value is not None},
    )


def _lazy_part(checkpoint: Checkpoint, name: str) -> Any:
    """A matrix as a dask array (features, hidden), whose name changes when its file does."""
    from dask.base import tokenize

    part, file = checkpoint.parts[name], checkpoint.file
    if part.tensor is None:
        raise StoreError(f"{file.name}: no {name} in it")
    modified = os.stat(file.path).st_mtime_ns if file.is_local else file.etag
    token = tokenize(file.path, file.size, modified, name, part.transpose, getattr(part.tensor, "offset", None))
    return lazy_matrix(part.tensor, f"checkpoint-{name}-{token}", transpose=part.transpose)


def _encoder_variables(checkpoint: Checkpoint, features: int, hidden: int) -> Iterator[tuple[str, Any]]:
    """Yield every variable but the decoder; vectors are read at once."""
    if "encoder" in checkpoint.parts:
        encoder = _lazy_part(checkpoint, "encoder")
        if encoder.shape != (features, hidden):
            raise StoreError(
                f"{checkpoint.file.name}: its encoder reads {encoder.shape[1]} hidden units and its decoder writes"
                f" {hidden}, which one group cannot hold; import the decoder alone"
            )
        yield "encoder", (("features", "hidden"), encoder)
    for name in (*FEATURE_VECTORS, "decoder_bias"):
        if name in checkpoint.parts:
            dim, size = ("hidden", hidden) if name == "decoder_bias" else ("features", features)
            yield name, (dim, _read_vector(checkpoint.parts[name], size))


def _read_vector(part: Part, size: int) -> np.ndarray[Any, Any]:
    """Values of a vector (size,); a single number, such as one threshold for all features, is repeated."""
    array = np.asarray(part.default, "float32") if part.tensor is None else read_values(part.tensor)
    return np.array(np.broadcast_to(array, (size,)))
