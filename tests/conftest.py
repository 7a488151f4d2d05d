from __future__ import annotations

import os

# Tests run side by side; a second BLAS thread in each would make all of them slower. Read when numpy is first imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr
from hypothesis import HealthCheck, settings

import saegeom_data
from saegeom_data.data import write
from saegeom_data.remote import retries
from saegeom_data.testing.simulate import simulate_store

# Without a deadline, since a first example also pays for imports; the same examples every time.
settings.register_profile(
    "saegeom", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("saegeom")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are those of servers that recover, which no test has to sit out."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.002)


@pytest.fixture(scope="session")
def sample() -> Iterator[xr.DataTree]:
    """The bundled sample, opened from disk."""
    with saegeom_data.open(saegeom_data.sample_path()) as tree:
        yield tree


@pytest.fixture(scope="session")
def simulated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed store on disk; not to be changed."""
    target = tmp_path_factory.mktemp("simulated") / "simulated.zarr"
    write.write_tree(simulate_store(n_saes=2), target)
    return target
