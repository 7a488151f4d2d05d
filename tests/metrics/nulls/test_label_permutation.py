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
