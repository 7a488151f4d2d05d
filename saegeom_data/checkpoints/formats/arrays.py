"""Plain arrays: anyone's own features, as ``.npy``, or under a key of an ``.npz`` or ``.safetensors`` file."""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.errors import UnknownNameError

_KEY = "decoder"
_OPTIONAL = ("encoder", "encoder_bias", "decoder_bias", "threshold")


def _matches(found: Found) -> bool:
    return found.key is not None or _KEY in found.keys


def _read(found: Found) -> Checkpoint:
    key = found.key or _KEY
    if key not in found.keys:
        raise UnknownNameError(f"array in {found.file.name}", key, found.keys)
    parts = {"decoder": found.part(key)}
    parts |= {name: found.part(name) for name in _OPTIONAL if name in found.keys and name != key}
    return Checkpoint(found.file, parts, Encoding("unknown"), None)


FORMAT = Format("arrays", "a .npy, or an .npz or .safetensors with a matrix named decoder or by --key", _matches, _read)
