"""Which files of a folder are asked for: not states of training, not one thing twice, and of one training its end.

What is passed over is logged in one line each; what cannot be told is asked for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from saegeom_data.checkpoints.weights import TORCH
from saegeom_data.errors import ParameterError, first_names
from saegeom_data.remote.files import SourceFile

_log = logging.getLogger(__name__)

INDEX = ".index.json"
# What trainers save beside the weights, by the names that their libraries give.
_STATES = re.compile(
    r"(?:(?:optimizer|optim|(?:lr_)?scheduler|(?:grad_)?scaler|rng_state|random_states|training_args|"
    r"(?:trainer|training|dataloader|activations_store|rank_\d+)_state|state)(?:_\d+)*)\.\w+"
)
# Read by the format that they belong to.
_COMPANIONS = frozenset({"sparsity.safetensors", "activation_whitening.safetensors"})
# Where the cache of the Hub keeps the files of one commit of a repository.
_SNAPSHOT = re.compile(r"(.*/(?:models|datasets|spaces)--[^/]+)/snapshots/([^/]+)/.*")
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")
_STEP = r"(?:checkpoint|ckpt|(?:global_?)?step|iter|iteration|epoch|tokens)s?[-_=]?\d+"
_PLACES = r"checkpoints?|ckpts?"
_END = r"final(?:[-_]\d+)?"
# Numbers after these words tell SAEs apart, not moments of training.
_LABELS = r"(?:.*[-_.])?(?:layers?|l|h|blocks?|width|l0|k|trainer|seed|sae|W_enc|W_dec)"


def choose(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Choose the weights among the files of a folder.

    Parameters
    ----------
    files
        All that may hold weights, as the folder lists them.

    Raises
    ------
    ParameterError
        If a cache of the Hub holds several snapshots and does not say which is current.
    """
    left = [file for file in files if not _is_hidden(file) and _name(file) not in _COMPANIONS]
    left = _current_snapshots(left)
    weights = [file for file in left if not _STATES.fullmatch(_name(file))]
    # A file of such a name that is all there is may be what is meant.
    left = _without(left, weights, "states of training") if weights else left
    return _without(
        left, _last_of_each(left), "earlier or other states of one training; give the path of one to read it"
    )


def training_key(name: str, places: Collection[str] = ()) -> tuple[str, bool]:
    """Path of a file without what tells moments of one training apart, and whether something does.

    Parameters
    ----------
    name
        Path, in which the first folder is what was asked for.
    places
        Folders whose numbered folders are moments of training, beside those of such a name.

    Examples
    --------
    >>> training_key("run/trainer_0/checkpoints/ae_1000.pt"), training_key("run/trainer_0/ae.pt")
    (('run/trainer_0/ae.pt', True), ('run/trainer_0/ae.pt', False))
    """
    *folders, file = PurePosixPath(name).parts
    kept: list[str] = []
    inside = is_step = False
    for depth, folder in enumerate(folders):
        inside = inside or "/".join(folders[:depth]) in places
        if re.fullmatch(_PLACES, folder):
            inside = True
        # Not the first folder: that is what was asked for, whatever it is called.
        elif depth and (re.fullmatch(rf"{_STEP}|best|last|latest", folder) or (inside and folder.isdigit())):
            is_step = True
        elif not (depth and re.fullmatch(_END, folder)) and folder not in kept[-1:]:
            kept.append(folder)
    stem, dot, ending = file.partition(".") if file.endswith(INDEX) else file.rpartition(".")
    words = re.fullmatch(rf"(.*?)[-_.]?(?:(?P<step>{_STEP}|best|last|latest)|{_END})", stem)
    # Elsewhere a number alone is the name of a layer or of an SAE, as in OpenAI's autoencoders/7.pt.
    number = re.fullmatch(r"(?:(.*)[-_.])?\d+", stem) if inside else None
    if words:
        stem, is_step = words.group(1), is_step or words.group("step") is not None
    elif number and not re.fullmatch(_LABELS, number.group(1) or ""):
        stem, is_step = number.group(1) or "", True
    return "/".join([*kept, f"{stem}{dot}{ending}"]), is_step


def training_keys(files: Sequence[SourceFile]) -> dict[str, tuple[str, bool]]:
    """:func:`training_key` of each of some files by its name.

    Numbered folders are moments of training beside a ``final_1000``, and anywhere under a folder of checkpoints.
    """
    places = set()
    for file in files:
        path = PurePosixPath(file.name)
        places |= {str(folder.parent) for folder in path.parents if re.fullmatch(_END, folder.name)}
        above = PurePosixPath(file.path.removesuffix(file.name)).parts[-2:]
        if any(re.fullmatch(_PLACES, folder) for folder in above):
            places.add(path.parts[0])
    return {file.name: training_key(file.name, places) for file in files}


def _without(files: list[SourceFile], kept: list[SourceFile], why: str) -> list[SourceFile]:
    """The files that are kept, after a line about the others."""
    log_passed_over([file.name for file in files if file not in kept], why)
    return kept


def log_passed_over(names: Iterable[str], why: str) -> None:
    """Say in one line which files are passed over; nothing if none is."""
    names = list(names)
    if names:
        _log.warning("passed over %s: %s", first_names(names, 3), why)


def _name(file: SourceFile) -> str:
    return PurePosixPath(file.name).name


def _is_hidden(file: SourceFile) -> bool:
    """Whether a system or tool put the file there for itself: into a hidden folder, or under a hidden name."""
    return any(part.startswith(".") for part in PurePosixPath(file.name).parts[1:])


def _current_snapshots(files: list[SourceFile]) -> list[SourceFile]:
    """Of each repository in a cache of the Hub the snapshot that its ``refs/main`` names."""
    found: dict[str, list[str]] = {}
    for file in files:
        if file.is_local and (match := _SNAPSHOT.fullmatch(file.path)):
            found.setdefault(match.group(1), []).append(match.group(2))
    current = {repository: _current(repository, sorted(set(commits))) for repository, commits in found.items()}

    def is_current(file: SourceFile) -> bool:
        match = _SNAPSHOT.fullmatch(file.path) if file.is_local else None
        return match is None or current[match.group(1)] == match.group(2)

    return _without(files, list(filter(is_current, files)), "older snapshots; give the path of one to read it")


def _current(repository: str, commits: list[str]) -> str:
    if len(commits) == 1:
        return commits[0]
    reference = Path(repository, "refs", "main")
    named = reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""
    if named not in commits:
        raise ParameterError(
            f"{PurePosixPath(repository).name}: got {len(commits)} snapshots ({', '.join(commits[:3])}) and no"
            " refs/main that names one of them; give the path of one"
        )
    return named


def snapshot_commit(files: Iterable[SourceFile]) -> str | None:
    """Commit of the one snapshot in a cache of the Hub that all files are in, if they are."""
    matches = [_SNAPSHOT.fullmatch(file.path) if file.is_local else None for file in files]
    commits = {match.group(2) if match else None for match in matches}
    return commits.pop() if len(commits) == 1 else None


def torch_twins(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Files of torch that lie beside one of safetensors of the same name, or of the names that go together."""
    forms = {file.name: _form(file) for file in files}
    whole = set(forms.values())

    def has_twin(file: SourceFile) -> bool:
        folder, stem, suffix = forms[file.name]
        return suffix in TORCH and (folder, stem, ".safetensors") in whole

    return list(filter(has_twin, files))


def _form(file: SourceFile) -> tuple[str, str, str]:
    path = PurePosixPath(file.name)
    whole = PurePosixPath(path.name.removesuffix(INDEX))
    shard = _SHARD.fullmatch(whole.stem)
    stem = shard.group(1) if shard else whole.stem
    # transformers calls the same weights pytorch_model in torch's form, and model in that of safetensors.
    return str(path.parent), "model" if stem == "pytorch_model" else stem, whole.suffix.lower()


def _last_of_each(files: list[SourceFile]) -> list[SourceFile]:
    """The files without those of earlier moments of a training whose end is there too."""
    keys = training_keys(files)
    ended = {key for key, is_step in keys.values() if not is_step}
    return [file for file in files if not keys[file.name][1] or keys[file.name][0] not in ended]
