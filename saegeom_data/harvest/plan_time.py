"""How long a build would compute, from the sizes in its recipe and the rates of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from saegeom_data.engine.rates import rates
from saegeom_data.engine.times import about, duration, seconds_of
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.saes.worker import processors
from saegeom_data.lazy import Work

# Of the products of a row with the weights of an SAE: to encode and to decode it, the gradients of both by weights and
# by what they multiply, and the loss by which dead features learn. Single precision is half of double.
_TRAINED, _ENCODED = 8 / 2, 1 / 2
# Bytes of Adam's moments, gradients and weights that a step reads and writes for each weight.
_STEP_BYTES = 60


def build_seconds(
    recipe: Recipe, tokens: int | None, model_bytes: int | None, hidden: int | None, device: str, unknown: list[str]
) -> dict[str, float] | None:
    """Seconds of each part of a build on all processors, idle; none of a build that only reads.

    None if a size is not known, which ``unknown`` then says. Loading, fetching and writing are not counted.
    """
    if device != "cpu":
        unknown.append(f"time on {device}: rates are measured of processors alone")
        return None
    if tokens == 0 and recipe.reads_text:
        unknown.append("time to read word pairs: how many there are is known when their files are read")
        return None
    if not tokens:
        return None if tokens is None else {}
    if model_bytes is None and recipe.reads_text:
        return None
    widths = list(_weights(recipe, hidden))
    if None in widths:
        unknown.append("time to encode: give width and hidden of every SAE")
        return None
    weights = sum(width for width in widths if width is not None)
    # Each weight, of four bytes, is multiplied once for a token; the rate is that of double precision, half of single.
    work = {"activations": Work(products=tokens * (model_bytes or 0) / 4 / 2)}
    if recipe.training is not None:
        training, n_rows = recipe.training, tokens * recipe.training.epochs
        steps = n_rows / training.batch_size
        # Both matrices of each SAE are read and written at each step; weights of one are those of the decoder.
        adam = Work(passes=2 * _STEP_BYTES * weights * steps)
        work["training"] = Work(products=_TRAINED * n_rows * weights) + adam
    work["encoding"] = Work(products=_ENCODED * n_sides(recipe) * tokens * weights)
    of_kind, n_cores = rates(), processors()
    return {part: seconds_of(done, of_kind) / n_cores for part, done in work.items()}


def n_sides(recipe: Recipe) -> int:
    """SAEs that encode in place of one: itself, and an untrained one if it is asked for."""
    return 2 if recipe.untrained else 1


def _weights(recipe: Recipe, hidden: int | None) -> Iterator[int | None]:
    """Weights of the decoder of each SAE; None where they are not known."""
    for entry in recipe.imported:
        yield entry.width * entry.hidden if entry.width and entry.hidden else None
    if recipe.training is not None:
        for _ in recipe.activations.sites:
            yield recipe.training.width * hidden if hidden else None


def in_words(seconds: Mapping[str, float]) -> str:
    """The same for a person."""
    if not seconds:
        return "that of reading"
    parts = ", ".join(f"{part} {duration(each)}" for part, each in seconds.items())
    return f"{about(sum(seconds.values()))} to compute: {parts}"
