from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data.selection import select_sae, select_saes
from saegeom_data.data.text.block_tokens import block_token_id
from saegeom_data.errors import DataValueError
from saegeom_data.sample import sample_path
from saegeom_data.spec.models import OccurrenceSettings


def tokens(**changed: Any) -> xr.Dataset:
    values = {
        "token_id": [9, 1, 2, 3, 9, 4, 5],
        "is_special": [True, *[False] * 3, True, *[False] * 2],
        "block": [2, 2, 2, 2, 0, 0, 0],
    }
    return xr.Dataset({name: ("tokens", np.array(value)) for name, value in (values | changed).items()})


def occurrence(length: int = 4) -> xr.Dataset:
    held = xr.Dataset({"occurrence": (("blocks", "features"), np.zeros((3, 2), bool))})
    return held.assign_attrs(block_length=length)


@pytest.mark.parametrize("chunk", [None, 3])
def test_tokens_of_each_block_stand_in_order_without_special_ones(chunk: int | None) -> None:
    text = tokens() if chunk is None else tokens().chunk(tokens=chunk)
    found = block_token_id(text, occurrence())
    assert found is not None
    assert (found.chunks is None) == (chunk is None)
    assert found.values.tolist() == [[4, 5, -1, -1], [-1, -1, -1, -1], [1, 2, 3, -1]]


def test_a_text_that_does_not_fit_its_blocks_is_named() -> None:
    with pytest.raises(DataValueError, match="tokens/block: got 3 tokens of block 2, expected at most 2"):
        block_token_id(tokens(), occurrence(2))
    with pytest.raises(DataValueError, match="tokens/block: got 7, expected less than the 3 blocks"):
        block_token_id(tokens(block=[7] * 7), occurrence(8))


def test_a_store_that_does_not_say_which_tokens_are_in_a_block_has_none() -> None:
    assert block_token_id(tokens().drop_vars("block"), occurrence()) is None
    assert block_token_id(tokens().drop_vars("token_id"), occurrence()) is None


def test_stored_and_derived_blocks_of_the_sample_have_their_tokens() -> None:
    from saegeom_data import open

    with open(sample_path()) as tree:
        stored = select_sae(tree, "layer_3").block_token_id
        derived = select_sae(tree, "layer_3", OccurrenceSettings(block_length=127)).block_token_id
        known = stored.values[(stored.values >= 0).any(axis=1)]
        assert stored.shape == (3773, 254)
        assert (known >= 0).all()
        # Blocks of half the length are the same text.
        np.testing.assert_array_equal(np.sort(derived.values.reshape(-1, 254), axis=0), np.sort(known, axis=0))
        assert "block_token_id" not in select_sae(tree, "layer_3")[["decoder"]]
        assert len(select_saes(tree)) == 7
