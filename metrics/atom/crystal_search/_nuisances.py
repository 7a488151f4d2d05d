"""Whether the steps of a family go up or down something plain: the norm of a feature, how often it fires, or where."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

NUISANCES = ("norm", "firing_rate", "position")
# The least p is 0.001.
_DRAWS = 999
# Norms that differ by less are one norm, stored in few digits.
_LEAST_SPREAD = 0.01


def oriented(offset: Array, middle: Array) -> tuple[Array, Array, float]:
    """Main direction (hidden,) of offsets (pairs, hidden), the sign (pairs,) of each along it, and its share.

    The direction u maximises the share of squared length along it, sum (o u)^2 / sum |o|^2. It points to the side of
    the origin on which ``middle`` (hidden,) lies, the mean of the pairs.
    """
    n, hidden = offset.shape
    # The smaller product has the same leading eigenvalue, and its eigenvector leads to that of the other.
    if n < hidden:
        values, vectors = np.linalg.eigh(offset @ offset.T)
        direction = vectors[:, -1] @ offset
    else:
        values, vectors = np.linalg.eigh(offset.T @ offset)
        direction = vectors[:, -1]
    direction = direction / np.linalg.norm(direction)
    if middle @ direction < 0:
        direction = -direction
    share = values[-1] / np.einsum("ij,ij->", offset, offset)
    return direction, np.where(offset @ direction < 0, -1, 1), float(min(share, 1.0))


def follows(value: Array, pair: Array, rng: np.random.Generator) -> tuple[float, float]:
    """How often ``value`` (features,) rises along ``pair`` (pairs, 2), less how often it falls, in [-1, 1]; and its p.

    p is (b + 1) / (B + 1) for b of 999 permutations of the values among the features of the pairs that rise or fall as
    often. Pairs of which a value is NaN are left out. NaN where the values are all equal, or none is known.
    """
    pair = pair[np.isfinite(value[pair]).all(axis=1)]
    member, place = np.unique(pair, return_inverse=True)
    place, known = place.reshape(-1, 2), value[member]
    if not len(known) or np.ptp(known) == 0:
        return np.nan, np.nan
    observed = np.sign(known[place[:, 1]] - known[place[:, 0]]).mean()
    reached = 0
    for _ in range(_DRAWS):
        drawn = rng.permutation(known)
        reached += abs(np.sign(drawn[place[:, 1]] - drawn[place[:, 0]]).mean()) >= abs(observed) - 1e-12
    return float(observed), (reached + 1) / (_DRAWS + 1)


def told_apart(norm: Array) -> Array:
    """Norms (rows,) of rows, NaN if they are all one norm but for the digits that are stored."""
    known = norm[norm > 0]
    is_one = not len(known) or known.std() < _LEAST_SPREAD * known.mean()
    return np.full(len(norm), np.nan) if is_one else norm
