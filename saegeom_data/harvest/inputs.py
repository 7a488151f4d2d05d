"""State of the files that a build reads on this machine, so that a later run notices when they are others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saegeom_data.data.manifest_of import files_in
from saegeom_data.harvest.model.place import gguf_file, model_path
from saegeom_data.harvest.recipe_model import LanguageModel
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.datasets import local_files
from saegeom_data.harvest.text.files import members
from saegeom_data.harvest.text.generators import generator_state
from saegeom_data.harvest.text.roots import Roots


def source_state(source: Source, roots: Roots) -> list[Any]:
    """Return what of a source may change while the recipe stays the same; a stated sha256 says it all."""
    if source.dataset is not None:
        places = [roots.fill(path) for path in (source.dataset.path, *source.dataset.files)]
        return [places, _states(local_files(source, source.dataset, roots))]
    if source.generator is not None:
        return generator_state(source.generator)
    if source.location is None or source.sha256 is not None:
        return []
    path = roots.resolve(source.location).resolve()
    return _states([path] if source.archive is not None else [path / name for name in members(source, path)])


def model_state(model: LanguageModel, roots: Roots) -> list[Any]:
    """Return the same of a model; of one on the Hub the recipe says all that is known before it is fetched."""
    if model.is_gguf:
        return [gguf_file(model, roots).sha256()]
    return _states(file for _, file in files_in(Path(model_path(model, roots)).resolve()))


def _states(files: Iterable[Path]) -> list[list[Any]]:
    """Path, size and time of change of each file that is there."""
    found = [(file, file.stat()) for file in files if file.exists()]
    return [[str(file), about.st_size, about.st_mtime_ns] for file, about in found]
