"""Plain arrays: anyone's own features, as ``.npy``, or under a key of an ``.npz``, ``.safetensors`` or ``.pt`` file.

There is no configuration: the user gives model, site, layer, L0 and architecture, and the SAE does not encode. A key
that the file does not hold is refused, and so is a matrix of which nothing tells whether its rows are features.
"""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.orientation import encoder_is_transposed, is_transposed, sibling
from saegeom_data.checkpoints.weights.tensors import UnreadTensor

_KEY = "decoder"
# Names of other parts in the libraries that save state dictionaries; the first that is there is taken.
_ENCODERS = ("encoder", "encoder.weight", "W_enc", "w_enc")
_VECTORS = {
    "encoder_bias": ("encoder_bias", "encoder.bias", "b_enc"),
    "decoder_bias": ("decoder_bias", "decoder.bias", "b_dec"),
    "threshold": ("threshold",),
}


def _matches(candidate: Candidate) -> bool:
    return (candidate.key or _KEY) in candidate.keys


def _read(candidate: Candidate) -> Checkpoint:
    return Checkpoint(candidate.file, _parts(candidate), Encoding("unknown"), None)


def _parts(candidate: Candidate) -> dict[str, Part]:
    key = candidate.key or _KEY
    if len(candidate.shape(key)) == 3 and not isinstance(candidate.weights.tensors[key], UnreadTensor):
        # Of three dimensions only this order is read: the number of names that the user gives has to agree.
        parts = {"decoder": Part(candidate.weights.tensors[key], key=key, site_axis=1)}
        bias = _found(candidate, key, _VECTORS["decoder_bias"])
        if bias is not None and len(candidate.shape(bias)) == 2:
            parts["decoder_bias"] = Part(candidate.weights.tensors[bias], key=bias, site_axis=0)
        return parts
    if len(candidate.shape(key)) != 2 or isinstance(candidate.weights.tensors[key], UnreadTensor):
        return {"decoder": candidate.part(key)}
    transposed = is_transposed(candidate, key)
    parts = {"decoder": candidate.part(key, transpose=transposed)}
    encoder = _found(candidate, key, _ENCODERS)
    if encoder is not None:
        crosswise = encoder_is_transposed(candidate, key, transposed, encoder)
        parts["encoder"] = candidate.part(encoder, transpose=crosswise)
    for part, names in _VECTORS.items():
        found = _found(candidate, key, names)
        parts |= {part: candidate.part(found)} if found is not None else {}
    return parts


def _found(candidate: Candidate, key: str, names: tuple[str, ...]) -> str | None:
    """Key of the first tensor of some names that lies beside a decoder."""
    return next(filter(None, (sibling(candidate, key, name) for name in names)), None)


FORMAT = Format(
    "arrays", "a .npy, or an .npz, .safetensors or .pt with a matrix named decoder or by --key", _matches, _read
)
