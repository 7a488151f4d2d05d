"""Tensors of a ``.pt`` file, read by torch alone, as weights and nothing else."""

from __future__ import annotations

import re
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from saegeom_data.checkpoints.weights.tensors import NoWeightsError, Tensor, UnreadTensor, Weights
from saegeom_data.errors import StoreError, require
from saegeom_data.remote.files import SourceFile, reason, refuse_unprintable


def read(file: SourceFile) -> Weights:
    """Load a ``.pt`` file with ``weights_only``, mapped into memory rather than read.

    A remote file is fetched whole: its tensors can only be found by unpickling it. The copy has no name any more once
    it is mapped.

    Raises
    ------
    NoWeightsError
        If it holds anything that torch does not deem safe, or no tensors by name.
    StoreError
        If it is half-written, or of a torch before 1.6.
    MissingDependencyError
        If torch is not installed.
    """
    require("torch", "harvest")
    if file.is_local:
        return _load(file, Path(file.path))
    with tempfile.TemporaryDirectory(prefix="saegeom-") as folder:
        copy = Path(folder) / "weights.pt"
        file.copy_to(copy)
        return _load(file, copy)


def _load(file: SourceFile, path: Path) -> Weights:
    import torch

    _refuse_odd_archives(file, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # On the CPU wherever it was saved: else a machine without that GPU could not open it.
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # unpickling raises errors of every kind
        raise NoWeightsError(
            f"{file.shown}: not weights that torch reads safely (weights_only): {_unsafe(error)}; nothing in it was run"
        ) from error
    if isinstance(loaded, torch.Tensor):
        return Weights({"decoder": _tensor(file, "decoder", loaded)}, {})
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise NoWeightsError(f"{file.shown}: got a {type(loaded).__name__}, expected a dictionary of named tensors")
    # Names stand in messages, which control characters would split, and reach terminals.
    refuse_unprintable(file.shown, loaded)
    # Only where none is at the top: beside weights, dictionaries hold the state of an optimiser.
    if not any(isinstance(entry, torch.Tensor) for entry in loaded.values()):
        loaded |= _nested(file, loaded)
    tensors = {name: _tensor(file, name, entry) for name, entry in loaded.items() if isinstance(entry, torch.Tensor)}
    return Weights(tensors, {name: entry for name, entry in loaded.items() if name not in tensors})


def _unsafe(error: Exception) -> str:
    """What torch refused to load; its own message tells how to load it all the same, in colours."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"it holds {found.group(1)}" if found else reason(error)


def _nested(file: SourceFile, loaded: dict[str, Any], prefix: str = "", depth: int = 3) -> dict[str, Any]:
    """Tensors of dictionaries inside a dictionary, such as ``state_dict``, under names that dots join."""
    import torch

    found = {}
    for name, entry in loaded.items():
        if isinstance(entry, torch.Tensor) and prefix:
            found[f"{prefix}{name}"] = entry
        elif isinstance(entry, dict) and depth and all(isinstance(key, str) for key in entry):
            refuse_unprintable(file.shown, entry)
            found |= _nested(file, entry, f"{prefix}{name}.", depth - 1)
    return found


def _refuse_odd_archives(file: SourceFile, path: Path) -> None:
    """Refuse members that torch never writes, which could inflate or reach outside the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    # zipfile raises errors of many kinds on a damaged archive.
    except Exception as error:
        raise StoreError(
            f"{file.shown}: not an archive of torch 1.6 or later, or half-written: {reason(error)};"
            " load and save it again with torch"
        ) from error
    for member in members:
        # Stored as they are, members are no larger than the file; compressed, one could be a thousand times as large.
        odd = member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size
        # The upper half holds the mode of the file where the archive was made on a Unix system.
        link = stat.S_ISLNK(member.external_attr >> 16)
        if odd or link or ".." in member.filename.replace("\\", "/").split("/") or member.filename.startswith("/"):
            raise StoreError(
                f"{file.shown}: {member.filename[:80]}: compressed, a link, or a path out of the archive;"
                " torch writes none of these, get the file from its source"
            )


def _tensor(file: SourceFile, name: str, tensor: Any) -> Tensor:
    import torch

    numbers = {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool}
    odd = tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in numbers
    # A stride of 0 can make a tensor of any shape of one stored number.
    if odd or tensor.numel() * tensor.itemsize > file.size:
        return UnreadTensor(
            tuple(tensor.shape),
            f"{file.shown}: {name[:80]}: got {tuple(tensor.shape)} of {tensor.dtype}, {tensor.layout}; expected a plain"
            " tensor of numbers no larger than its file",
        )
    # A parameter that requires a gradient does not convert to numpy.
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        # Numpy has no such dtype: the bits go over as integers and are named anew.
        bits: np.ndarray[Any, Any] = tensor.view(torch.int16).numpy()
        rounded: Tensor = bits.view(ml_dtypes.bfloat16)
        return rounded
    array: np.ndarray[Any, Any] = tensor.numpy()
    return array
