"""The nulls that redraw one side: occurrence with the data's margins, or places with the decoder's covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.neighbours import edges_of, nearest_rows
from saegeom_data.metrics._statistics.spectral import cluster, embed, n_components
from saegeom_data.metrics.brain._shared.affinities import Kind, affinity_matrix
from saegeom_data.metrics.brain._shared.find_lobes import SIGNED, PhiShift, embed_bits
from saegeom_data.metrics.brain._shared.packed_occurrence import n_active
from saegeom_data.metrics.brain._shared.partition_measures import partition_measures
from saegeom_data.metrics.brain.lobe_modularity._mantel import mantel_correlations
from saegeom_data.metrics.brain.lobe_modularity._outputs import PARTITION_MEASURES
from saegeom_data.metrics.brain.lobe_modularity._partitions import compared, within
from saegeom_data.metrics.brain.lobe_modularity._position_accuracy import position_accuracy, positions
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import angular_similarity
from saegeom_data.metrics.nulls import fixed_margins, places_redrawn
from saegeom_data.metrics.nulls.fixed_margins import block_activity, draw_bits, fit_margins
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

REDRAWN = (fixed_margins.LABEL, places_redrawn.LABEL)


@dataclass(frozen=True)
class Settings:
    """How partitions are found and measured."""

    kind: Kind
    n_lobes: tuple[int, ...]
    phi_shift: PhiShift
    min_blocks: int
    n_neighbours: int
    n_folds: int
    n_seeds: int
    seed: int


def fitted_margins(bits: Array, is_masked: Array) -> lazy.Arrays:
    """Logits of each block and feature; NaN for masked features, blocks with none on, and bits that are no block."""
    live = np.flatnonzero(~is_masked)
    words = np.ascontiguousarray(bits[live])
    activity = block_activity(words)
    active = np.flatnonzero(activity)
    found = {"block_logit": np.full(len(activity), np.nan), "feature_logit": np.full(len(bits), np.nan)}
    found["block_logit"][active], found["feature_logit"][live] = fit_margins(activity[active], n_active(words))
    return found


def margins_draw(
    block_logit: Array,
    feature_logit: Array,
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
    total, live = int(n_blocks.sum()), np.flatnonzero(~np.isnan(feature_logit))
    # Which bits are blocks depends on how the data is chunked; their order does not.
    block_logit = block_logit[~np.isnan(block_logit)]
    rng = stream(fixed_margins.LABEL, settings.seed, draw)
    words = draw_bits(block_logit, feature_logit[live], settings.min_blocks, total - settings.min_blocks, rng)
    bits = np.zeros((len(feature_logit), words.shape[1]), np.uint64)
    bits[live] = words
    embedding = embed_bits(
        bits,
        np.array([0, bits.shape[1]]),
        np.array([total]),
        which=None,
        kind=settings.kind,
        n_components=n_components(settings.n_lobes, len(bits)),
        min_blocks=settings.min_blocks,
        shift=settings.phi_shift if settings.kind in SIGNED else None,
    )["embedding"]
    # With the starts of the data, so that a draw differs from the data in its occurrence alone.
    lobe = cluster(embedding, settings.n_lobes, settings.n_seeds, settings.seed)[0]
    keep, picked = compared(nearest, lobe[0], spatial[0]), chosen[chosen >= 0]
    edges = edges_of(within(nearest, keep))
    measures = _measures(positions(decoder[keep]), lobe[:, keep], spatial[:, keep], edges, settings)
    # It follows the lobes' sizes, which are others in each draw.
    measures[:, PARTITION_MEASURES.index("neighbour_agreement")] = np.nan
    pairs = affinity_matrix(np.ascontiguousarray(bits[picked]), total, kind=settings.kind)
    rate = n_active(bits[picked]).astype(float)
    return {"measures": measures, "mantel": mantel_correlations(pairs, cosine[: len(picked), : len(picked)], rate)}


def places_draw(
    spectrum: Array,
    mean: Array,
    nearest: Array,
    lobe: Array,
    affinity: Array,
    rate: Array,
    chosen: Array,
    *,
    draw: int,
    settings: Settings,
) -> lazy.Arrays:
    """Measures (n_lobes, measure) of the lobes of the data against the places of one cloud; NaN if there is none."""
    lobe = lobe[:, compared(nearest)]
    rng = stream(places_redrawn.LABEL, settings.seed, draw)
    rows = places_redrawn.redrawn_places(lobe.shape[1], spectrum, mean, rng)
    if rows is None:
        return {"measures": np.full((len(settings.n_lobes), 4), np.nan), "mantel": np.full(2, np.nan)}
    _, vector = embed(angular_similarity(rows), n_components(settings.n_lobes, len(nearest)))
    spatial = cluster(vector, settings.n_lobes, settings.n_seeds, settings.seed)[0]
    lists = nearest_rows(rows, settings.n_neighbours)
    keep = compared(lists, lobe[0], spatial[0])
    measures = _measures(
        positions(rows[keep]), lobe[:, keep], spatial[:, keep], edges_of(within(lists, keep)), settings
    )
    n = np.count_nonzero(chosen >= 0)
    # Rows of the cloud are alike, so that any may stand for the features of which pairs are measured.
    cosine = rows[:n] @ rows[:n].T
    return {"measures": measures, "mantel": mantel_correlations(affinity[:n, :n], cosine, rate[:n])}


def _measures(position: Array, lobe: Array, spatial: Array, edges: Array, settings: Settings) -> Array:
    """AMI, modularity, neighbour agreement and balanced accuracy (n_lobes, 4)."""
    return np.array(
        [
            [
                *partition_measures(labels, clusters, edges),
                position_accuracy(position, labels, n_folds=settings.n_folds, seed=settings.seed),
            ]
            for labels, clusters in zip(lobe, spatial, strict=True)
        ]
    )
