import numpy as np
import pytest

from saegeom_data.errors import ParameterError
from saegeom_data.metrics.brain.lobe_modularity._partitions import strata
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation


def test_strata_hold_like_rates():
    rate = np.random.default_rng(0).integers(1, 500, 90)
    assert not strata(label_permutation.LABEL, rate, 7).any()
    groups = strata(frequency_stratified.LABEL, rate, 7)
    size = np.bincount(groups)
    assert len(size) == 7
    assert np.ptp(size) <= 1
    assert all(rate[groups == group].max() <= rate[groups == group + 1].min() for group in range(6))
    assert len(np.unique(strata(frequency_stratified.LABEL, rate, None))) == 4
    with pytest.raises(ParameterError, match="n_strata: got 91, expected at most 90"):
        strata(frequency_stratified.LABEL, rate, 91)
