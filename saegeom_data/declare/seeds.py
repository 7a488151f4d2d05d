"""The seed that one SAE or site draws with."""

from __future__ import annotations

import numpy as np


def own_seed(seed: int, path: str | None) -> int:
    """Seed of one SAE or site: its own for each path in a store, and the seed itself for data without one.

    Were it the same for all, each would be compared with the same draws, and chance would err for all at once.

    Examples
    --------
    >>> own_seed(0, "/saes/layer_0") == own_seed(0, "/saes/layer_1"), own_seed(7, None)
    (False, 7)
    """
    if not path:
        return seed
    # As numbers, so that a seed depends on nothing else, whatever computer it is made on.
    return int(np.random.SeedSequence([seed, *path.encode()]).generate_state(1)[0] >> 1)
