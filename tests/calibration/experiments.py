"""All experiments by name, and the null models without one."""

from __future__ import annotations

from collections.abc import Iterator

import decoders
import experiments_atom
import experiments_brain
import experiments_galaxy
import firing
import relations
from experiment import Experiment

SCALES = (experiments_galaxy, experiments_brain, experiments_atom)


def _needed() -> Iterator[Experiment]:
    """All experiments but adversarial ones on data that a size experiment has under the same name."""
    every = [one for scale in SCALES for one in scale.EXPERIMENTS]
    sizes = {(one.declared.name, one.data) for one in every if one.kind == "size"}
    return (one for one in every if one.kind != "adversarial" or (one.declared.name, one.data) not in sizes)


EXPERIMENTS: dict[str, Experiment] = {one.key: one for one in _needed()}
# Why a null model, by metric and label, has no experiment of size.
WITHOUT: dict[tuple[str, str], str] = {key: why for scale in SCALES for key, why in scale.WITHOUT.items()}
# Data that may mislead a metric, by what the metric reads: rows of the tables.
ODD: dict[str, list[str]] = {
    "Decoder rows": list(decoders.ODD),
    "Firing of features": list(firing.ODD),
    "Word pairs": list(relations.ODD),
}
