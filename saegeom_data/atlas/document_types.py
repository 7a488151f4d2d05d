"""The document type that each feature fires in most above its rate elsewhere."""

from __future__ import annotations

import numpy as np

from saegeom_data.atlas.facts import Firing, Grouping, Part


def main_type(firing: Firing) -> Grouping:
    """Features by the document type that they fire in most above their rate elsewhere.

    By the log-odds of a block of the type over those of any other block, half a block added to each count.

    Examples
    --------
    >>> found = main_type(Firing(["code", "speech"], np.array([10, 90]), np.array([[5, 0, 0], [5, 9, 0]])))
    >>> found.member.tolist()
    [0, 1, -1]
    """
    blocks = firing.blocks[:, None]
    active, total = firing.active, firing.active.sum(axis=0)
    others, other_blocks = total - active, blocks.sum() - blocks
    odds = np.log((active + 0.5) / (blocks - active + 0.5)) - np.log((others + 0.5) / (other_blocks - others + 0.5))
    member = np.where(total > 0, odds.argmax(axis=0), -1)
    counts = np.bincount(member[member >= 0], minlength=len(firing.types))
    parts = [
        Part(str(name), "", f"{int(count):,} features fire in this type most above their rate elsewhere")
        for name, count in zip(firing.types, counts, strict=True)
    ]
    return Grouping(
        "Document type",
        "type",
        member,
        parts,
        [
            "The type in which a feature fires most above its rate in all others, by log-odds. "
            "It is not tested for each feature."
        ],
    )
