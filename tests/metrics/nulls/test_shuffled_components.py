"""Independent components: found again after mixing, shuffled with the covariance kept, whatever the order of rows."""

import numpy as np
import pytest

from saegeom_data.metrics.nulls.shuffled_components import independent_components, shuffled_scores


def mixed(draw, n=800, d=6):
    rng = np.random.default_rng(0)
    sources = draw(rng, (n, d))
    return sources, sources @ rng.standard_normal((d, d))


def heavy(rng, size):
    return rng.laplace(size=size)


def light(rng, size):
    return rng.uniform(-1, 1, size)


@pytest.mark.parametrize("draw", [heavy, light])
def test_sources_are_found_again(draw):
    sources, scores = mixed(draw)
    components, mixing = independent_components(scores, np.random.default_rng(1))
    unmixed = (scores - scores.mean(axis=0)) @ np.linalg.inv(mixing)
    np.testing.assert_allclose(np.sort(unmixed, axis=0), components, atol=1e-10)
    alike = np.abs(np.corrcoef(sources.T, unmixed.T)[:6, 6:])
    assert (alike.max(axis=0) > 0.97).all()
    assert len(set(alike.argmax(axis=0))) == 6


def test_shuffling_keeps_covariance_and_loses_what_is_joint():
    rng = np.random.default_rng(2)
    radius = np.sqrt(rng.chisquare(3, (2000, 1)))
    scores = rng.standard_normal((2000, 4)) / radius
    components, mixing = independent_components(scores, rng)
    covariance = np.cov(scores, rowvar=False)
    shuffled = shuffled_scores(components, mixing, covariance, rng)
    np.testing.assert_allclose(np.cov(shuffled, rowvar=False), covariance, rtol=1e-10, atol=1e-12)

    def joint(rows):
        parts = (rows - rows.mean(axis=0)) @ np.linalg.inv(mixing)
        return np.corrcoef(np.log(np.abs(parts)).T)[np.triu_indices(4, 1)].mean()

    assert joint(scores) > 0.15
    assert abs(joint(shuffled)) < 0.05


def test_the_order_of_rows_does_not_matter():
    _, scores = mixed(heavy, 300)
    order = np.random.default_rng(3).permutation(300)
    first, second = (independent_components(rows, np.random.default_rng(1)) for rows in (scores, scores[order]))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_gaussian_rows_do_not_blow_rounding_up():
    scores = np.random.default_rng(4).standard_normal((300, 12))
    rounded = scores * (1 + 1e-14 * np.random.default_rng(5).standard_normal(scores.shape))
    first, second = (independent_components(rows, np.random.default_rng(1))[0] for rows in (scores, rounded))
    np.testing.assert_allclose(first, second, atol=1e-10)
