"""SAEs that others trained: recognised, opened lazily by byte range, and written into a store.

From an address to a store, in this order: :mod:`.locate` finds the weights files, :mod:`.weights` reads their
directories, :mod:`.recognise` tells their format, a module of :mod:`.formats` reads it into a :mod:`.checkpoint`,
:mod:`.open` makes a lazy group of that, :mod:`.names` names several of them, and :mod:`.import_` writes them.
:mod:`.encoder` then computes codes from any of them.
"""

from __future__ import annotations

from saegeom_data.checkpoints.encoder import Encoder
from saegeom_data.checkpoints.formats import FORMATS
from saegeom_data.checkpoints.import_ import import_checkpoints, open_checkpoints
from saegeom_data.checkpoints.open import open_checkpoint

__all__ = ["FORMATS", "Encoder", "import_checkpoints", "open_checkpoint", "open_checkpoints"]
