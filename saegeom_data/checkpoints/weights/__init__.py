"""Files of weights, each opened without reading more than is asked for."""

from __future__ import annotations

from saegeom_data.checkpoints.weights import npz, safetensors, torch
from saegeom_data.checkpoints.weights.tensors import NoWeightsError, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, refuse_pointer

__all__ = ["READERS", "TORCH", "NoWeightsError", "open_weights"]

# Endings of files that torch writes.
TORCH = (".pt", ".pth", ".bin")
READERS = {
    ".safetensors": safetensors.read,
    ".npz": npz.read,
    ".npy": npz.read_npy,
    **dict.fromkeys(TORCH, torch.read),
}


def open_weights(file: SourceFile) -> Weights:
    """Read the directory of a weights file: names, shapes, dtypes, places. No weights are read, but of ``.pt`` files.

    Raises
    ------
    NoWeightsError
        If the file is whole and holds no tensors by name.
    StoreError
        If the file is empty, damaged, half-written or a pointer of git-lfs, or its directory contradicts its contents.
    MissingDependencyError
        If it is a ``.pt`` file and torch is not installed.
    """
    if file.suffix not in READERS:
        raise StoreError(f"{file.shown}: not a file of weights; expected one that ends in {', '.join(READERS)}")
    if not file.size:
        raise StoreError(f"{file.shown}: is empty; fetch it again")
    refuse_pointer(file)
    # Other programs end names in .bin too.
    if file.suffix == ".bin" and file.read(0, min(2, file.size)) != b"PK":
        raise NoWeightsError(f"{file.shown}: not an archive of torch 1.6 or later; load and save it again with torch")
    return READERS[file.suffix](file)
