"""What rows in families do to the variance of a mean over rows and to a spectrum, from pairs that are close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.typing import Array

# Of pairs of independent rows so many count as close, at most: their noise must not decide the variance.
_CHANCE = 0.003
# Of all rows, so many independent ones are beyond doubt close to one row, at most.
_DOUBT = 0.2
_PANEL = 512
_ROUNDS = 4


@dataclass(frozen=True)
class ClosePairs:
    """Pairs of rows that are closer than chance, and what pairs of independent rows that are so contribute.

    Attributes
    ----------
    first, second
        Indices (pairs,) of the rows of each pair, each pair once.
    is_sure
        Whether a pair (pairs,) is so close that one row of n has 0.2 such partners by chance.
    scale
        Pairs of all rows for each pair of the sampled ones, per row: (n - 1) / (m - 1).
    by_chance
        Sum over pairs of independent rows, per row and in units of the variance, which is taken off.
    n_lines
        Independent lines that have as large a mean squared cosine as the rows: a count of rows for laws of spectra,
        less noisy than the inflation of a variance.
    """

    first: Array
    second: Array
    is_sure: Array
    scale: float
    by_chance: float
    n_lines: float

    def inflation(self, influence: Array) -> Array:
        """Variance of the mean of ``influence`` (m, ...) over that of independent rows: (...), 1 or more.

        1 + (2 scale sum_pairs U_i U_j / m - by_chance) / (sum_i U_i^2 / m).
        """
        own = (influence**2).sum(axis=0)
        shared = (influence[self.first] * influence[self.second]).sum(axis=0)
        ratio = np.divide(2 * self.scale * shared, own, out=np.zeros_like(own), where=own > 0)
        return np.asarray(np.maximum(1 + ratio - self.by_chance, 1.0))


def close_pairs(whitened: Array, n_rows: int) -> ClosePairs:
    r"""Pairs of m sampled rows of n whose lines are closer than those of independent rows.

    ``whitened`` (m, d) are rows in d axes along which all n have unit variance; it is overwritten. The squared cosine c
    of two independent rows has the beta law of (1/2, (d - 1) / 2), shrunk by 1 - d / n as the axes are the rows' own.
    Pairs above its quantile of upper probability 0.003 (m / n)^2 are close: families, copies, opposites.

    A quadratic influence :math:`U = u^\top W u` with tr W = 0 has :math:`E[U_i U_j | c] = E[U^2] (d c^2 - 1) / (d - 1)`
    for lines at random with cosine c (Funk and Hecke), which gives what pairs that are close by chance contribute.
    """
    from scipy.special import betaincinv

    m, d = whitened.shape
    none = np.empty(0, np.intp)
    if m < 3 or d < 3 or n_rows <= d + 1:
        return ClosePairs(none, none, none.astype(bool), 1.0, 0.0, float(n_rows))
    probability = _CHANCE * (m / n_rows) ** 2
    threshold = float(betaincinv(0.5, (d - 1) / 2, 1 - probability)) if probability > 1e-12 else 1.0
    least = threshold * (1 - d / n_rows)
    norm = np.sqrt(np.einsum("ij,ij->i", whitened, whitened))
    whitened /= np.where(norm > 0, norm, 1.0)[:, None]
    scale = (n_rows - 1) / (m - 1)
    # Single precision is exact to far less than the width of the law, and half the work.
    first, second, cosine = _above(whitened.astype(np.float32), np.sqrt(least))
    n_lines, by_chance = float(n_rows), 0.0
    # The number of lines and what is taken off as chance depend on each other.
    for _ in range(_ROUNDS):
        # As many lines as are independent share the axes, which takes that much off the cosines of the others.
        shrunk = max(1 - d / n_lines, 1 / d)
        by_chance = (n_rows - 1) * _by_chance(least, shrunk, d)
        shared = 2 * scale / m * float((d * cosine**2 - shrunk).sum()) / (d - 1)
        n_lines = n_rows / max(1 + shared - by_chance, 1.0)
    is_sure = cosine**2 >= float(betaincinv(0.5, (d - 1) / 2, 1 - _DOUBT / n_rows)) * max(1 - d / n_lines, 1 / d)
    return ClosePairs(first, second, is_sure, scale, by_chance, n_lines)


def line_strengths(rows: Array, pairs: ClosePairs) -> tuple[Array, Array]:
    r"""Squared lengths (m or fewer,) of independent lines that rows (m, hidden) amount to, and shares of all lines.

    A family of k rows with products G (k, k), turned at random, adds :math:`X^\top X = \sum_j \gamma_j u_j u_j^\top` to
    a covariance: k lines at random, as strong as the eigenvalues :math:`\gamma_j` of G. G holds the products of pairs
    that are surely close and zeros elsewhere; a family is what such pairs connect. A row of no family is a line as long
    as the row.

    Of a family of which k' rows were sampled, k = 1 + s (k' - 1) are expected, s = ``pairs.scale``: an eigenvalue above
    the mean t of the squared lengths becomes t + s (gamma - t) for k' / k lines, and what is left of the k' rows'
    squared lengths is spread over the other lines. That keeps the mean and the mean square of the strengths.
    """
    from scipy.linalg import eigvalsh
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m = len(rows)
    length = np.einsum("ij,ij->i", rows, rows)
    first, second = pairs.first[pairs.is_sure], pairs.second[pairs.is_sure]
    product = np.empty(len(first))
    for start in range(0, len(first), _PANEL):
        some = slice(start, start + _PANEL)
        product[some] = np.einsum("ij,ij->i", rows[first[some]], rows[second[some]])
    products = coo_array((product, (first, second)), shape=(m, m)).tocsr()
    products += products.T
    n_families, label = connected_components(products, directed=False)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=n_families))[:-1])
    single = np.array([member[0] for member in members if len(member) == 1], np.intp)
    strength, share = [length[single]], [np.ones(len(single))]
    for member in members:
        if len(member) > 1:
            matrix = products[member][:, member].toarray(order="F")
            matrix[np.diag_indices(len(member))] = length[member]
            # In place, since all rows may be one family.
            eigenvalue = eigvalsh(matrix, overwrite_a=True, check_finite=False)
            of_family, of_lines = _grown(eigenvalue, pairs.scale)
            strength.append(of_family)
            share.append(of_lines)
    return np.concatenate(strength), np.concatenate(share) / m


def _grown(eigenvalue: Array, scale: float) -> tuple[Array, Array]:
    """Strengths and numbers of lines of a family that was sampled in part, from the eigenvalues (k',) of that part."""
    n_sampled, mean = len(eigenvalue), float(eigenvalue.mean())
    if scale == 1:
        # Products left out can leave eigenvalues below 0.
        kept = np.maximum(eigenvalue, 0)
        return kept * (mean / kept.mean()), np.ones(n_sampled)
    strong = mean + scale * (eigenvalue[eigenvalue > mean] - mean)
    number = np.full(len(strong), 1 / (1 + scale * (n_sampled - 1)) * n_sampled)
    others = n_sampled - number.sum()
    weak = max((n_sampled * mean - strong @ number) / others, 0.0) if others > 0 else 0.0
    return np.append(strong, weak), np.append(number, max(others, 0.0))


def _by_chance(least: float, shrunk: float, d: int) -> float:
    """Mean of (d c^2 - s) / (d - 1) over pairs with c^2 above ``least``, 0 for others; c^2 / s has the beta law."""
    from scipy.special import betainc

    law, ratio = (0.5, (d - 1) / 2), min(least / shrunk, 1.0)
    # Mean of c^2 over the tail: the beta law of one more in the first parameter.
    squares = (1 - betainc(law[0] + 1, law[1], ratio)) / d
    return float(shrunk * (d * squares - (1 - betainc(*law, ratio))) / (d - 1))


def close_pairs_bytes(n_sampled: int, n_axes: int) -> int:
    """Peak memory of :func:`close_pairs` beside its input, with pairs enough for families of thirty."""
    return 8 * (3 * _PANEL * n_sampled + n_sampled * 32 + n_axes * _PANEL)


def families_work(n_sampled: int, hidden: int, n_axes: int) -> Work:
    """What :func:`close_pairs` and :func:`line_strengths` compute together, with few pairs and small families."""
    return Work(
        products=n_sampled**2 * n_axes / 4,
        passes=30 * n_sampled**2 + 100 * n_sampled * (hidden + n_axes),
        calls=500 + 3 * n_sampled,
    )


def family_bytes(n_sampled: int, hidden: int) -> int:
    """Peak memory of :func:`line_strengths` with its rows, where all of them are one family."""
    return 8 * n_sampled * hidden + 9 * n_sampled**2


def _above(unit: Array, least: float) -> tuple[Array, Array, Array]:
    """Pairs i < j of rows (m, d) of unit norm whose cosine is at least ``least`` in size, and that, panel by panel."""
    first, second, found = [np.empty(0, np.intp)], [np.empty(0, np.intp)], [np.empty(0)]
    for start in range(0, len(unit), _PANEL):
        panel = unit[start : start + _PANEL]
        cosine = np.abs(panel @ unit[start:].T)
        row, column = np.nonzero(cosine >= least)
        later = column > row
        first.append(row[later] + start)
        second.append(column[later] + start)
        found.append(cosine[row[later], column[later]].astype(float))
    return np.concatenate(first), np.concatenate(second), np.concatenate(found)
