"""What a call of the metric takes and computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saegeom_data import lazy
from saegeom_data.metrics.atom._word_pairs import views, works
from saegeom_data.metrics.atom._word_pairs.inputs import offset_bytes
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS
from saegeom_data.metrics.atom.parallelogram_quality._held_out import SCORES, Options

if TYPE_CHECKING:
    import xarray as xr


def call_bytes(
    pairs: xr.Dataset, n_relations: int, max_pairs: int, is_published: bool, options: Options
) -> tuple[int, int]:
    """Bytes that the scores of a fold take, and the outputs of all."""
    n_rows, n_hidden = pairs.source_activation.shape
    n = min(n_rows, n_relations * max_pairs)
    in_fold = -(-n // options.n_folds) + n_relations
    n_views = len(options.views) + len(options.directions)
    cells = len(options.hold_outs) * len(SCORES) * n_views * n_relations
    # What scikit-learn and numba load.
    loaded = 75e6
    # Offsets of all pairs; activations and offsets in double precision of those in use, and of a fold in each view.
    activations = n_hidden * (offset_bytes(pairs) * n_rows + 80 * n * max(1.0, n_views / 12))
    # Dot products of a fold's words in every view, and nulls.
    words = 32 * (n_views + 3) * in_fold**2
    of_fold = loaded + activations + words + 24 * (options.n_permutations * (3 * cells + n) + 80 * cells)
    described = n_hidden * (offset_bytes(pairs) * n_rows + 80 * n)
    if is_published:
        # scikit-learn's copies of all offsets, beside the pairs in use.
        described = max(described, n_hidden * (84 * n_rows + 24 * n))
    # The scores of all folds once more, with the gain.
    of_all = loaded + described + 24 * options.n_folds * cells * (3 * options.n_permutations + 80)
    return int(of_fold), int(of_all)


def call_work(
    pairs: xr.Dataset, n_relations: int, max_pairs: int, is_published: bool, options: Options
) -> tuple[lazy.Work, lazy.Work]:
    """What the scores of a fold compute: fits of its splits, arrangements of its words; and what the rest does."""
    n_rows, hidden = pairs.source_activation.shape
    n = min(n_rows, n_relations * max_pairs)
    held_out = n / options.n_folds
    trained, n_views = n - held_out, len(options.views)
    n_swept = len(options.directions) if options.sweep_all else 0
    n_draws, scored = options.n_permutations, works.n_scored(options.n_permutations)
    # Derangements in every view and the jackknife of named ones; then two nulls, which have a view of their own to fit.
    n_arranged = n_views * (n_draws + 4 * N_GROUPS + 2 * scored) + 3 * n_swept * n_draws
    arranged = n_arranged * works.arrangement_work(held_out, n_relations)
    grams = 2 * scored * n_views * works.gram_work(held_out, 1) + 2 * scored * works.gram_work(held_out, n_relations)
    grams += 2 * n_draws * n_swept * works.gram_work(held_out, n_relations / 2)
    fits = (2 + n_views) * works.basis_work(trained, hidden)
    fits += works.jackknife_work(trained, hidden, len({views.WHITENED, views.ERASED} & set(options.views)))
    fits += 2 * n_draws * works.discriminants_work(trained, hidden, n_relations, held_out)
    fits += n_views * (1 + N_GROUPS) * works.gram_work(held_out, hidden)
    of_fold = lazy.Work()
    for hold_out in options.hold_outs:
        # Relations are held out in as many groups as there are folds: all is fitted and drawn for each of them.
        n_groups = min(options.n_folds, n_relations) if hold_out == "relations" else 1
        of_fold += arranged + n_groups * (n_arranged * works.CALLS + grams + fits)
    described = lazy.Work(steps=60 * n * n_draws * len(NUISANCES), calls=20_000)
    published = works.basis_work(n_rows, hidden) * 3 if is_published else lazy.Work()
    prepared = works.prepared_work(n_rows, n, hidden)
    return prepared + of_fold, prepared + described + published
