"""Tokens that a feature goes with: by mean activation, by odds, and how often chance would bring them together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc, gammaln, xlogy

from saegeom_data.metrics.brain._shared.ranks import rank_within
from saegeom_data.metrics.brain.feature_tokens._counts import Totals, table_of
from saegeom_data.typing import Array

# Candidates whose p is computed for each token that is listed: those with the largest likelihood ratio.
_CANDIDATES = 4
# In one document alone, whatever is there may go with a feature.
_FEWEST_DOCUMENTS = 2


class Pairs(NamedTuple):
    """Counts of pairs of feature and token (pairs,), of which some tokens are of both."""

    feature: Array
    token: Array
    both: Array
    documents: Array
    activation: Array
    of_feature: Array
    of_token: Array

    def at(self, index: Array) -> Pairs:
        """Pairs at some places or under a mask."""
        return Pairs(*(column[index] for column in self))


class Ranked(NamedTuple):
    """Values (features, ranks) of the tokens of each feature, the first ones first."""

    token: Array
    columns: tuple[Array, ...]


def pairs_of(totals: Totals) -> tuple[Pairs, float]:
    """Pairs with the totals of their feature and of their token, and the number of tokens of the text."""
    feature, token = totals.of_pairs()
    of_feature = table_of(totals.of_documents()[0], totals.by_document.columns[:, 0])
    of_token = table_of(totals.of_words()[0], totals.words.columns[:, 0])
    sums = [
        table.columns[np.searchsorted(table.key, key), 0] for table, key in ((of_feature, feature), (of_token, token))
    ]
    return Pairs(feature, token, *totals.pairs.columns.T, *sums), float(totals.words.columns.sum())


def by_mean(pairs: Pairs, n_features: int, n_ranks: int, least: int) -> Ranked:
    r"""Tokens of the largest mean activation :math:`\sum a / n_v` over all :math:`n_v` tokens of that kind.

    Only tokens that are at least ``least`` times in the text: the mean of few is large by chance.
    """
    kept = pairs.at(pairs.of_token >= least)
    mean = kept.activation / kept.of_token
    return _ranked(kept, -mean, (mean,), n_features, n_ranks)


def by_odds(pairs: Pairs, n: float, totals: Totals, n_features: int, n_ranks: int) -> Ranked:
    """Tokens by p of :func:`chance`, with log-odds, p and documents, of those that are there more often than by chance.

    The p is computed for the ``4 n_ranks`` pairs of each feature with the largest likelihood ratio alone. To leave out
    the others errs on the safe side: they count among the tests.
    """
    more = (pairs.both * n > pairs.of_feature * pairs.of_token) & (pairs.documents >= _FEWEST_DOCUMENTS)
    kept = pairs.at(more)
    kept = kept.at(_first(kept, -_likelihood_ratio(kept, n), _CANDIDATES * n_ranks))
    odds, p = log_odds(kept, n), chance(kept, totals)
    # Of p that are both 0 in double precision, the larger log-odds come first.
    return _ranked(kept, p, (odds, p, kept.documents), n_features, n_ranks, then=-odds)


def log_odds(pairs: Pairs, n: float) -> Array:
    r"""Log of the odds ratio (pairs,) of firing on that token against the rest, with ½ added to each count.

    :math:`\ln\frac{(a + ½)(n - n_f - n_v + a + ½)}{(n_f - a + ½)(n_v - a + ½)}` for a tokens of both, in nats.
    """
    a, f, v = pairs.both, pairs.of_feature, pairs.of_token
    return np.asarray(np.log((a + 0.5) * (n - f - v + a + 0.5) / ((f - a + 0.5) * (v - a + 0.5))))


def _likelihood_ratio(pairs: Pairs, n: float) -> Array:
    r"""G of the four counts (pairs,): :math:`2 \sum O \ln(O / E)`."""
    a, f, v = pairs.both, pairs.of_feature, pairs.of_token
    cells = [(a, f * v), (f - a, f * (n - v)), (v - a, (n - f) * v), (n - f - v + a, (n - f) * (n - v))]
    return np.asarray(2 * sum(xlogy(count, count * n) - xlogy(count, product) for count, product in cells))


def chance(pairs: Pairs, totals: Totals) -> Array:
    r"""Probability (pairs,) of as many documents with both, if a feature fires on any token of a document alike.

    Document d has :math:`N_d` tokens, of which :math:`v_d` are of that kind and the feature fires on :math:`f_d`. Were
    these any of them, at least one would be of that kind with probability
    :math:`q_d = 1 - \binom{N_d - v_d}{f_d} / \binom{N_d}{f_d}`. Documents are independent, so the number K of documents
    with both is a sum of coins of :math:`q_d`, whose upper tail is at most that of as many equal coins of their mean,
    for K at least one more than expected (Hoeffding 1956). Smaller K are never significant, and have their tail too.
    What topics of documents do to both is no evidence: only tokens of one document are compared.
    """
    (token_of_word, document_of_word), count_of_word = totals.of_words(), totals.words.columns[:, 0]
    length = np.bincount(document_of_word, count_of_word, totals.n_documents)
    feature_of, document_of = totals.of_documents()
    found = np.ones(len(pairs.feature))
    fired = np.zeros(len(length))
    # Pairs come by feature, so that the counts of one feature over documents are laid out once.
    for feature in np.unique(pairs.feature):
        first, stop = np.searchsorted(feature_of, [feature, feature + 1])
        fired[document_of[first:stop]] = totals.by_document.columns[first:stop, 0]
        begin, end = np.searchsorted(pairs.feature, [feature, feature + 1])
        tokens = pairs.token[begin:end]
        starts, stops = np.searchsorted(token_of_word, tokens), np.searchsorted(token_of_word, tokens + 1)
        counts = stops - starts
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        rows = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
        q = _meeting(length[document_of_word[rows]], count_of_word[rows], fired[document_of_word[rows]])
        coins = np.add.reduceat((q > 0).astype(float), firsts)
        found[begin:end] = _binomial_tail(pairs.documents[begin:end], coins, np.add.reduceat(q, firsts) / coins)
        fired[document_of[first:stop]] = 0
    return found


def _binomial_tail(k: Array, n: Array, q: Array) -> Array:
    """Probability (...) of at least k heads of n coins of probability q, for 1 <= k <= n."""
    return np.asarray(betainc(k, n - k + 1, np.minimum(q, 1.0)))


def _meeting(n: Array, v: Array, f: Array) -> Array:
    """Probability (...) that f of n tokens, drawn without order, have one of v among them."""
    none = gammaln(n - v + 1) - gammaln(np.maximum(n - v - f, 0) + 1) - gammaln(n + 1) + gammaln(n - f + 1)
    return np.where(f > n - v, 1.0, -np.expm1(np.where(f > n - v, 0.0, np.minimum(none, 0.0))))


def _first(pairs: Pairs, key: Array, n: int) -> Array:
    """Places of the n pairs of each feature with the smallest key, by feature and key; of equal ones by token."""
    order = np.lexsort((pairs.token, key, pairs.feature))
    return order[rank_within(pairs.feature[order]) < n]


def _ranked(
    pairs: Pairs, key: Array, columns: tuple[Array, ...], n_features: int, n_ranks: int, then: Array | None = None
) -> Ranked:
    """Tokens of each feature with the smallest keys; -1 and NaN where there are fewer."""
    order = np.lexsort((pairs.token, key if then is None else then, key, pairs.feature))
    rank = rank_within(pairs.feature[order])
    order, rank = order[rank < n_ranks], rank[rank < n_ranks]
    place = pairs.feature[order], rank
    token = np.full((n_features, n_ranks), -1, np.int64)
    token[place] = pairs.token[order]
    laid = []
    for column in columns:
        table = np.full((n_features, n_ranks), np.nan)
        table[place] = column[order]
        laid.append(table)
    return Ranked(token, tuple(laid))


def rates(totals: Totals, kind: Array, n_types: int, n_features: int) -> tuple[Array, Array]:
    r"""Share of the tokens of each type on which a feature fires, and its standard error (features, types).

    The share is :math:`r = \sum_d f_d / \sum_d N_d` over the D documents of a type, and its error
    :math:`\sqrt{\frac{D}{D - 1} \sum_d (f_d - r N_d)^2} / \sum_d N_d`: documents are independent, tokens are not. NaN
    for types without documents, and errors of one.
    """
    length = np.bincount(totals.of_words()[1], totals.words.columns[:, 0], len(kind))
    present = (length > 0) & (kind >= 0)
    (feature, document), fired = totals.of_documents(), totals.by_document.columns[:, 0]
    known = kind[document] >= 0
    cell = (feature * n_types + kind[document])[known]
    sums = [
        np.bincount(cell, weights[known], n_features * n_types).reshape(n_features, n_types)
        for weights in (fired, fired**2, fired * length[document])
    ]
    n_documents, tokens, squares = (
        np.bincount(kind[present], weights, n_types) for weights in (None, length[present], length[present] ** 2)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = sums[0] / tokens
        spread = np.maximum(sums[1] - 2 * rate * sums[2] + rate**2 * squares, 0)
        error = np.sqrt(spread * n_documents / (n_documents - 1)) / tokens
    return rate, np.where(n_documents > 1, error, np.nan)


def q_values(p: Array, n_tests: float) -> Array:
    """Smallest false discovery rate at which each p of any shape is among the found (Benjamini and Hochberg 1995).

    NaN are none of the ``n_tests``; tests whose p is not given count as p = 1.
    """
    known = np.isfinite(p)
    ordered = np.sort(p[known])
    rate = ordered * n_tests / np.arange(1, len(ordered) + 1)
    least = np.minimum.accumulate(rate[::-1])[::-1]
    found = np.full(p.shape, np.nan)
    # Equal p have the rate of the last of them.
    found[known] = np.minimum(least[np.searchsorted(ordered, p[known])], 1.0) if len(ordered) else []
    return found
