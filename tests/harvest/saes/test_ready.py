"""Ready SAEs of a recipe, opened as the recipe says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saegeom_data.errors import ParameterError
from saegeom_data.harvest.recipe import ImportedSae
from saegeom_data.harvest.saes.ready import open_saes
from saegeom_data.harvest.text.roots import Roots

SAID = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 3, "architecture": "topk"}


def test_a_recipe_says_how_a_decoder_lies(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((12, 5)).astype("float32")
    np.save(tmp_path / "a [1].npy", rows.T)
    entry = ImportedSae.model_validate(SAID | {"address": "a [1].npy", "orientation": "hidden,features"})
    (sae,) = open_saes([entry], Roots(tmp_path), encoder=False).values()
    np.testing.assert_array_equal(sae.opened.features.decoder, rows)
    unsaid = ImportedSae.model_validate(SAID | {"address": "a [1].npy"})
    assert "orientation" not in unsaid.model_dump(), "recipes in stores keep their bytes"
    with pytest.raises(ParameterError, match="5 x 12: nothing tells whether its rows or its columns are features"):
        open_saes([unsaid], Roots(tmp_path), encoder=False)
