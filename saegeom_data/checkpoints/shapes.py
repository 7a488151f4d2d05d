"""Shapes of the tensors of a checkpoint, and which way round they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from saegeom_data.checkpoints.checkpoint import Checkpoint, Part
from saegeom_data.errors import StoreError


def shape_problems(checkpoint: Checkpoint) -> Iterator[str]:
    """Say in which ways the shapes of the parts disagree with the decoder's."""
    features, hidden = oriented(checkpoint.parts["decoder"])
    for name, part in checkpoint.parts.items():
        if name in ("decoder", "encoder"):
            got = oriented(part)
            if len(got) != 2 or got[0] != features or not all(got):
                yield f"{_key(part, name)}{name} has shape {got}, expected ({features}, {hidden}) with features first"
        # A single number stands for all features, and fits any decoder.
        elif part.tensor is not None and part.tensor.shape:
            expected: tuple[int, ...] = (hidden if name == "decoder_bias" else features,)
            if part.site_axis is not None:
                expected = (checkpoint.parts["decoder"].n_sites, *expected)
            if part.tensor.shape != expected:
                yield (
                    f"{_key(part, name)}{name} has shape {part.tensor.shape}, expected {expected} by the decoder,"
                    f" {features} x {hidden}"
                )


def oriented(part: Part) -> tuple[int, ...]:
    """Shape of a part at one site, with features first, (features, hidden) for a matrix; empty for one number."""
    shape = part.tensor.shape if part.tensor is not None else ()
    if part.site_axis is not None:
        shape = shape[: part.site_axis] + shape[part.site_axis + 1 :]
    return shape[::-1] if part.transpose else shape


def check_shapes(checkpoint: Checkpoint) -> None:
    """Raise :class:`StoreError` unless the decoder is a matrix of numbers and the other parts fit it."""
    decoder = checkpoint.parts["decoder"]
    refuse_integers(checkpoint, "decoder")
    where = f"{checkpoint.file.shown}: {_key(decoder, 'decoder')}"
    if decoder.tensor is None or len(oriented(decoder)) != 2 or not all(decoder.tensor.shape):
        shape = decoder.tensor.shape if decoder.tensor is not None else ()
        raise StoreError(f"{where}decoder has shape {shape}, expected a matrix")
    problems = list(shape_problems(checkpoint))
    if problems:
        other = (
            "its decoder lies the other way round" if _fits_turned(checkpoint) else "half-written, or of another format"
        )
        raise StoreError(f"{checkpoint.file.shown}: {'; '.join(problems)}; {other}")


def _fits_turned(checkpoint: Checkpoint) -> bool:
    """Whether all parts fit a decoder that lies the other way round, alone or with its encoder."""
    turned = {
        name: replace(part, transpose=not part.transpose)
        for name, part in checkpoint.parts.items()
        if name in ("decoder", "encoder")
    }
    alone = {"decoder": turned["decoder"]}
    return any(
        not list(shape_problems(replace(checkpoint, parts={**checkpoint.parts, **way}))) for way in (alone, turned)
    )


def refuse_integers(checkpoint: Checkpoint, name: str) -> None:
    """Raise :class:`StoreError` where a part is no array of floating-point numbers, or of a kind that is not read."""
    part = checkpoint.parts[name]
    if part.tensor is not None and part.tensor.dtype.kind in "iub":
        raise StoreError(
            f"{checkpoint.file.shown}: {_key(part, name)}{name} is of {part.tensor.dtype}, expected floating-point"
            " numbers; save it as such"
        )


def _key(part: Part, name: str) -> str:
    """The name of a tensor in its file, for a message, where that is another than the part's."""
    return f"{part.key}: " if part.key not in ("", name) else ""
