"""Where a build computes: on this machine, or with SAEs on the workers of a cluster too."""

from __future__ import annotations

from saegeom_data.engine.scheduler import Place
from saegeom_data.errors import ParameterError
from saegeom_data.harvest.model.loading import check_device
from saegeom_data.harvest.recipe import Recipe


def refuse_idle_cluster(recipe: Recipe, scheduler: str) -> None:
    """Raise :class:`ParameterError` for a cluster that would get nothing to do."""
    if scheduler != "synchronous" and not _encodes(recipe) and recipe.training is None:
        raise ParameterError(f"scheduler: got {scheduler!r} for a recipe by which no SAE encodes; leave it away")


def _encodes(recipe: Recipe) -> bool:
    """Whether ready SAEs encode a text, or its activations are kept."""
    return recipe.sequences is not None and bool(recipe.imported or recipe.activations.keep)


def check_devices(recipe: Recipe, device: str, place: Place) -> None:
    """Make sure, before anything is fetched, that torch computes on the device wherever the model is read."""
    if _encodes(recipe):
        place.ask(check_device, device)
    if recipe.training is not None or recipe.relations is not None:
        check_device(device)
