"""A metric of another author: how long the mean feature is, against that of features of independent directions."""

from __future__ import annotations

import numpy as np
import xarray as xr

from saegeom_data import metric
from saegeom_data.data import schema
from saegeom_data.declare import Output


@metric(
    version=4,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=(
        Output("coherence_of_means", bounds=(0, 1), direction="higher", label="coherence of means"),
        Output("expected_coherence", bounds=(0, 1)),
    ),
    pattern="whole",
    reference="Author 2026",
    presentation="coherence_metric.presentation:PRESENTATION",
)
def decoder_coherence(sae: xr.Dataset, *, power: int = 1) -> xr.Dataset:
    """Measure how long the mean unit row is, from 0 to 1."""
    unit = sae.decoder / np.sqrt((sae.decoder**2).sum("hidden"))
    coherence = np.sqrt((unit.mean("features") ** 2).sum("hidden")) ** power
    expected = xr.zeros_like(coherence) + sae.sizes["features"] ** (-power / 2)
    found = xr.Dataset({"coherence_of_means": coherence, "expected_coherence": expected})
    return found.drop_vars(list(coherence.coords))
