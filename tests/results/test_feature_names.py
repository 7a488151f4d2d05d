"""Names of features: labels first, then tokens beyond chance, then numbers; sets by what sets them apart."""

from __future__ import annotations

import numpy as np
import xarray as xr

from saegeom_data.declare.group import Group
from saegeom_data.metrics.brain.feature_tokens import feature_tokens
from saegeom_data.results.feature_names import FeatureNames
from saegeom_data.testing.simulate import simulate_text


def groups() -> list[Group]:
    sae = simulate_text(strength=0.9, n_documents=60, seed=1)
    tokens = feature_tokens(sae, n_ranks=3).expand_dims(sae=["layer_0"])
    lobe = np.arange(24)[None, None] % 2
    lobes = xr.Dataset({"lobe": (("sae", "n_lobes", "features"), lobe)}, coords={"sae": ["layer_0"], "n_lobes": [2]})
    return [Group(name, name, "brain", {}, data) for name, data in (("feature_tokens", tokens), ("lobes", lobes))]


def test_a_feature_is_called_by_its_label_its_tokens_or_its_number() -> None:
    names = FeatureNames(groups(), "layer_0", ["", "  a\nlabel ", "x" * 100])
    assert (names.name(1), len(names.name(2))) == ("a label", 60)
    assert names.name(7) == "feature 7 (“word7”)"
    assert FeatureNames([], "layer_0").name(812) == "feature 812"
    assert names.name(-0 + 99) == "feature 99"


def test_a_set_is_called_by_tokens_that_the_others_lack() -> None:
    names = FeatureNames([], "layer_0")
    names.tokens = [[" a", " the"], [" a", " the"], [" b", " the"], [" b", " the"]]
    assert names.typical([0, 1]) == [" a"]
    assert names.typical([]) == []


def test_findings_say_how_many_features_go_with_tokens() -> None:
    from saegeom_data.metrics.brain.feature_tokens.finding import findings

    first, *_ = findings(groups())
    assert first.headline == "100 % of features that fire go with tokens, at a false discovery rate of 5 %."
