"""Open checkpoints as lazy groups of a store: facts that they state, facts that the user gives, and the weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.checkpoints.checkpoint import FEATURE_VECTORS, Checkpoint
from saegeom_data.checkpoints.choose import snapshot_commit, training_keys
from saegeom_data.checkpoints.facts import Fact, filled, known_facts, refuse_missing, refuse_unused, stated
from saegeom_data.checkpoints.locate import Source, locate
from saegeom_data.checkpoints.recognise import find_checkpoints
from saegeom_data.checkpoints.registry import addresses, with_entry
from saegeom_data.checkpoints.shapes import oriented, refuse_integers
from saegeom_data.checkpoints.weights.tensors import FortranTensor, lazy_matrix, lazy_sites, read_values
from saegeom_data.checkpoints.written_sites import refuse_several_sites
from saegeom_data.data.schema import SITES, site_decoder, site_decoder_bias
from saegeom_data.data.schema import decoder as plain_decoder
from saegeom_data.errors import ParameterError, StoreError

if TYPE_CHECKING:
    import xarray as xr


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
    orientation: str | None = None,
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
        Path of a file or folder, ``s3://bucket/key``, ``https://...`` or ``hf://owner/repository@revision/path``, or
        ``RELEASE/ID`` of SAELens's registry where SAELens is installed.
    format
        Name of the format: one of :data:`FORMATS`. Told by files, keys and configuration if not given.
    encoder
        Read the encoder, biases and thresholds too, which :class:`Encoder` needs; the decoder alone by default.
    key
        Name of the decoder among plain arrays.
    orientation
        How the decoder of plain arrays lies: ``"features,hidden"`` or ``"hidden,features"``. If not given, it is told
        by biases, thresholds, a configuration and names, or by more rows than columns; else it is asked for.
    model, layer, l0, architecture
        What the checkpoint does not say of itself. They take precedence over what it says.
    site
        Where it reads, likewise; where it writes too, unless it is a transcoder that names its output. Of an SAE that
        writes to several sites all their names, with commas between them.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden) as it is stored, bit for bit, and with ``encoder`` the rest, lazy, in float32
        where the file has bfloat16. Coordinates site (where the decoder writes), layer, width and l0.
        Of a crosscoder and of a layer of a cross-layer transcoder it is (features, sites, hidden), and site and layer
        are over sites; so is ``decoder_bias`` (sites, hidden), which is there where its file has one. Attributes say
        where it is from (``source``, ``source_revision``, ``format``), where it reads and writes (``input_hook`` and
        ``output_hook`` in TransformerLens, ``input_module`` and ``output_module`` in the model, ``source_input`` and
        ``source_output`` in the words of the checkpoint), how it encodes, and what was done to its inputs.
        ``decoder_norm`` is ``"raw"``: nothing is claimed of norms that were not read.

    Raises
    ------
    StoreError
        If nothing is there, the format is not known, or the checkpoint is damaged or half-written.
    ParameterError
        If there are several checkpoints, a fact that a store must state is given by nobody, what is given cannot be or
        is without effect, or there is no encoder that is asked for.
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
    >>> sae = open_checkpoint(path, model="gpt2", site="blocks.6.hook_resid_post", l0=2, architecture="topk")
    >>> sae.decoder.shape, int(sae.layer), sae.attrs["format"]
    ((6, 4), 6, 'arrays')
    """
    facts: dict[str, Fact] = {"model": model, "site": site, "layer": layer, "l0": l0, "architecture": architecture}
    opened = open_all([source], format=format, encoder=encoder, key=key, orientation=orientation, **facts)
    if len(opened) > 1:
        names = ", ".join(sae.checkpoint.file.shown for sae in opened[:3])
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
    orientation: Fact = None,
    **facts: Fact,
) -> list[Opened]:
    """Open every checkpoint of some sources; see :func:`open_checkpoint` for the parameters."""
    entry_of = {}
    found = []
    for address, entry in (pair for each in sources for pair in addresses(each)):
        source = locate(address)
        entry_of[source] = entry
        found += [
            (source, format_name, with_entry(checkpoint, entry))
            for format_name, checkpoint in find_checkpoints(
                source, format, key, orientation=orientation, encoder=encoder
            )
        ]
    refuse_unused({**facts, "orientation": orientation}, [checkpoint.file.name for _, _, checkpoint in found])
    own = [filled(checkpoint, facts) for _, _, checkpoint in found]
    for (source, _, checkpoint), said in zip(found, own, strict=True):
        entry = entry_of[source]
        # The registry has names of its own for models, which count only where nobody says another.
        if entry is not None and said.get("model") is None and checkpoint.site.model is None:
            said["model"] = entry.model or None
    as_stated = [stated(checkpoint, said) for (_, _, checkpoint), said in zip(found, own, strict=True)]
    # All that is missing at once, before anything else is wrong.
    refuse_missing(as_stated, own)
    opened: dict[Source, list[Opened]] = {}
    for (source, format_name, as_found), checkpoint, said in zip(found, as_stated, own, strict=True):
        known = known_facts(checkpoint, said, as_found)
        features = _features_group(source, format_name, checkpoint, known, encoder)
        opened.setdefault(source, []).append(Opened(features, checkpoint, source.license))
    for source, of_source in opened.items():
        _refuse_moments(source, of_source)
    return [sae for of_source in opened.values() for sae in of_source]


def _refuse_moments(source: Source, opened: Sequence[Opened]) -> None:
    """Raise :class:`ParameterError` for several moments of one training, of which none is its end."""
    keys = training_keys([sae.checkpoint.file for sae in opened])
    groups: dict[tuple[Any, ...], list[str]] = {}
    for sae in opened:
        name, features = sae.checkpoint.file.name, sae.features
        key, is_moment = keys[name]
        if is_moment:
            same = (
                key,
                features.attrs["model"],
                str(features.site.values),
                str(features.layer.values),
                features.decoder.shape,
            )
            groups.setdefault(same, []).append(name)
    for names in groups.values():
        if len(names) > 1:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ParameterError(
                f"{source.address}: got {len(names)} moments of one training ({shown}), and none is named as its end;"
                " give the path of one"
            )


def _features_group(
    source: Source, format: str, checkpoint: Checkpoint, known: dict[str, Any], encoder: bool
) -> xr.Dataset:
    """Group ``/saes/<name>/features``: the decoder, at one or several sites, and if asked all that encoding needs."""
    import xarray as xr

    decoder = checkpoint.parts["decoder"]
    several = bool(decoder.n_sites)
    declared = site_decoder if several else plain_decoder
    data: dict[str, Any] = {"decoder": (declared.dims, _lazy_part(checkpoint, "decoder"))}
    features, hidden = oriented(decoder)
    bias = checkpoint.parts.get("decoder_bias")
    if several and bias is not None and bias.tensor is not None and bias.site_axis is not None:
        refuse_integers(checkpoint, "decoder_bias")
        data["decoder_bias"] = (site_decoder_bias.dims, read_values(bias.tensor))
    if encoder:
        refuse_several_sites(checkpoint)
        data |= dict(_encoder_variables(checkpoint, features, hidden))
    attrs = {
        "model": known["model"],
        "architecture": known["architecture"],
        "decoder_norm": "raw",
        "source_dtype": str(decoder.tensor.dtype) if decoder.tensor is not None else "",
        "format": format,
        "source": source.recorded,
        "source_file": checkpoint.file.name,
        "source_revision": source.revision or snapshot_commit([checkpoint.file]),
        "source_sha256": checkpoint.file.sha256,
        "source_etag": checkpoint.file.etag,
        **checkpoint.site.attrs(),
        **checkpoint.encoding.attrs(),
        **checkpoint.notes,
        "l0_source": checkpoint.l0_source if checkpoint.l0 is not None else None,
    }
    return xr.Dataset(
        data,
        coords={
            "site": (SITES, np.array(known["site"], dtype=object)) if several else str(known["site"]),
            "layer": (SITES, known["layer"]) if several else known["layer"],
            "width": features,
            "l0": known["l0"],
        },
        attrs={name: value for name, value in attrs.items() if value is not None},
    )


def _lazy_part(checkpoint: Checkpoint, name: str) -> Any:
    """A matrix as a dask array (features, hidden), whose name changes when its file does."""
    from dask.base import tokenize

    part, file = checkpoint.parts[name], checkpoint.file
    if part.tensor is None:
        raise StoreError(f"{file.shown}: no {name} in it")
    refuse_integers(checkpoint, name)
    # Of several files that hold one SAE it is the one that holds this part.
    tensor = part.tensor.stored if isinstance(part.tensor, FortranTensor) else part.tensor
    file = getattr(tensor, "file", file)
    modified = os.stat(file.path).st_mtime_ns if file.is_local else file.etag
    token = tokenize(file.path, file.size, modified, part.key, name, part.transpose, getattr(tensor, "offset", None))
    if part.site_axis is not None:
        return lazy_sites(part.tensor, f"checkpoint-{name}-{token}", axis=part.site_axis, first=part.first_site)
    return lazy_matrix(part.tensor, f"checkpoint-{name}-{token}", transpose=part.transpose)


def _encoder_variables(checkpoint: Checkpoint, features: int, hidden: int) -> Iterator[tuple[str, Any]]:
    """Yield every variable but the decoder; vectors are read at once."""
    if "encoder" not in checkpoint.parts:
        kind = f" (architecture {checkpoint.architecture!r})" if checkpoint.architecture else ""
        raise ParameterError(f"{checkpoint.file.shown}: no encoder in it or beside it{kind}; leave out --encoder")
    encoder = _lazy_part(checkpoint, "encoder")
    if encoder.shape != (features, hidden):
        raise StoreError(
            f"{checkpoint.file.shown}: its encoder reads {encoder.shape[1]} hidden units and its decoder writes"
            f" {hidden}, which one group cannot hold; import the decoder alone"
        )
    yield "encoder", (("features", "hidden"), encoder)
    for name in (*FEATURE_VECTORS, "decoder_bias"):
        if name in checkpoint.parts:
            dim, size = ("hidden", hidden) if name == "decoder_bias" else ("features", features)
            yield name, (dim, _read_vector(checkpoint, name, size))


def _read_vector(checkpoint: Checkpoint, name: str, size: int) -> np.ndarray[Any, Any]:
    """Values of a vector (size,); a single number, such as one threshold for all features, is repeated."""
    refuse_integers(checkpoint, name)
    part = checkpoint.parts[name]
    array = np.asarray(part.default, "float32") if part.tensor is None else read_values(part.tensor)
    # A copy: what broadcasting gives is read-only, and all its entries are one place in memory.
    return np.array(np.broadcast_to(array, (size,)))
