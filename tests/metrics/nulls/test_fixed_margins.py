import numpy as np
import pytest
from scipy.special import expit

from saegeom_data.metrics._kernels.bits import pack
from saegeom_data.metrics.nulls import fixed_margins


def simulated(seed, n_blocks, n_features, spread=1.0):
    rng = np.random.default_rng(seed)
    logit = spread * rng.standard_normal((n_blocks, 1)) + rng.uniform(-5, 1, n_features)
    return rng.random((n_blocks, n_features)) < expit(logit)


def expected(blocks, features):
    return expit(blocks[:, None] + features)


@pytest.mark.parametrize("shape", [(300, 120), (90, 250), (700, 20)])
@pytest.mark.parametrize("spread", [0.0, 1.0, 2.5])
def test_expected_margins_are_those_given(shape, spread):
    on = simulated(1, *shape, spread)
    probability = expected(*fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0)))
    np.testing.assert_allclose(probability.sum(axis=1), on.sum(axis=1), rtol=0, atol=1e-8)
    np.testing.assert_allclose(probability.sum(axis=0), on.sum(axis=0), rtol=0, atol=1e-8)


def test_equal_margins_have_equal_logits():
    on = simulated(2, 200, 40)
    blocks, features = fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0))
    for logit, margin in ((blocks, on.sum(axis=1)), (features, on.sum(axis=0))):
        assert len(np.unique(logit)) == len(np.unique(margin))
        assert (np.diff(logit[np.argsort(margin, kind="stable")]) >= 0).all()


def test_planted_probabilities_are_recovered():
    rng = np.random.default_rng(3)
    planted = expit(rng.standard_normal((1500, 1)) + rng.uniform(-2, 1, 300))
    fitted = expected(*fixed_margins.fit_margins(planted.sum(axis=1), planted.sum(axis=0)))
    np.testing.assert_allclose(fitted, planted, atol=1e-8)


def test_margins_that_leave_no_choice_are_kept():
    on = simulated(4, 60, 30)
    on[[3, 7]], on[[5, 9]] = True, False
    on[:, 2] = True
    on[[5, 9], 2] = False
    blocks, features = fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0))
    probability = expected(blocks, features)
    assert (probability[[3, 7]] == 1).all()
    assert (probability[[5, 9]] == 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), on.sum(axis=1), atol=1e-8)
    np.testing.assert_allclose(probability.sum(axis=0), on.sum(axis=0), atol=1e-8)


def test_nested_occurrence_is_the_only_one_of_its_margins():
    on = np.arange(12)[:, None] > np.arange(9)
    np.testing.assert_array_equal(expected(*fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0))), on)


def test_activity_is_counted_past_eight_bits_and_whole_words():
    on = np.random.default_rng(5).random((130, 700)) < 0.6
    activity = fixed_margins.block_activity(pack(on))
    np.testing.assert_array_equal(activity[:130], on.sum(axis=1))
    assert len(activity) == 192
    assert not activity[130:].any()


def unpacked(bits, n_blocks):
    on = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    assert not on[:, n_blocks:].any()
    return on[:, :n_blocks].T


def test_draws_have_the_margins_on_average(monkeypatch):
    monkeypatch.setattr(fixed_margins, "_ELEMENTS", 2000)  # several batches of features
    on = simulated(6, 150, 60)
    on = on[:, on.any(axis=0)]
    logits = fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0))
    rng = np.random.default_rng(0)
    draws = np.stack([unpacked(fixed_margins.draw_bits(*logits, 0, 150, rng), 150) for _ in range(400)])
    probability = expected(*logits)
    for axis in (0, 1):
        error = np.sqrt((probability * (1 - probability)).sum(axis=axis) / 400)
        deviation = (draws.sum(axis=axis + 1).mean(axis=0) - on.sum(axis=axis)) / error
        assert np.abs(deviation).max() < 4.5
        assert 0.7 < deviation.std() < 1.3


def test_features_too_rare_or_too_frequent_are_drawn_anew():
    on = simulated(7, 100, 80)
    on = on[:, on.any(axis=0) & ~on.all(axis=0)]
    logits = fixed_margins.fit_margins(on.sum(axis=1), on.sum(axis=0))
    for seed in range(5):
        count = unpacked(fixed_margins.draw_bits(*logits, 1, 99, np.random.default_rng(seed)), 100).sum(axis=0)
        assert count.min() >= 1
        assert count.max() <= 99


def test_same_stream_same_draw():
    logits = np.linspace(-2, 1, 70), np.linspace(-1, 1, 5)
    first, second = (fixed_margins.draw_bits(*logits, 1, 69, np.random.default_rng([0, 4, 2])) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = fixed_margins.draw_bits(*logits, 1, 69, np.random.default_rng([0, 4, 3]))
    assert (first != other).any()
