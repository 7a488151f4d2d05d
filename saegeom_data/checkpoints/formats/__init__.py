"""Formats of SAE checkpoints: one module each, and the table of all.

Every module reads alike, from top to bottom: its docstring shows the files and says what is refused, ``_matches``
recognises a weights file, ``_read`` reads the configuration and puts a checkpoint together from ``_parts`` (the
tensors), ``_encoding`` (how codes follow from activations) and ``_site`` (where the SAE reads and writes), and
``FORMAT`` gives it a name. A new format is such a module and one line in the table.
"""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Format
from saegeom_data.checkpoints.formats import (
    arrays,
    circuit_tracer,
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    openai,
    qwen_scope,
    saelens,
    sparsify,
)

__all__ = ["FORMATS"]

# In the order in which messages list them.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        gemma_scope,
        gemma_scope_2,
        saelens,
        dictionary_learning,
        sparsify,
        qwen_scope,
        llama_scope,
        openai,
        goodfire,
        circuit_tracer,
        arrays,
    )
}
