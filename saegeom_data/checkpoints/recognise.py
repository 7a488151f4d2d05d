"""Which format a weights file is of: told by its keys, their shapes, and the files beside it."""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.checkpoints.checkpoint import Checkpoint, Format, Found, check_shapes
from saegeom_data.checkpoints.formats import (
    arrays,
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
from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.weights import open_weights
from saegeom_data.errors import SaegeomError, StoreError, UnknownNameError
from saegeom_data.remote.files import reason

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        gemma_scope.FORMAT,
        gemma_scope_2.FORMAT,
        saelens.FORMAT,
        dictionary_learning.FORMAT,
        sparsify.FORMAT,
        qwen_scope.FORMAT,
        llama_scope.FORMAT,
        openai.FORMAT,
        goodfire.FORMAT,
        arrays.FORMAT,
    )
}
_MOST_KEYS = 12


def find_checkpoints(source: Source, format: str | None = None, key: str | None = None) -> list[tuple[str, Checkpoint]]:
    """Read every checkpoint of a source, with the name of its format.

    Parameters
    ----------
    source
        Files of one or more checkpoints. Other weights beside them, such as states of an optimizer, are passed over.
    format
        Name of the format; recognised if not given.
    key
        Name of the decoder in a file of plain arrays.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    StoreError
        If no file is of the format, a file is of more than one, is damaged, or its shapes disagree.
    """
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    if key is not None:
        format = "arrays"
    read, others = [], []
    for file in source.weights:
        found = Found(source, file, open_weights(file), key)
        fitting = [one for one in FORMATS.values() if format in (None, one.name) and one.matches(found)]
        if len(fitting) > 1:
            names = " and ".join(one.name for one in fitting)
            raise StoreError(f"{file.name}: fits {names}; name the format, as in saegeom import {fitting[0].name} ...")
        if fitting:
            read.append((fitting[0].name, _read(fitting[0], found)))
        else:
            others.append(found)
    if not read:
        known = [FORMATS[format]] if format is not None else list(FORMATS.values())
        raise StoreError(
            f"{'; '.join(_described(others[:3]))}; known: {'; '.join(f'{k.name} ({k.description})' for k in known)}"
        )
    for _, checkpoint in read:
        check_shapes(checkpoint)
    return read


def _read(format: Format, found: Found) -> Checkpoint:
    try:
        return format.read(found)
    except SaegeomError:
        raise
    # A configuration is anyone's JSON: a number for a name, text for a number, nothing where a table should be.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{found.file.name}: the configuration beside it is not what {format.name} writes: {reason(error)};"
            " fetch both again"
        ) from error


def _described(found: list[Found]) -> Iterator[str]:
    for one in found:
        keys = [f"{name[:40]} {tensor.shape}" for name, tensor in sorted(one.weights.tensors.items())]
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        yield f"{one.file.name}: of no known format; holds {', '.join(keys[:_MOST_KEYS]) or 'no tensors'}{more}"
