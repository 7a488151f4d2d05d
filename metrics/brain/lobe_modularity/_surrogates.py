"""The nulls that redraw one side: occurrence with the data's margins, or places with the decoder's covariance."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.agreement import adjusted_mutual_information, contingency
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.neighbours import edges_of, nearest_rows
from saegeom_data.metrics._statistics.spectral import cluster, embed
from saegeom_data.metrics.brain._shared.affinities import affinity_matrix
from saegeom_data.metrics.brain._shared.find_lobes import embed_bits
from saegeom_data.metrics.brain._shared.partition_measures import partition_measures
from saegeom_data.metrics.brain.lobe_modularity._mantel import mantel_correlations
from saegeom_data.metrics.brain.lobe_modularity._outputs import BY_LOBES, MANTEL, PARTITION_MEASURES
from saegeom_data.metrics.brain.lobe_modularity._partitions import compared, within
from saegeom_data.metrics.brain.lobe_modularity._position_accuracy import position_accuracy, positions
from saegeom_data.metrics.brain.lobe_modularity._settings import Settings
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import angular_similarity
from saegeom_data.metrics.brain.lobe_modularity._within_type import embed_within
from saegeom_data.metrics.nulls import fixed_margins, places_redrawn
from saegeom_data.metrics.nulls.fixed_margins import traded_live
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

REDRAWN = (fixed_margins.LABEL, places_redrawn.LABEL)


def common_margins(bits: Array, is_masked: Array, *, seed: int) -> lazy.Arrays:
    """Occurrence (features, words) that the data and all draws are as many trades away from."""
    # Were draws to begin at the data itself, they would be nearer to it than to each other, and p would not be exact.
    return {"bits": traded_live(bits, is_masked, stream("fixed_margins_common", seed))}


def common_margins_by_type(bits: Array, first_word: Array, is_masked: Array, *, seed: int) -> lazy.Arrays:
    """The same with trades among the blocks of each document type."""
    return {"bits": _traded_by_type(bits, first_word, is_masked, stream("margins_by_type_common", seed))}


def _traded_by_type(bits: Array, first_word: Array, is_masked: Array, rng: np.random.Generator) -> Array:
    """Occurrence (features, words) after trades among the words of each type."""
    found = np.zeros_like(bits)
    # Words of a type hold blocks of that type alone, so trades inside them keep the margins of each type.
    for first, last in pairwise(first_word):
        found[:, first:last] = traded_live(bits[:, first:last], is_masked, rng)
    return found


def margins_by_type_draw(
    common: Array,
    first_word: Array,
    n_blocks: Array,
    is_masked: Array,
    nearest: Array,
    spatial: Array,
    *,
    draw: int,
    settings: Settings,
) -> lazy.Arrays:
    """AMI (n_lobes) of lobes within types, of one occurrence redrawn within each type, and the places of the data."""
    bits = _traded_by_type(common, first_word, is_masked, stream("margins_by_type", settings.seed, draw))
    found = embed_within(
        bits,
        first_word,
        n_blocks,
        phi_shift=settings.phi_shift,
        min_blocks=settings.min_blocks,
        n_components=settings.n_components(len(bits)),
    )
    lobe = _clustered(found["embedding"], found["eigenvalue"], settings)
    return {"ami": _agreements(np.where(nearest[:, 0] >= 0, lobe, -1), spatial)}


def margins_draw(
    common: Array,
    is_masked: Array,
    n_blocks: Array,
    decoder: Array,
    nearest: Array,
    spatial: Array,
    cosine: Array,
    chosen: Array,
    *,
    draw: int,
    settings: Settings,
) -> lazy.Arrays:
    """Measures (n_lobes, measure) of lobes found in one redrawn occurrence, against the places of the data."""
    total = int(n_blocks.sum())
    bits = traded_live(common, is_masked, stream(fixed_margins.LABEL, settings.seed, draw))
    found = embed_bits(
        bits,
        np.array([0, bits.shape[1]]),
        np.array([total]),
        which=None,
        kind=settings.kind,
        n_components=settings.n_components(len(bits)),
        min_blocks=settings.min_blocks,
        shift=settings.shift,
    )
    lobe = _clustered(found["embedding"], found["eigenvalue"], settings)
    picked = chosen[chosen >= 0]
    measures = _measures(positions(decoder), lobe, spatial, nearest, settings)
    # It follows the lobes' sizes, which are others in each draw.
    measures[:, PARTITION_MEASURES.index("neighbour_agreement")] = np.nan
    pairs = affinity_matrix(np.ascontiguousarray(bits[picked]), total, kind=settings.kind)
    # Trades keep rates: these are those of the data, taken from the bits that are at hand.
    rate = n_active(bits[picked]).astype(float)
    return {"measures": measures, "mantel": mantel_correlations(pairs, cosine[: len(picked), : len(picked)], rate)}


def places_draw(
    spectrum: Array,
    mean: Array,
    nearest: Array,
    lobe: Array,
    typed: Array,
    affinity: Array,
    rate: Array,
    chosen: Array,
    *,
    draw: int,
    settings: Settings,
) -> lazy.Arrays:
    """Measures (n_lobes, measure) of the lobes of the data against the places of one cloud; NaN if there is none."""
    live = compared(nearest)
    rng = stream(places_redrawn.LABEL, settings.seed, draw)
    rows = places_redrawn.redrawn_places(len(live), spectrum, mean, rng)
    # A cloud with too few rows to have a spectrum says nothing: NaN, which no summary counts as a draw.
    if rows is None:
        return {"measures": np.full((len(settings.n_lobes), len(BY_LOBES)), np.nan), "mantel": np.full(2, np.nan)}
    value, vector = embed(angular_similarity(rows), settings.n_components(len(nearest)))
    spatial = _clustered(vector, value, settings)
    measures = _measures(positions(rows), lobe[:, live], spatial, nearest_rows(rows, settings.n_neighbours), settings)
    measures[:, BY_LOBES.index("ami_within_type")] = _agreements(typed[:, live], spatial)
    n = np.count_nonzero(chosen >= 0)
    # Rows of the cloud are alike, so that any may stand for the features of which pairs are measured.
    mantel = mantel_correlations(affinity[:n, :n], rows[:n] @ rows[:n].T, rate[:n])
    # Rows in any order are no null of what rates leave, as permutations among all features are none.
    mantel[MANTEL.index("mantel_partial")] = np.nan
    return {"measures": measures, "mantel": mantel}


def _clustered(embedding: Array, eigenvalue: Array, settings: Settings) -> Array:
    """Clusters (n_lobes, members), with the starts of the data, so that a draw differs in what was redrawn alone."""
    return cluster(embedding, eigenvalue, settings.n_lobes, settings.n_seeds, settings.seed)[0]


def _measures(position: Array, lobe: Array, spatial: Array, nearest: Array, settings: Settings) -> Array:
    """All measures (n_lobes, measure) of labels (n_lobes, members); NaN for those within types, and without lobes."""
    measures = np.full((len(lobe), len(BY_LOBES)), np.nan)
    for row, (labels, clusters) in enumerate(zip(lobe, spatial, strict=True)):
        keep = compared(nearest, labels, clusters)
        if len(keep) < settings.n_folds:
            continue
        measures[row, :3] = partition_measures(labels[keep], clusters[keep], edges_of(within(nearest, keep)))
        measures[row, -1] = position_accuracy(
            position[keep], labels[keep], n_folds=settings.n_folds, seed=settings.seed
        )
    return measures


def _agreements(lobe: Array, spatial: Array) -> Array:
    """Adjusted mutual information (n_lobes) of labels (n_lobes, members), of members that have both."""
    # One shape for all tables, although some divisions have fewer labels: empty rows change no information.
    shape = (int(lobe.max()) + 1, int(spatial.max()) + 1)
    keeps = (lobe >= 0) & (spatial >= 0)
    tables = [contingency(a[keep], b[keep], shape) for a, b, keep in zip(lobe, spatial, keeps, strict=True)]
    return np.array([adjusted_mutual_information(table) for table in tables])
