"""Which format a weights file is of: told by its keys, their shapes, and the files beside it."""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Format, check_shapes
from saegeom_data.checkpoints.formats import FORMATS
from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.weights import open_weights
from saegeom_data.errors import SaegeomError, StoreError, UnknownNameError
from saegeom_data.remote.files import reason

_MOST_KEYS = 12


def find_checkpoints(source: Source, format: str | None = None, key: str | None = None) -> list[tuple[str, Checkpoint]]:
    """Read every checkpoint of a source, with the name of its format.

    Parameters
    ----------
    source
        Files of one or more checkpoints. Other weights beside them, such as states of an optimizer, are skipped.
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
        candidate = Candidate(source, file, open_weights(file), key)
        fitting = _fitting(candidate, format)
        if fitting is None:
            others.append(candidate)
        else:
            read.append((fitting.name, _read(fitting, candidate)))
    if not read:
        known = [FORMATS[format]] if format is not None else list(FORMATS.values())
        raise StoreError(
            f"{'; '.join(map(_contents, others[:3]))}; known: {'; '.join(f'{k.name} ({k.description})' for k in known)}"
        )
    for _, checkpoint in read:
        check_shapes(checkpoint)
    return read


def _fitting(candidate: Candidate, wanted: str | None) -> Format | None:
    """The one format that a file is of, among all or only the wanted one; None if it is of none."""
    fitting = [format for format in FORMATS.values() if wanted in (None, format.name) and format.matches(candidate)]
    if len(fitting) > 1:
        names = " and ".join(format.name for format in fitting)
        raise StoreError(
            f"{candidate.file.name}: fits {names}; name the format, as in saegeom import {fitting[0].name} ..."
        )
    return fitting[0] if fitting else None


def _read(format: Format, candidate: Candidate) -> Checkpoint:
    try:
        return format.read(candidate)
    except SaegeomError:
        raise
    # A configuration is anyone's JSON: a number for a name, text for a number, nothing where a table should be.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{candidate.file.name}: the configuration beside it is not what {format.name} writes: {reason(error)};"
            " fetch both again"
        ) from error


def _contents(candidate: Candidate) -> str:
    """What a file of no known format holds, for a message."""
    keys = [f"{name[:40]} {tensor.shape}" for name, tensor in sorted(candidate.weights.tensors.items())]
    more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
    return f"{candidate.file.name}: of no known format; holds {', '.join(keys[:_MOST_KEYS]) or 'no tensors'}{more}"
