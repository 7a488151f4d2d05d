"""All claims of a run stand in one table, and one statement says how many hold over all of them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data.results.claims import claim_records, claims, statement
from tests.support.drawn_metric import drawn_metric

__all__ = ["drawn_metric"]


PARAMETERS = '{"n_draws": 999, "n_redraws": 999}'


def results(*p: tuple[float, float]) -> xr.DataTree:
    data = xr.Dataset(
        {"size": ("sae", np.ones(len(p))), "p": (("sae", "null"), np.array(p))},
        {"sae": [f"layer_{n}" for n in range(len(p))], "null": ["drawn", "redrawn"]},
        {
            "metric": "drawn_size",
            "metric_version": 1,
            "scale": "galaxy",
            "parameters": '{"n_draws": 999, "n_redraws": 999}',
        },
    )
    return xr.DataTree.from_dict({"/drawn_size": data})


@pytest.mark.usefixtures("drawn_metric")
def test_verdicts_and_the_statement() -> None:
    tested = claims(results((0.001, 0.001), (0.001, 0.9), (0.5, 0.5)))
    assert [entry.verdict for entry in tested] == ["holds", "does not hold", "does not hold"]
    assert statement(tested).startswith("Of 3 claims tested, 1 holds at a false discovery rate of 5 percent")


@pytest.mark.usefixtures("drawn_metric")
def test_what_was_not_tested_is_not_counted() -> None:
    tested = claims(results((np.nan, np.nan), (0.001, np.nan)))
    assert [entry.verdict for entry in tested] == ["not tested", "holds"]
    assert statement(tested) == (
        "Of 1 claim tested, 1 holds at a false discovery rate of 5 percent over all of them; "
        "1 was tested without null models that were not run."
    )
    assert statement([]) == ""


@pytest.mark.usefixtures("drawn_metric")
def test_records_hold_values_and_names() -> None:
    (record,) = claim_records(claims(results((0.001, 0.002))))
    assert record["p"] == 0.002
    assert record["nulls"] == "drawn, redrawn"
    assert record["verdict"] == "holds"
