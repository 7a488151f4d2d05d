"""Lobes that an SAE's are compared with: those of word pieces of the same text, and of an SAE that was not trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.metrics.brain._shared.packed_occurrence import packed
from saegeom_data.metrics.brain.lobe_function._association import function_work
from saegeom_data.metrics.brain.lobe_function._compared import OF_TEXT, OF_UNTRAINED, Compared
from saegeom_data.metrics.brain.lobe_function._features_on import features_on
from saegeom_data.metrics.brain.lobe_function._function import absent, compared
from saegeom_data.metrics.brain.lobe_function._outputs import BY_NAME
from saegeom_data.metrics.brain.lobe_function._word_pieces import pieces_on, text_halves, word_pieces

if TYPE_CHECKING:
    import xarray as xr


def beside_text(
    sae: xr.Dataset,
    half: xr.DataArray,
    find: Callable[..., xr.Dataset],
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    min_blocks: int,
    seed: int,
) -> xr.Dataset:
    """Lobes of the SAE beside those of word pieces, on blocks whose text is known; NaN where none is."""
    if schema.block_token_id.name not in sae.variables:
        return _absent(half, OF_TEXT, len(n_lobes))
    token_id, n = sae[schema.block_token_id.name], sae.sizes["features"]
    known = text_halves(half, token_id)
    lobe = find(packed(sae.occurrence, known, 2), min_blocks=min_blocks).lobe
    pieces = word_pieces(token_id, known, n, min_blocks)
    # Of words, fewer are in so many blocks.
    pieces = pieces.assign(lobe=find(pieces, min_blocks=min_blocks, n_likely=n // 2).lobe)
    on = features_on(sae.occurrence, known, lobe, sum(n_lobes))
    on_pieces = pieces_on(token_id, known, pieces, sum(n_lobes))
    return _compared(sae, OF_TEXT, on, on_pieces, known, lobe, pieces.lobe, n_lobes, types, seed)


def beside_untrained(
    sae: xr.Dataset,
    half: xr.DataArray,
    on: xr.DataArray,
    lobe: xr.DataArray,
    find: Callable[..., xr.Dataset],
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    min_blocks: int,
    seed: int,
) -> xr.Dataset:
    """Lobes of the SAE, and features on in them, beside those of an untrained SAE; NaN where there is none."""
    if schema.untrained_occurrence.name not in sae.variables:
        return _absent(half, OF_UNTRAINED, len(n_lobes))
    occurrence = sae[schema.untrained_occurrence.name]
    untrained = find(packed(occurrence, half, 2), min_blocks=min_blocks).lobe
    on_untrained = features_on(occurrence, half, untrained, sum(n_lobes))
    return _compared(sae, OF_UNTRAINED, on, on_untrained, half, lobe, untrained, n_lobes, types, seed)


def _results(names: Compared, n_counts: int) -> dict[str, lazy.Result]:
    declared = (*names.outputs.values(), names.n_blocks)
    return {name: BY_NAME[name].result({"n_lobes": n_counts}) for name in declared}


def _absent(half: xr.DataArray, names: Compared, n_counts: int) -> xr.Dataset:
    compute = partial(absent, names=names, n_counts=n_counts)
    return lazy.whole(compute, half, outputs=_results(names, n_counts), memory=lazy.Memory(), work=lazy.Work(calls=20))


def _compared(
    sae: xr.Dataset,
    names: Compared,
    on: xr.DataArray,
    on_other: xr.DataArray,
    half: xr.DataArray,
    lobe: xr.DataArray,
    lobe_other: xr.DataArray,
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    seed: int,
) -> xr.Dataset:
    return lazy.whole(
        partial(compared, names=names, types=types, seed=seed),
        on=on,
        on_other=on_other,
        document=sae.document,
        document_type=sae.document_type,
        half=half,
        lobe=lobe,
        lobe_other=lobe_other,
        outputs=_results(names, len(n_lobes)),
        memory=lazy.Memory(finish=80 * sae.sizes["blocks"] * sum(n_lobes)),
        work=lazy.total(function_work(sae.sizes["blocks"], count, len(types), 0, 2) for count in n_lobes),
    )
