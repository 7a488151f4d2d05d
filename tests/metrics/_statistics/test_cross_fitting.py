import numpy as np
import pytest
from scipy import stats
from soak import times

from saegeom_data.metrics._statistics.cross_fitting import cross_fitted, one_way, rule_of_three
from saegeom_data.metrics._statistics.jackknife import jackknife_variance


def drawn(rng, n_halvings, found, n_groups=20, n_each=10):
    """A mean both ways round (halvings, 2, 1), and with each group left out; ``found`` spreads what is found."""
    # The second halves are the same members as the first ones, and what is found on each half has an error of its own.
    members = rng.normal(size=(2, n_groups, n_each))
    value, left_out = np.empty((n_halvings, 2, 1)), np.empty((n_halvings, 2, 1, n_groups))
    for halving in range(n_halvings):
        for way in (0, 1):
            measured, error = members[1 - way], found * rng.normal()
            value[halving, way] = measured.mean() + error
            total = measured.sum()
            left_out[halving, way, 0] = (total - measured.sum(axis=1)) / (measured.size - n_each) + error
    return value, left_out


@pytest.mark.statistical
@pytest.mark.parametrize("n_halvings", [1, 2, 3])
@pytest.mark.parametrize("found", [0.0, 0.1, 0.3])
def test_intervals_cover_what_is_found_and_what_is_measured(n_halvings, found):
    rng = np.random.default_rng([5, n_halvings, int(100 * found)])
    n, ways = times(400, 4000), [drawn(rng, n_halvings, found) for _ in range(times(400, 4000))]
    results = [cross_fitted(*each, n_members=1e9) for each in ways]
    inside = sum(result["low"].item() <= 0 <= result["high"].item() for result in results)
    # Halvings here share their members and not their errors. Of one the degrees of freedom are known worst.
    least = 0.95 if n_halvings > 1 or not found else 0.87
    assert inside >= stats.binom.ppf(1e-4, n, least)
    if n_halvings > 1 or not found:
        assert sum(result["p"].item() <= 0.05 for result in results) <= stats.binom.ppf(1 - 1e-4, n, 0.05)
    single = [one_way(value[0, 0], left_out[0, 0], value, 1e9) for value, left_out in ways]
    assert sum((low <= 0 <= high).item() for low, high in single) >= stats.binom.ppf(1e-4, n, least)


@pytest.mark.statistical
def test_the_jackknife_alone_knows_nothing_of_what_was_found():
    rng, n = np.random.default_rng(6), times(400, 4000)
    ways = [drawn(rng, 2, 0.3) for _ in range(n)]
    errors = [np.sqrt(jackknife_variance(left_out).sum(axis=1).mean() / 4) for _, left_out in ways]
    inside = sum(abs(value.mean()) <= 2.02 * error for (value, _), error in zip(ways, errors, strict=True))
    assert inside < 0.7 * n


def test_values_that_agree_have_the_error_of_the_jackknife():
    left_out = np.random.default_rng(0).normal(size=(2, 2, 3, 20))
    value = np.broadcast_to(np.array([0.1, 0.2, 0.3]), (2, 2, 3))
    found = cross_fitted(value, left_out, 10**9)
    error = np.sqrt(jackknife_variance(left_out).sum(axis=1).mean(axis=0) / 4)
    np.testing.assert_allclose(found["mean"], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(found["high"] - found["mean"], stats.t.ppf(0.975, 38) * error)
    np.testing.assert_allclose(found["p"], stats.t.sf(value[0, 0] / error, 38))
    ends = one_way(value[0, 0], left_out[0, 0], value, 10**9)
    alone = stats.t.ppf(0.975, 19) * np.sqrt(jackknife_variance(left_out[0, 0]))
    np.testing.assert_allclose(ends, (value[0, 0] - alone, value[0, 0] + alone))


def test_halvings_that_differ_have_the_error_of_their_spread():
    # Nothing varies among members: all of the error is that of what was found, with one degree of freedom a halving.
    value = np.array([[0.3, 0.1], [0.6, 0.0]])[..., None]
    left_out = np.broadcast_to(value[..., None], (2, 2, 1, 20))
    found = cross_fitted(value, left_out, 10**9)
    error = np.sqrt((0.2**2 + 0.6**2) / 4 / 2)
    assert found["mean"].item() == pytest.approx(0.25)
    assert found["low"].item() == pytest.approx(0.25 - stats.t.ppf(0.975, 2) * error)
    assert found["p"].item() == pytest.approx(stats.t.sf(0.25 / error, 2))
    low, high = one_way(value[0, 0], left_out[0, 0], value, 10**9)
    assert (high - low).item() == pytest.approx(2 * stats.t.ppf(0.975, 2) * np.sqrt(2) * error)


def test_where_nothing_varies_the_interval_has_the_width_of_the_rule_of_three():
    value, left_out = np.ones((2, 2, 1)), np.ones((2, 2, 1, 20))
    found = cross_fitted(value, left_out, 50)
    assert (
        found["high"].item() - 1
        == pytest.approx(rule_of_three(50, np.ones(1)).item())
        == pytest.approx(3.689 / 50, rel=1e-3)
    )
    # The share of exceptions at which 50 members without one are as rare as 2.5 percent is no larger than that.
    assert (1 - 3.689 / 50) ** 50 < 0.025
    none = cross_fitted(0 * value, 0 * left_out, 50, np.ones(1))
    assert none["p"].item() == 0.5
    assert none["low"].item() == pytest.approx(-3.689 / 50, rel=1e-3)


def test_halvings_without_one_way_do_not_count_and_fewer_groups_are_no_zeros():
    value = np.array([[[0.2], [0.4]], [[np.nan], [0.9]]])
    left_out = np.full((2, 2, 1, 20), np.nan)
    left_out[..., :3] = value[..., None] + [-0.01, 0.0, 0.01]
    found = cross_fitted(value, left_out, 10**9)
    only = cross_fitted(value[:1], left_out[:1, ..., :3], 10**9)
    assert found["mean"].item() == pytest.approx(0.3)
    for name in found:
        np.testing.assert_array_equal(found[name], only[name])
    one_group = np.where(np.arange(20) < 1, value[..., None], np.nan)
    unknown = cross_fitted(value, one_group, 10**9)
    assert unknown["mean"].item() == pytest.approx(0.3)
    assert np.isnan([unknown["low"], unknown["high"], unknown["p"]]).all()
    nothing = cross_fitted(value[1:], left_out[1:], 10**9)
    assert np.isnan(list(nothing.values())).all()
