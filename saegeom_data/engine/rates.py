"""How long this machine takes for each kind of work: measured once in under a second, and kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from saegeom_data.lazy import KINDS, eigen
from saegeom_data.remote.cache import cache_folder

READ = "read"
"""The kind of work that reading a byte of a store is, as it is in memory."""

REFERENCE: Mapping[str, float] = {
    "products": 3.5e-11,
    "cubes": 1.9e-10,
    "passes": 7.2e-11,
    "functions": 1.0e-9,
    "normals": 1.1e-8,
    "sorting": 8.2e-10,
    "words": 7.0e-10,
    "steps": 1.9e-9,
    "calls": 5.5e-7,
    READ: 2.1e-9,
}
"""What :func:`rates` is on a reference machine, for times that are written down: one core of a virtual server with an
Intel Xeon that has AVX-512, and numpy 2.4 with OpenBLAS. Medians of six measurements, to two digits."""

# A change of how rates are measured makes those that are kept void.
_VERSION = 1
_REPEATS = 5
_SIDE = 256
# So few words stay in the cache, as those that the kernel counts at a time do.
_WORDS = 4096
_NUMBERS = 50_000
_LARGE = 2**21


def rates() -> dict[str, float]:
    """Seconds of processor time that one unit of each kind of work takes on one core of this machine.

    Measured at the first call, in under a second, and kept in the user's cache for this machine and these versions of
    numpy and of this package. Where nothing may be kept they are measured once in each process.

    Examples
    --------
    >>> all(seconds > 0 for seconds in rates().values())
    True
    """
    place = _place()
    kept = _kept(place)
    if kept is None:
        kept = _measured()
        _keep(place, kept)
    return dict(kept)


def _place() -> Path | None:
    """File in the cache that is of this machine and these versions; None where nothing is kept."""
    from importlib.metadata import version

    folder = cache_folder()
    if folder is None:
        return None
    of = [_VERSION, platform.node(), _processor(), os.cpu_count(), platform.python_version(), np.__version__]
    key = hashlib.sha256(json.dumps([*of, version("saegeom-data")]).encode()).hexdigest()[:16]
    return folder / "rates" / f"{key}.json"


def _processor() -> str:
    """Model of the processor: machines of one name may differ in it."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    return platform.processor()


def _kept(place: Path | None) -> dict[str, float] | None:
    """Rates that were kept; None if there are none, or what is there is damaged."""
    if place is None:
        return None
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        rates = {kind: float(found[kind]) for kind in (*KINDS, READ)}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return rates if all(math.isfinite(rate) and rate > 0 for rate in rates.values()) else None


def _keep(place: Path | None, rates: Mapping[str, float]) -> None:
    """Keep rates; a full or read-only disk must not fail a plan."""
    if place is None:
        return
    partial = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(rates, indent=1), encoding="utf-8")
        os.replace(partial, place)
    except OSError:
        with suppress(OSError):
            partial.unlink()


@functools.cache
def _measured() -> dict[str, float]:
    """Measure all rates, each on arrays that are made before its time begins."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    # As in a run, where each task has one thread.
    with threadpool_limits(1):
        return {kind: _seconds(*prepare(rng)) for kind, prepare in _MEASURES.items()}


def _seconds(units: float, work: Callable[[], object]) -> float:
    """Processor time of one unit: the least of some repetitions, after one that warms up; others only slow it down."""
    work()
    times = []
    for _ in range(_REPEATS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    # A clock that did not move is no rate.
    return max(min(times), 1e-9) / units


Prepared = tuple[float, Callable[[], object]]


def _products(rng: np.random.Generator) -> Prepared:
    first, second = rng.standard_normal((2, 2 * _SIDE, 2 * _SIDE))
    return (2 * _SIDE) ** 3, lambda: first @ second


def _cubes(rng: np.random.Generator) -> Prepared:
    root = rng.standard_normal((_SIDE, _SIDE))
    matrix = root @ root.T
    return eigen(_SIDE).cubes, lambda: np.linalg.eigh(matrix)


def _passes(rng: np.random.Generator) -> Prepared:
    first, second = rng.random((2, _LARGE))
    total = np.empty(_LARGE)
    return 24 * _LARGE, lambda: np.add(first, second, out=total)


def _functions(rng: np.random.Generator) -> Prepared:
    numbers = rng.random(_NUMBERS) + 0.5
    return 2 * _NUMBERS, lambda: (np.log(numbers), np.exp(numbers))


def _normals(rng: np.random.Generator) -> Prepared:
    return _NUMBERS, lambda: rng.standard_normal(_NUMBERS)


def _sorting(rng: np.random.Generator) -> Prepared:
    numbers = rng.random(_NUMBERS)
    return _NUMBERS * math.log2(_NUMBERS), lambda: np.argsort(numbers)


def _words(rng: np.random.Generator) -> Prepared:
    first, second = rng.integers(0, 2**63, (2, _WORDS), dtype=np.uint64)
    both, counts = np.empty_like(first), np.empty(_WORDS, np.uint8)

    def count() -> None:
        for _ in range(50):
            np.bitwise_count(np.bitwise_and(first, second, out=both), out=counts)

    return 50 * _WORDS, count


def _steps(rng: np.random.Generator) -> Prepared:
    place = rng.permutation(_NUMBERS)
    return _NUMBERS, lambda: np.bincount(place, minlength=_NUMBERS)


def _calls(rng: np.random.Generator) -> Prepared:
    few = rng.random(4)

    def call() -> None:
        for _ in range(1000):
            np.add(few, few).sum()

    return 2000, call


def _reading(rng: np.random.Generator) -> Prepared:
    import zarr

    values = rng.standard_normal((1024, _SIDE), dtype=np.float32)
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=values.shape, chunks=(512, _SIDE), dtype=values.dtype)
    array[:] = values
    return values.nbytes, lambda: array[:]


_MEASURES: Mapping[str, Callable[[np.random.Generator], Prepared]] = {
    "products": _products,
    "cubes": _cubes,
    "passes": _passes,
    "functions": _functions,
    "normals": _normals,
    "sorting": _sorting,
    "words": _words,
    "steps": _steps,
    "calls": _calls,
    READ: _reading,
}
