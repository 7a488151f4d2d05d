"""Foreign SAE checkpoints: recognised, opened lazily by byte range, and made into stores. One format a file."""

from __future__ import annotations

from saegeom_data.checkpoints.encoder import Encoder
from saegeom_data.checkpoints.import_ import import_checkpoints, open_checkpoints
from saegeom_data.checkpoints.open import open_checkpoint
from saegeom_data.checkpoints.recognise import FORMATS

__all__ = ["FORMATS", "Encoder", "import_checkpoints", "open_checkpoint", "open_checkpoints"]
