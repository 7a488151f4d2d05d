"""Labels permuted among members: all members, or those of one group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from saegeom_data.typing import Array

LABEL = "label_permutation"

# Indices in a batch of permutations: 32 MiB.
_ELEMENTS = 2**22


def permutations_within(groups: Array, n_permutations: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield batches of permutations (batch, members) of members' indices that keep every member in its group.

    A batch stays near 2 ** 22 elements. One group for all is plain permutation. The first permutations are the same for
    any number of them.

    Examples
    --------
    >>> (batch,) = permutations_within(np.array([0, 0, 1, 1]), 3, np.random.default_rng(0))
    >>> batch.shape, np.unique(batch[:, :2]).tolist()
    ((3, 4), [0, 1])
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    # In one stream, where a group begins would depend on how often those before it were permuted.
    streams = rng.spawn(len(members)) if len(members) > 1 else [rng]
    batch = max(1, _ELEMENTS // max(len(groups), 1))
    for start in range(0, n_permutations, batch):
        size = min(batch, n_permutations - start)
        permuted = np.empty((size, len(groups)), np.intp)
        for group, own in zip(members, streams, strict=False):
            permuted[:, group] = own.permuted(np.tile(group, (size, 1)), axis=1)
        yield permuted


def followed(order: Array, there: Array) -> Array:
    """Permutations (draws, n) of the members that are ``there``, (n,) bool: each goes on to the next one that is.

    Examples
    --------
    >>> followed(np.array([[1, 2, 0]]), np.array([True, False, True])).tolist()
    [[2, 2, 0]]
    """
    found = order
    while (skipped := ~there[found] & there).any():
        found = np.where(skipped, np.take_along_axis(order, found, axis=1), found)
    return found
