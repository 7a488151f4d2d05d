"""Codes of a trained SAE: where features fire, how well it reconstructs, and the codes themselves on a subset."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.harvest.model.activations import ActivationReader

_BATCH_SEQUENCES = 16
_OCCURRENCE = "occurrence.npy"
_CODES = ("data", "indices", "counts")


@dataclass
class _Fit:
    """Sums over held-out tokens from which the fraction of variance unexplained follows.

    With rows x of n inputs and y of their reconstructions, FVU = sum |x - y|^2 / (sum |x|^2 - |sum x|^2 / n): the
    denominator is the sum of squared distances from the mean. Sums are in float64, as the difference loses digits.

    Parameters
    ----------
    total
        (hidden): sum of the inputs.
    error, squares
        Sums over tokens of |x - y|^2 and |x|^2.
    tokens
        How many tokens there are.
    """

    total: npt.NDArray[np.float64]
    error: float = 0.0
    squares: float = 0.0
    tokens: int = 0

    def add(self, inputs: npt.NDArray[np.float32], outputs: npt.NDArray[np.float32]) -> None:
        """Add some tokens: inputs and reconstructions, both (tokens, hidden)."""
        exact = inputs.astype(np.float64)
        self.error += float(np.square(exact - outputs).sum())
        self.squares += float(np.square(exact).sum())
        self.total = self.total + exact.sum(axis=0)
        self.tokens += len(exact)

    @property
    def fvu(self) -> float:
        """Fraction of variance unexplained; NaN if the inputs do not vary."""
        # Of no tokens it is 0, and the fraction NaN.
        variance = self.squares - float(self.total @ self.total) / max(1, self.tokens)
        return self.error / variance if variance > 0 else float("nan")


class _Rows:
    """CSR rows, written as they come: values, columns and the entries of each row, each in a file of its own."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self._dtypes = _dtypes(dtype)
        self._files = {name: (folder / f"{name}.bin").open("wb") for name in _CODES}

    def add(self, codes: npt.NDArray[np.floating]) -> None:
        """Append the rows of dense codes (tokens, features)."""
        # In order of rows, so that entries of one row follow each other as CSR wants them.
        rows, columns = np.nonzero(codes)
        counts = np.bincount(rows, minlength=len(codes))
        for name, values in {"data": codes[rows, columns], "indices": columns, "counts": counts}.items():
            self._files[name].write(np.asarray(values, dtype=self._dtypes[name]).tobytes())

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def encoded_occurrence(folder: Path) -> npt.NDArray[np.bool_]:
    """Where features fire, (sequences, features), read from the disk as it is used."""
    found: npt.NDArray[np.bool_] = np.load(folder / _OCCURRENCE, mmap_mode="r")
    return found


def _dtypes(values: str) -> dict[str, npt.DTypeLike]:
    return dict(zip(_CODES, (values, "int32", "int64"), strict=True))


def encoded_codes(folder: Path, dtype: str) -> dict[str, npt.NDArray[Any]]:
    """Values, columns, and entries of each row of the codes, read from the disk as they are used; empty without any.

    ``dtype`` is that of the activations that were encoded.
    """
    files = {name: folder / f"{name}.bin" for name in _CODES}
    if not all(file.is_file() for file in files.values()):
        return {}
    # An empty file cannot be mapped.
    return {
        name: np.memmap(files[name], dtype=kind, mode="r") if files[name].stat().st_size else np.zeros(0, kind)
        for name, kind in _dtypes(dtype).items()
    }


def load_sae(folder: Path) -> Any:
    """Load an SAE from sae-lens's format."""
    from sae_lens import SAE

    return SAE.load_from_disk(str(folder), device="cpu")


def encode_site(
    folder: Path, reader: ActivationReader, sae: Any, keep: npt.NDArray[np.int64]
) -> dict[str, float | int]:
    """Encode all sequences of a site, and write where features fire, and the codes of some sequences, as they come.

    A feature fires where its activation, rounded to the dtype of the inputs, is above 0; special tokens are left out.

    Parameters
    ----------
    folder
        Where :func:`encoded_occurrence` and :func:`encoded_codes` read what is written.
    reader
        Activations to encode.
    sae
        SAE of sae-lens that takes raw activations.
    keep
        Sequences whose codes are kept, in ascending order; one row per token.

    Returns
    -------
    dict
        ``fvu`` on the held-out sequences (squared error over the variance around their mean), ``l0`` (features that
        fire on a token, on average) and ``dead_features`` (those that never fire).
    """
    import torch

    special, kept, dtype = reader.table.is_special, set(keep.tolist()), reader.dtype
    width, hidden = sae.W_dec.shape
    count = len(reader.table.document)
    fires = np.lib.format.open_memmap(folder / _OCCURRENCE, mode="w+", dtype=bool, shape=(count, width))
    fit, active, alive = _Fit(np.zeros(hidden)), 0, np.zeros(width, dtype=bool)
    with closing(_Rows(folder, dtype)) if kept else nullcontext() as rows:
        for where, shard in reader.shards():
            for low in range(where.start, where.stop, _BATCH_SEQUENCES):
                high = min(low + _BATCH_SEQUENCES, where.stop)
                inputs = shard[low - where.start : high - where.start].astype(np.float32)
                with torch.inference_mode():
                    dense = sae.encode(torch.from_numpy(inputs.reshape(-1, hidden)))
                    held = np.flatnonzero(reader.table.held_out[low:high])
                    if len(held):
                        ordinary = ~special[low:high][held]
                        # Reconstructed from the codes as they are, not as they are rounded to be stored.
                        chosen = dense.reshape(high - low, -1, width)[torch.from_numpy(held)]
                        outputs = sae.decode(chosen[torch.from_numpy(ordinary)]).numpy()
                        fit.add(inputs[held][ordinary], outputs)
                # Rounded first: a code that the dtype makes 0 is not stored, and would be counted as firing.
                codes = dense.to(getattr(torch, dtype)).numpy().reshape(high - low, -1, width)
                codes[special[low:high]] = 0
                fires[low:high] = (codes > 0).any(axis=1)
                alive |= fires[low:high].any(axis=0)
                active += int(np.count_nonzero(codes))
                # In ascending order, as the file is only appended to.
                for sequence in range(low, high):
                    if rows is not None and sequence in kept:
                        rows.add(codes[sequence - low])
    fires.flush()
    tokens = int((~special).sum())
    return {"fvu": fit.fvu, "l0": active / tokens, "dead_features": int((~alive).sum())}
