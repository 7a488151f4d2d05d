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


def test_permuted_labels_keep_what_each_group_holds():
    labels, groups = np.array([0, 1, 1, 2, 2, 2, 3]), np.array([0, 0, 0, 1, 1, 1, 1])
    drawn = label_permutation.permuted_labels(labels, groups, 40, np.random.default_rng(0))
    assert drawn.shape == (40, 7)
    for group in (0, 1):
        assert (np.sort(drawn[:, groups == group], axis=1) == labels[groups == group]).all()
        assert len(np.unique(drawn[:, groups == group], axis=0)) > 2
