"""Codes of a trained SAE: where features fire, how well it reconstructs, and the codes themselves on a subset."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.harvest.activations import ActivationReader

_BATCH_SEQUENCES = 16


@dataclass
class _Fit:
    """Sums over held-out tokens from which the fraction of variance unexplained follows."""

    total: npt.NDArray[np.float64]
    error: float = 0.0
    squares: float = 0.0
    tokens: int = 0

    def add(self, inputs: npt.NDArray[np.float32], outputs: npt.NDArray[np.float32]) -> None:
        exact = inputs.astype(np.float64)
        self.error += float(np.square(exact - outputs).sum())
        self.squares += float(np.square(exact).sum())
        self.total = self.total + exact.sum(axis=0)
        self.tokens += len(exact)

    @property
    def fvu(self) -> float:
        variance = self.squares - float(self.total @ self.total) / max(1, self.tokens)
        return self.error / variance if variance > 0 else float("nan")


@dataclass
class _Rows:
    """CSR rows as they come."""

    data: list[npt.NDArray[np.float16]] = field(default_factory=list)
    indices: list[npt.NDArray[np.int32]] = field(default_factory=list)
    counts: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def add(self, codes: npt.NDArray[np.float16]) -> None:
        rows, columns = np.nonzero(codes)
        self.data.append(codes[rows, columns])
        self.indices.append(columns.astype(np.int32))
        self.counts.append(np.bincount(rows, minlength=len(codes)))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(self.counts))]).astype(np.int64)
        return {"data": np.concatenate(self.data), "indices": np.concatenate(self.indices), "indptr": indptr}


def load_sae(folder: Path) -> Any:
    """Load an SAE from sae-lens's format."""
    from sae_lens import SAE

    return SAE.load_from_disk(str(folder), device="cpu")


def encode_site(
    reader: ActivationReader, sae: Any, keep: npt.NDArray[np.int64]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, float | int]]:
    """Encode all sequences of a site.

    A feature fires where its activation, rounded to float16, is above 0; special tokens are left out.

    Parameters
    ----------
    reader
        Activations to encode.
    sae
        SAE of sae-lens that takes raw activations.
    keep
        Sequences whose codes are kept, in ascending order.

    Returns
    -------
    arrays
        ``occurrence`` (sequences, features) bool, and with ``keep`` the CSR arrays ``data``, ``indices``, ``indptr``
        with one row a token of the kept sequences.
    facts
        ``fvu`` on the held-out sequences (squared error over the variance around their mean), ``l0`` (features that
        fire on a token, on average) and ``dead_features`` (those that never fire).
    """
    import torch

    special, kept = reader.table.is_special, set(keep.tolist())
    width, hidden = sae.W_dec.shape
    fires = np.zeros((len(reader.table.document), width), dtype=bool)
    fit, rows, active = _Fit(np.zeros(hidden)), _Rows(), 0
    for where, shard in reader.shards():
        for low in range(where.start, where.stop, _BATCH_SEQUENCES):
            high = min(low + _BATCH_SEQUENCES, where.stop)
            inputs = shard[low - where.start : high - where.start].astype(np.float32)
            with torch.inference_mode():
                dense = sae.encode(torch.from_numpy(inputs.reshape(-1, hidden)))
                held = np.flatnonzero(reader.table.held_out[low:high])
                if len(held):
                    chosen = dense.reshape(high - low, -1, width)[torch.from_numpy(held)][:, torch.from_numpy(~special)]
                    outputs = sae.decode(chosen.reshape(-1, width)).numpy()
                    fit.add(inputs[held][:, ~special].reshape(-1, hidden), outputs)
            codes = dense.to(torch.float16).numpy().reshape(high - low, -1, width)
            codes[:, special] = 0
            fires[low:high] = (codes > 0).any(axis=1)
            active += int(np.count_nonzero(codes))
            for sequence in range(low, high):
                if sequence in kept:
                    rows.add(codes[sequence - low])
    tokens = len(fires) * int((~special).sum())
    facts = {"fvu": fit.fvu, "l0": active / tokens, "dead_features": int((~fires.any(axis=0)).sum())}
    return {"occurrence": fires} | (rows.arrays() if kept else {}), facts
