"""File systems of fsspec: as their user has configured them, and for reading with limits of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from saegeom_data.errors import MissingDependencyError
from saegeom_data.remote import retries


def filesystem(protocol: str, **options: Any) -> Any:
    """Return the fsspec file system of a protocol.

    Raises
    ------
    MissingDependencyError
        If the package that it needs is not installed.
    """
    import fsspec

    try:
        return fsspec.filesystem(protocol, **options)
    except ImportError as error:
        raise MissingDependencyError(
            f"{protocol}:// needs a package that is not installed ({retries.cause(error)});"
            " install it with: pip install 'saegeom-data[hub]'"
        ) from error


def reading(protocol: str) -> Any:
    """Return the file system that reads: it gives up a silent answer, and leaves further tries to its caller.

    Raises
    ------
    MissingDependencyError
        If the package that it needs is not installed.
    """
    from fsspec.config import conf

    # What the user has configured stays: credentials, end points, proxies.
    own = conf.get(protocol, {})
    if protocol.startswith("http"):
        import aiohttp

        # Not a total, which a large file on a slow connection would exceed.
        limit = aiohttp.ClientTimeout(total=None, sock_connect=retries.STALL, sock_read=retries.STALL)
        return filesystem(protocol, client_kwargs={**own.get("client_kwargs", {}), "timeout": limit})
    if protocol != "s3":
        return filesystem(protocol)
    limits = {"connect_timeout": retries.STALL, "read_timeout": retries.STALL, "retries": {"max_attempts": 0}}
    # What was listed before is no answer to what is there now.
    options = {"config_kwargs": {**own.get("config_kwargs", {}), **limits}, "use_listings_cache": False}
    system = filesystem(protocol, **options)
    system.retries = 1
    return system


def call(system: Any, function: Any, *arguments: Any, n_bytes: int = 0, **options: Any) -> Any:
    """Call an asynchronous function of a file system, and wait no longer than so many bytes may take.

    Raises
    ------
    SlowAnswerError
        If they take longer.
    """
    from fsspec.asyn import sync

    with within(n_bytes) as limit:
        return sync(system.loop, function, *arguments, timeout=limit, **options)


@contextmanager
def within(n_bytes: int) -> Iterator[float]:
    """Give the seconds that so many bytes may take to calls of fsspec, and say it where they were not enough."""
    from fsspec.exceptions import FSTimeoutError

    limit = retries.time_limit(n_bytes)
    try:
        yield limit
    except FSTimeoutError as error:
        # A client library raises a class of its own where an answer is silent for too long.
        if error.__cause__ is None or type(error.__cause__) is TimeoutError:
            raise retries.SlowAnswerError(f"not whole after {limit:.0f} s") from error
        raise
