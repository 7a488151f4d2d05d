import numpy as np

from saegeom_data.metrics.nulls import label_permutation


def test_permutations_stay_within_groups_and_fill_batches(monkeypatch):
    monkeypatch.setattr(label_permutation, "_ELEMENTS", 30)
    groups = np.array([0, 1, 0, 1, 1, 2])
    drawn = np.concatenate(list(label_permutation.permutations_within(groups, 12, np.random.default_rng(0))))
    assert drawn.shape == (12, 6)
    assert (np.sort(drawn, axis=1) == np.arange(6)).all()
    assert (groups[drawn] == groups).all()
    assert len(np.unique(drawn, axis=0)) > 4


def test_more_permutations_go_on_from_fewer(monkeypatch):
    groups = np.array([0, 1, 0, 1, 1, 2])

    def drawn(n):
        return np.concatenate(list(label_permutation.permutations_within(groups, n, np.random.default_rng(0))))

    expected = drawn(199)
    assert (drawn(99) == expected[:99]).all()
    monkeypatch.setattr(label_permutation, "_ELEMENTS", 60)
    assert (drawn(199) == expected).all()


def test_permutations_of_what_is_left_skip_what_is_not():
    order = np.array([[1, 2, 0, 3], [0, 3, 1, 2]])
    there = np.array([True, False, True, True])
    assert label_permutation.followed(order, there)[:, there].tolist() == [[2, 0, 3], [0, 3, 2]]
