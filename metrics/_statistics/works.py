"""What partitions, spectra, regressions and permutations compute, for the stages that state it.

Counts of kinds of work are of single calls, with the numbers of iterations that are usual.
"""

from __future__ import annotations

from saegeom_data.lazy import Work, eigen, ordering
from saegeom_data.metrics._kernels.eigenpairs import sizes
from saegeom_data.metrics._kernels.lanczos import are_few, usual_products
from saegeom_data.metrics._statistics.k_means import is_spread
from saegeom_data.metrics._statistics.spectral import is_small
from saegeom_data.metrics.nulls.fixed_margins import n_rounds

# Lloyd's iterations of one start of k-means, cycles of the block method, and steps of a regression, as are usual.
_LLOYD = 20
_CYCLES = 6
_REGRESSION = 37
# Share of blocks that a feature is on in, and steps of a sum of two numbers in vectors.
_DENSITY, _STEPS_OF_SUM = 1 / 16, 0.5


def counting_work(n: int, n_words: int) -> Work:
    """Co-occurrence of all pairs of n rows of bits: a kernel counts five words in the time of one alone."""
    return Work(words=n**2 * n_words / 10, passes=12 * n**2, calls=60)


def trades_work(n: int, n_words: int) -> Work:
    """Bits (n, words) after :func:`.traded`: each round looks at all bits of all pairs of rows."""
    rounds = n_rounds(n)
    return Work(steps=30 * rounds * n * n_words, calls=10 * rounds)


def embed_work(n: int, n_components: int, itemsize: int = 8) -> Work:
    """A spectral embedding of a matrix of n members, by :func:`.embed`."""
    passes = Work(passes=25 * itemsize * n**2, calls=300)
    if is_small(n, n_components):
        return passes + _small_work(n, n_components, 8 * n**2)
    _, keep, spanned = sizes(n_components)
    # A cycle multiplies the matrix with what is new in the subspace, whose columns are then made orthogonal.
    cycle = Work(products=(n**2 * (spanned - keep) + 4 * n * spanned**2) * itemsize / 8, calls=500) + eigen(spanned)
    return Work(spread=True) + passes + _CYCLES * cycle


def _small_work(n: int, n_components: int, n_bytes: int) -> Work:
    """Leading eigenpairs of a matrix of n rows and so many bytes: by Lanczos iteration, or by LAPACK."""
    if not are_few(n, n_components):
        return 0.4 * eigen(n)
    return usual_products(n_components) * Work(passes=0.6 * n_bytes, calls=100)


def graph_work(n: int, n_edges: int, n_components: int) -> Work:
    """A spectral embedding of a sparse graph of n members, by :func:`.embed_graph`; each edge counts twice."""
    if is_small(n, n_components):
        return Work(steps=50 * n_edges, calls=300) + _small_work(n, n_components, 12 * n_edges)
    _, keep, spanned = sizes(n_components)
    cycle = Work(products=4 * n * spanned**2, steps=2 * n_edges * (spanned - keep), calls=500) + eigen(spanned)
    return Work(steps=50 * n_edges, calls=2000, spread=True) + _CYCLES * cycle


def bits_work(n: int, n_words: int, n_components: int) -> Work:
    """A spectral embedding of n members by :func:`.embed_product`, of products with their bits (n, n_words)."""
    _, keep, spanned = sizes(n_components)
    sums = 2 * _DENSITY * 64 * n * n_words * (spanned - keep)
    cycle = Work(products=4 * n * spanned**2, steps=_STEPS_OF_SUM * sums, calls=500) + eigen(spanned)
    # Without a matrix there are many features, whose eigenvalues of noise crowd.
    return Work(spread=True, passes=16 * n * n_words) + 1.5 * _CYCLES * cycle


def clusters_work(n: int, count: int, n_seeds: int, *, by_information: bool = False) -> Work:
    """Clusters of n members from starts of k-means on as many coordinates, and how far the starts agree.

    Agreement is the Rand index of pairs of starts, or adjusted mutual information.
    """
    start = Work(products=_LLOYD / 2 * n * count**2, steps=1.5 * _LLOYD * n * count, calls=1800 + 25 * count)
    pair = agreement_work(n, count) if by_information else Work(steps=5 * n, calls=60)
    return Work(spread=is_spread(n, count)) + n_seeds * start + n_seeds * (n_seeds - 1) / 2 * pair


def agreement_work(n: int, count: int) -> Work:
    """Adjusted mutual information of two partitions of n members into ``count`` classes or fewer."""
    return Work(functions=2 * count * n, steps=5 * n, calls=100 + 35 * count)


def permuted_work(n: int, n_draws: int) -> Work:
    """Draws of n members permuted, and one pass over the members of each."""
    return Work(steps=15 * n * n_draws, calls=50)


def regression_work(n: int, hidden: int, n_classes: int) -> Work:
    """A logistic regression of n rows, by :func:`.logistic_predictions`, in single precision."""
    # Products with few columns take as long as it takes to read the rows, once each way.
    step = Work(products=n * hidden * n_classes, passes=8 * n * hidden, functions=2 * n * n_classes, calls=500)
    return _REGRESSION * step


def similarity_work(n: int, hidden: int) -> Work:
    """Angles between all pairs of n unit rows."""
    return Work(products=n**2 * hidden, functions=1.5 * n**2, passes=40 * n**2, calls=30)


def ranks_work(n: int) -> Work:
    """Ranks of n numbers."""
    return Work(sorting=1.5 * ordering(n), passes=40 * n, calls=50)
