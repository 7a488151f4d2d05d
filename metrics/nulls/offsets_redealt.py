"""Offsets dealt anew among all pairs, each turned around with probability one half.

Keeps the sources, the labels of pairs, the line that each offset lies on and how long it is: a target lies as near to
its own source as before. Forgets which pair an offset belongs to and which way it points, and with it any direction
that offsets of one relation, or of all, have in common. Exact where offsets are exchangeable, symmetric about zero and
independent of sources and labels: then their joint law is the same after every signed permutation.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.typing import Array

LABEL = "offsets_redealt"


def signed_permutations(groups: Array, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw whose offset each member takes, within groups (members,), and its sign -1 or 1: (size, members) twice.

    The first draws are the same for any number of them.

    Examples
    --------
    >>> order, sign = signed_permutations(np.array([0, 0, 1, 1]), 3, np.random.default_rng(0))
    >>> order.shape, np.unique(order[:, :2]).tolist(), np.unique(sign).tolist()
    ((3, 4), [0, 1], [-1.0, 1.0])
    """
    of_order, of_sign = rng.spawn(2)
    order = np.concatenate(list(permutations_within(groups, size, of_order)))
    return order, of_sign.choice([-1.0, 1.0], size=order.shape)
