"""What lobes do: on which types of document their features are on, in documents that did not serve to find them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._statistics.spectral import lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.document_halves import HALVINGS, document_halves
from saegeom_data.metrics.brain._shared.document_types import document_types as known_types
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, find_lobes
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, packed_lengths
from saegeom_data.metrics.brain.lobe_function._association import function_work
from saegeom_data.metrics.brain.lobe_function._block_lengths import by_length, check_lengths
from saegeom_data.metrics.brain.lobe_function._compared import OF_TEXT, OF_UNTRAINED, TOLD
from saegeom_data.metrics.brain.lobe_function._features_on import on_bytes, on_work
from saegeom_data.metrics.brain.lobe_function._function import measured, shuffled_lobes
from saegeom_data.metrics.brain.lobe_function._gains import compared, nothing_compared, told
from saegeom_data.metrics.brain.lobe_function._outputs import BY_NAME, NULLS, OF_FUNCTION, OUTPUTS
from saegeom_data.metrics.brain.lobe_function._ways import Blocks, ways_of_features, ways_of_pieces
from saegeom_data.metrics.brain.lobe_function._word_pieces import text_halves
from saegeom_data.metrics.brain.lobe_function.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_sae

if TYPE_CHECKING:
    import xarray as xr


_UNCHANGED = tuple(BY_NAME)
_COUNTS = ("n_blocks_measured", "n_blocks_text", "n_blocks_untrained", "n_blocks_by_length")


@metric(
    version=5,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document, schema.block_document_type),
    optional=(
        schema.block_token_id,
        schema.untrained_occurrence,
        *schema.SHORT_BLOCKS,
        schema.short_untrained_occurrence,
    ),
    outputs=OUTPUTS,
    invariances={"rotation": _UNCHANGED, "scale": _UNCHANGED, "permutation": _COUNTS},
    pattern="whole",
    reference="Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.lobe_function.presentation:PRESENTATION",
    quick={"n_permutations": 50, "n_shuffles": 3, "n_halvings": 1, "n_seeds": 3},
    nulls=NULLS,
    anchors=(
        Anchor(
            "each lobe planted on one type",
            partial(simulate_sae, n_features=80, n_blocks=240, n_lobes=2, function_strength=1.0),
            {"cramers_v": (1.0, 1e-9)},
            {"n_lobes": (2,), "n_permutations": 20, "n_shuffles": 2},
        ),
    ),
    guidance=GUIDANCE,
)
def lobe_function(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] = (2, 3),
    phi_shift: PhiShift = "shift",
    document_types: tuple[str, ...] | None = None,
    n_permutations: Annotated[int, Field(ge=1)] = 1000,
    n_shuffles: Annotated[int, Field(ge=0)] = 19,
    block_lengths: Annotated[tuple[int, ...], Field(min_length=1)] = (64, 128, 256, 512, 1024),
    n_halvings: Annotated[int, Field(ge=1, le=len(HALVINGS))] = 3,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Measure which types of document each lobe is on in, on documents that did not serve to find the lobes.

    Lobes are found on one half of the documents of each type; their function is measured on the other half. With c of
    the m features of lobe l on in a block, and p_l the share on over all blocks, enrichment is e = ln((c + 1/2) / (m -
    c + 1/2)) - ln(p_l / (1 - p_l)), and the lobe of largest e wins the block. The published winner is the lobe of
    largest c / m, which favours lobes of frequent features. Cramer's V of the table of blocks by winning lobe and type
    is sqrt(chi2 / (blocks (min(rows, columns) - 1))) over its rows and columns that are not empty.

    Texts of different types differ in their words, so that any description of them tells types apart. Where the text of
    blocks is known, as many word pieces as there are features stand in their place: ``cramers_v_gain`` is V of the
    SAE's lobes less that of lobes of word pieces on the same blocks, and ``cramers_v_gain_untrained`` less that of
    lobes of an untrained SAE, where a store has one. Which lobes are found depends on the documents too, so that either
    half finds lobes for the other, in ``n_halvings`` ways: values are means, and what differs counts as error.

    The longer blocks are, the more features are on in nearly all of them, which tell nothing. Where a store has codes
    and tokens, lobes are found and measured anew for blocks of each of ``block_lengths`` tokens, those of word pieces
    beside them, and those of the untrained SAE where it has codes too.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features); ``document``, ``document_type`` (blocks); and, where it is known,
        ``block_token_id`` (blocks, places), -1 for none; ``untrained_occurrence`` (blocks, untrained_features); and
        occurrence, document, type, place and tokens of short blocks, with an untrained SAE's occurrence in them.
        :func:`saegeom_data.select_sae` gives all these.
    kind, phi_shift
        Affinity; see :func:`affinity` and :func:`lobes`.
    n_lobes
        Numbers of lobes.
    document_types
        Names of all types. By default the attribute ``document_types``, or else the types that are held in memory.
    n_permutations, n_shuffles
        Draws of ``label_permutation``, at each block length too, and of ``frequency_stratified``; 0 shuffles are none.
    block_lengths
        Tokens of a block, special ones not counted: multiples of 64. Each costs :func:`lobes` of features and of word
        pieces, and once more with codes of an untrained SAE, both ways of each halving.
    n_halvings
        Halvings of the documents that V is cross-fitted in, 1 to 3: of four quarters each two make a half in one of
        them. Each costs :func:`lobes` twice for each side and block length. Of fewer intervals may be too short.
    n_seeds
        Starts of each k-means.
    seed
        Seed of starts, permutations, shuffles and jackknife groups.

    Returns
    -------
    xarray.Dataset
        ``winner_share`` and ``enrichment`` with intervals, ``winner_share_published`` (n_lobes, lobes, document_type),
        NaN for lobes beyond the count and types without blocks; ``cramers_v`` (n_lobes) with interval, and along
        ``null`` its mean, standard deviation and p; ``cramers_v_cross_fitted`` (n_lobes); ``cramers_v_text``,
        ``cramers_v_word_pieces``, ``cramers_v_gain`` with interval and p (n_lobes), NaN without text;
        ``cramers_v_untrained``, ``cramers_v_gain_untrained`` likewise, NaN without an untrained SAE;
        ``cramers_v_by_length`` with interval and ``null_mean``, and ``word_pieces``, ``gain``, ``untrained`` and
        ``gain_untrained`` of it (block_length, n_lobes), ``median_share_on`` (block_length), NaN without codes and for
        lengths of no sequence; ``lobe`` (n_lobes, features); ``n_blocks_measured`` (document_type), ``n_blocks_text``,
        ``n_blocks_untrained``, ``n_blocks_by_length`` (block_length).

    Raises
    ------
    ParameterError
        If there are fewer than two types, the types are unknown and lazy, a number of lobes does not fit, or a block
        length is no multiple of 64.
    DataValueError
        If there is one document only, a document has two types, a type is not among ``document_types``, or too few
        features fire in some but not all blocks; raised when computed.

    Notes
    -----
    Nulls: ``label_permutation``, types permuted among documents; ``frequency_stratified``, lobes permuted among
    features of like firing rate; ``word_pieces``, what the text tells without a model or an SAE; ``untrained_sae``,
    what random directions tell. What each keeps is on its page of the guide: ``saegeom guide lobe_function``.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.9)
    >>> result = lobe_function(sae, n_lobes=(2,), n_permutations=99)
    >>> result.winner_share.sel(document_type="type 0").max().item()
    1.0
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"])
    types = known_types(sae, document_types)
    check_lengths(block_lengths)
    if len(types) < 2:
        raise ParameterError(f"document_types: got {types}, expected at least 2 different types to tell lobes apart by")
    # Most of what lobes are found on here no other metric looks at.
    find = partial(
        find_lobes, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed, is_shared=False
    )
    blocks = Blocks(
        tuple(document_halves(sae, halving) for halving in range(n_halvings)),
        sae.document,
        sae.document_type,
        types,
        find,
        counts,
        least_blocks(*sae.occurrence.shape),
        seed,
    )
    held = _held(sae.occurrence, blocks)
    ways = ways_of_features(blocks, held, packed_lengths(sae.occurrence))
    function = _function(sae, blocks, held[0], ways[0], n_permutations, n_shuffles)
    of_all = told(ways, TOLD)
    untrained = nothing_compared(OF_UNTRAINED, sae.document, len(counts))
    if schema.untrained_occurrence.name in sae.variables:
        other = sae[schema.untrained_occurrence.name]
        untrained = compared(OF_UNTRAINED, ways, ways_of_features(blocks, _held(other, blocks), packed_lengths(other)))
    lengths = by_length(sae, blocks, block_lengths=block_lengths, n_permutations=n_permutations)
    for part in (of_all, _beside_text(sae, blocks), untrained, lengths):
        function = function.assign(part.variables)
    return function.assign_coords(
        n_lobes=list(counts),
        block_length=list(block_lengths),
        null=np.array([null.label for null in NULLS if null.draws], dtype=object),
        document_type=np.array(types, dtype=object),
    )


def _function(
    sae: xr.Dataset, blocks: Blocks, held: xr.Dataset, found: xr.Dataset, n_permutations: int, n_shuffles: int
) -> xr.Dataset:
    """Shares, enrichment and V of lobes ``found`` on the first half, with the nulls that are drawn; and ``lobe``."""
    counts, n, n_types = blocks.n_lobes, sae.sizes["features"], len(blocks.types)
    n_columns = sum(counts) * (1 + n_shuffles)
    divided = lazy.whole(
        partial(shuffled_lobes, n_lobes=max(counts), n_draws=n_shuffles, seed=blocks.seed),
        lobe=found.lobe,
        n_active=held.n_blocks_active,
        is_masked=found.is_masked,
        outputs={"lobe": lazy.Result(("divisions", "features"), (len(counts) * (1 + n_shuffles), n), "int64")},
        memory=lazy.Memory(finish=16 * len(counts) * (1 + n_shuffles) * n),
        work=len(counts) * n_shuffles * lazy.Work(steps=800 * n, calls=600),
    )
    sizes = {"n_lobes": len(counts), "lobes": max(counts), "document_type": n_types, "null": 2}
    function = lazy.whole(
        partial(
            measured,
            n_lobes=counts,
            types=blocks.types,
            lengths=packed_lengths(sae.occurrence),
            n_permutations=n_permutations,
            seed=blocks.seed,
        ),
        bits=held.bits,
        first_word=held.first_word,
        document=sae.document,
        document_type=sae.document_type,
        half=blocks.halves[0],
        lobe=divided.lobe,
        outputs={name: BY_NAME[name].result(sizes) for name in OF_FUNCTION},
        memory=lazy.Memory(finish=on_bytes(blocks.size, n_columns)),
        work=on_work(n, blocks.size, n_columns)
        + lazy.total(function_work(blocks.size, count, n_types, n_permutations, 1 + n_shuffles) for count in counts),
    )
    return function.assign(lobe=found.lobe.variable)


def _beside_text(sae: xr.Dataset, blocks: Blocks) -> xr.Dataset:
    """Lobes of the SAE beside those of word pieces, on blocks whose text is known; NaN where none is."""
    if schema.block_token_id.name not in sae.variables:
        return nothing_compared(OF_TEXT, sae.document, len(blocks.n_lobes))
    token_id = sae[schema.block_token_id.name]
    known = replace(blocks, halves=tuple(text_halves(half, token_id) for half in blocks.halves))
    side = ways_of_features(known, _held(sae.occurrence, known), packed_lengths(sae.occurrence))
    return compared(OF_TEXT, side, ways_of_pieces(known, token_id, sae.sizes["features"]))


def _held(occurrence: xr.DataArray, blocks: Blocks) -> list[xr.Dataset]:
    """Occurrence packed by each halving of the blocks."""
    return [packed(occurrence, half, 2) for half in blocks.halves]
