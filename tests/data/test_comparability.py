"""SAEs that differ in where they read are not matched, though they write in one place."""

from __future__ import annotations

from saegeom_data.data.comparability import unmatched
from saegeom_data.testing.simulate import simulate_sae


def test_transcoders_of_one_output_and_two_inputs_are_not_matched() -> None:
    places = {"output_hook": "blocks.3.hook_mlp_out"}
    saes = [
        simulate_sae(layer=3)
        .assign_coords(site="blocks.3.hook_mlp_out")
        .assign_attrs(places | {"input_hook": f"blocks.3.{hook}"})
        for hook in ("hook_resid_mid", "mlp.hook_in")
    ]
    (sentence,) = unmatched(saes)
    assert sentence.startswith("input site differs between the SAEs (blocks.3.hook_resid_mid, blocks.3.mlp.hook_in)")


def test_transcoders_of_one_kind_are_matched_over_layers() -> None:
    saes = [
        simulate_sae(layer=layer)
        .assign_coords(site=f"blocks.{layer}.hook_mlp_out")
        .assign_attrs(input_hook=f"blocks.{layer}.mlp.hook_in", output_hook=f"blocks.{layer}.hook_mlp_out")
        for layer in (3, 5)
    ]
    assert unmatched(saes) == []
