"""Which format a weights file is of: told by its keys, their shapes, and the files beside it."""

from __future__ import annotations

from pathlib import PurePosixPath

from saegeom_data.checkpoints.checkpoint import ORIENTATIONS, Candidate, Checkpoint, Format
from saegeom_data.checkpoints.choose import choose, log_passed_over, torch_twins
from saegeom_data.checkpoints.facts import Fact, fact_for
from saegeom_data.checkpoints.formats import FORMATS
from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.pieces import Bundle, bundles
from saegeom_data.checkpoints.shapes import check_shapes
from saegeom_data.checkpoints.sizes import size_problems
from saegeom_data.checkpoints.weights.tensors import UnreadTensor
from saegeom_data.checkpoints.written_sites import refuse_disagreeing
from saegeom_data.errors import ParameterError, SaegeomError, StoreError, UnknownNameError, first_names
from saegeom_data.remote.files import reason

_MOST_KEYS = 12
_PLAIN = "arrays"


def find_checkpoints(
    source: Source,
    format: str | None = None,
    key: str | None = None,
    *,
    orientation: Fact = None,
    encoder: bool = False,
) -> list[tuple[str, Checkpoint]]:
    """Read every checkpoint of a source, with the name of its format.

    Parameters
    ----------
    source
        Files of one or more checkpoints. Other files beside them, such as states of an optimizer or of earlier moments
        of a training, are passed over, which is logged.
    format
        Name of the format; recognised if not given.
    key
        Name of the decoder in a file of plain arrays.
    orientation
        How the decoder lies in a file of plain arrays, one of :data:`ORIENTATIONS`, or by patterns of files' names.
    encoder
        Whether the encoder is asked for too.

    Raises
    ------
    UnknownNameError
        If there is no such format, or no such key.
    ParameterError
        If a key or orientation is given that would be without effect, or nothing tells how a decoder lies.
    StoreError
        If no file is of the format, a file is of more than one, is damaged, or its shapes disagree.
    """
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    if key is not None and format not in (None, _PLAIN):
        raise ParameterError(f"--key: is for plain arrays, and {format} has keys of its own; leave out one of the two")
    named, format = format is not None, _PLAIN if key is not None else format
    # What is asked for by its own name is read, be it a state of training.
    files = list(source.weights) if source.is_file else choose(source.weights)
    candidates = [
        Candidate(source, bundle.file, bundle.weights, _key(bundle, key), _orientation(bundle, orientation), encoder)
        for bundle in bundles(source, files, encoder)
    ]
    read, others = [], []
    for candidate in candidates:
        fitting = _fitting(candidate, format)
        if fitting is None or (len(candidates) > 1 and fitting.name == _PLAIN and not _is_matrix(candidate)):
            others.append(candidate)
        else:
            read.append((candidate, fitting.name, _read(fitting, candidate)))
    if not read:
        if key is not None and others:
            raise UnknownNameError(f"array in {others[0].file.shown}", key, others[0].keys)
        known = [FORMATS[format]] if format is not None else list(FORMATS.values())
        raise StoreError(
            f"{'; '.join(map(_contents, others[:3])) or source.address + ': no tensors in it'}; known:"
            f" {'; '.join(f'{k.name} ({k.description})' for k in known)}"
        )
    log_passed_over(
        (other.file.name for other in others),
        f"of no known format, or not {format}" if format else "of no known format",
    )
    # Weights are often kept in two forms (model.safetensors, pytorch_model.bin); a named format says which is meant.
    twins = [] if named else torch_twins([candidate.file for candidate, _, _ in read])
    log_passed_over((file.name for file in twins), "the same in safetensors is read")
    read = [found for found in read if found[0].file not in twins]
    for candidate, name, checkpoint in read:
        _check(candidate, name, checkpoint)
    refuse_disagreeing(checkpoint for _, name, checkpoint in read if name != _PLAIN)
    return [(name, checkpoint) for _, name, checkpoint in read]


def _key(bundle: Bundle, key: str | None) -> str | None:
    """Key of the decoder: as it is given or the names of files tell; an array in a file of its own has that name."""
    stem = PurePosixPath(bundle.file.name).stem
    return "decoder" if key == stem and set(bundle.weights.tensors) == {"decoder"} else key or bundle.key


def _orientation(bundle: Bundle, orientation: Fact) -> str | None:
    value = fact_for(bundle.file.name, orientation)
    said = None if value is None else str(value).replace(" ", "").strip("()")
    if said is not None and said not in ORIENTATIONS:
        raise ParameterError(f"--orientation: got {value!r}, expected {' or '.join(ORIENTATIONS)}")
    return said


def _is_matrix(candidate: Candidate) -> bool:
    """Whether plain arrays may be those of an SAE: labels, token ids and the like lie in files beside them."""
    tensor = candidate.weights.tensors[candidate.key or "decoder"]
    return len(tensor.shape) == 2 and not isinstance(tensor, UnreadTensor) and tensor.dtype.kind not in "iub"


def _check(candidate: Candidate, format: str, checkpoint: Checkpoint) -> None:
    """Raise unless a checkpoint is whole and lies as its own shapes, its configuration and the user say."""
    check_shapes(checkpoint)
    problems = list(size_problems(candidate, format, checkpoint))
    if problems:
        raise StoreError(f"{candidate.file.shown}: {'; '.join(problems)}; fetch both again")
    said, decoder = candidate.orientation, checkpoint.parts["decoder"]
    if said is not None and ORIENTATIONS[said] != decoder.transpose:
        own = next(name for name, transpose in ORIENTATIONS.items() if transpose == decoder.transpose)
        raise ParameterError(
            f"{candidate.file.shown}: got --orientation {said}, but {format} keeps {decoder.key} as {own}; leave it out"
        )


def _fitting(candidate: Candidate, wanted: str | None) -> Format | None:
    """The one format that a file is of, among all or only the wanted one; None if it is of none."""
    # Of files with a part each the keys are names of parts, which say nothing of a format.
    wanted = wanted or (_PLAIN if candidate.key is not None else None)
    fitting = [format for format in FORMATS.values() if wanted in (None, format.name) and format.matches(candidate)]
    if len(fitting) > 1:
        names = " and ".join(format.name for format in fitting)
        raise StoreError(
            f"{candidate.file.shown}: fits {names}; name the format, as in saegeom import {fitting[0].name} ..."
        )
    return fitting[0] if fitting else None


def _read(format: Format, candidate: Candidate) -> Checkpoint:
    try:
        return format.read(candidate)
    # These say what is wrong already, and some of them are errors of the kinds below too.
    except SaegeomError:
        raise
    # A configuration is anyone's JSON: a number for a name, text for a number, nothing where a table should be.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{candidate.file.shown}: the configuration beside it is not what {format.name} writes: {reason(error)};"
            " fetch both again"
        ) from error


def _contents(candidate: Candidate) -> str:
    """What a file of no known format holds, for a message."""
    keys = [f"{name[:40]} {tensor.shape}" for name, tensor in sorted(candidate.weights.tensors.items())]
    return f"{candidate.file.shown}: of no known format; holds {first_names(keys, _MOST_KEYS) or 'no tensors'}"
