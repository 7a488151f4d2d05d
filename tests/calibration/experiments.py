"""All experiments by name, and the null models without one."""

from __future__ import annotations

import experiments_atom
import experiments_brain
import experiments_galaxy
from experiment import Experiment

_SCALES = (experiments_galaxy, experiments_brain, experiments_atom)

EXPERIMENTS: dict[str, Experiment] = {one.key: one for scale in _SCALES for one in scale.EXPERIMENTS}
# Why a null model, by metric and label, has no experiment of size.
WITHOUT: dict[tuple[str, str], str] = {key: why for scale in _SCALES for key, why in scale.WITHOUT.items()}
