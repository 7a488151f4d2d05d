"""Files of weights, each opened without reading more than is asked for."""

from __future__ import annotations

from saegeom_data.checkpoints.weights import npz, safetensors, torch
from saegeom_data.checkpoints.weights.tensors import Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile

__all__ = ["open_weights"]


def open_weights(file: SourceFile) -> Weights:
    """Read the directory of a weights file: names, shapes, dtypes, places. No weights are read, but of ``.pt`` files.

    Raises
    ------
    StoreError
        If the file is damaged, half-written, or its directory contradicts its contents.
    MissingDependencyError
        If it is a ``.pt`` file and torch is not installed.
    """
    readers = {
        ".safetensors": safetensors.read,
        ".npz": npz.read,
        ".npy": npz.read_npy,
        ".pt": torch.read,
        ".pth": torch.read,
    }
    if file.suffix not in readers:
        raise StoreError(f"{file.name}: not a file of weights; expected one that ends in {', '.join(readers)}")
    return readers[file.suffix](file)
