import numpy as np

from saegeom_data.metrics._statistics import p_values


def test_p_counts_draws_at_least_as_large_and_itself():
    draws = np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(p_values.p_value([2.0, 1.0], draws), [0.5, 0.25])
    np.testing.assert_array_equal(p_values.p_value([3.0, np.nan], draws), [0.5, np.nan])


def test_draws_equal_but_for_rounding_count():
    # 0.1 + 0.2 is larger than 0.3 by one part in 5e15.
    assert p_values.tail(0.3, np.array([0.1 + 0.2, 0.3, 0.2])) == 0.75
    assert p_values.tail(0.1 + 0.2, np.array([0.3])) == 1


def test_summary_is_nan_where_a_draw_is_missing():
    mean, sd, p = p_values.summary_of(np.array([1.0, 1.0]), np.array([[0.0, 2.0], [0.0, np.nan]]))
    np.testing.assert_array_equal([mean[0], sd[0], p[0]], [1, 1, 2 / 3])
    assert np.isnan([mean[1], sd[1], p[1]]).all()
