"""A metric whose p is known in advance: it counts how often uniform draws reach the first number of a decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import pytest
import xarray as xr
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare import Claim, Metric, Null, Output, metric, registry
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Presentation
from saegeom_data.results.judgement import null_tests

NULLS = (
    Null("drawn", "uniform draws", "n_draws"),
    Null("redrawn", "uniform draws made anew", "n_redraws", is_dear=True),
)


def claims(group: Group) -> Sequence[Claim]:
    return [
        Claim("size", row, "the number is large", null_tests(group, row, "p"), value=group.value(row, "size"))
        for row in group.rows
    ]


PRESENTATION = Presentation(claims=claims)


@metric(
    version=1,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=(
        Output("size", description="the number", bounds=(0, None)),
        Output("p", ("null",), description="share of draws that reach it", bounds=(0, 1)),
    ),
    pattern="whole",
    reference="none",
    presentation="tests.support.drawn_metric:PRESENTATION",
    nulls=NULLS,
)
def drawn_size(
    sae: xr.Dataset,
    *,
    n_draws: Annotated[int, Field(ge=0)] = 99,
    n_redraws: Annotated[int, Field(ge=0)] = 19,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Compare the first number of a decoder with uniform ones."""

    def measure(decoder: np.ndarray) -> dict[str, Any]:
        size = float(decoder.flat[0])
        p = [
            (1 + np.sum(np.random.default_rng((seed, purpose)).random(n) >= size)) / (n + 1) if n else np.nan
            for purpose, n in enumerate((n_draws, n_redraws))
        ]
        return {"size": size, "p": np.array(p)}

    outputs = {"size": lazy.Result(), "p": lazy.Result(("null",), (2,))}
    found = lazy.whole(measure, sae.decoder, outputs=outputs, memory=lazy.Memory(finish=0))
    return found.assign_coords(null=[null.label for null in NULLS])


class _Point:
    def __init__(self, loaded: Metric) -> None:
        self.load: Callable[[], Metric] = lambda: loaded


@pytest.fixture
def drawn_metric(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """Register the metric for one test."""
    points = {**registry._entry_points(), "drawn_size": _Point(drawn_size)}
    monkeypatch.setattr(registry, "_entry_points", lambda: points)
    return drawn_size
