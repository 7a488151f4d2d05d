"""Plain arrays: anyone's own features, as ``.npy``, or under a key of an ``.npz`` or ``.safetensors`` file.

There is no configuration: the user gives model, site, layer, L0 and architecture, and the SAE does not encode. A key
that the file does not hold is refused.
"""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.errors import UnknownNameError

_KEY = "decoder"
_OPTIONAL = ("encoder", "encoder_bias", "decoder_bias", "threshold")


def _matches(candidate: Candidate) -> bool:
    return candidate.key is not None or _KEY in candidate.keys


def _read(candidate: Candidate) -> Checkpoint:
    return Checkpoint(candidate.file, _parts(candidate), Encoding("unknown"), None)


def _parts(candidate: Candidate) -> dict[str, Part]:
    key = candidate.key or _KEY
    if key not in candidate.keys:
        raise UnknownNameError(f"array in {candidate.file.name}", key, candidate.keys)
    optional = {name: candidate.part(name) for name in _OPTIONAL if name in candidate.keys and name != key}
    return {"decoder": candidate.part(key)} | optional


FORMAT = Format("arrays", "a .npy, or an .npz or .safetensors with a matrix named decoder or by --key", _matches, _read)
