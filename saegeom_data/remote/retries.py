"""Reading from what fails now and then: a few tries with growing waits, and one line on why there was no more."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeVar

from saegeom_data.errors import StoreError
from saegeom_data.shown import without_secrets

T = TypeVar("T")

TRIES = 5
# Seconds before the second try; each further wait is twice as long: 7.5 seconds for all.
FIRST_WAIT = 0.5
# Seconds without a byte after which an answer no longer counts as one.
STALL = 20.0
# The slowest connection that is waited for, in bytes a second.
_SLOWEST = 65_536
_MISSING = frozenset({403, 404})
# What another try does not change. A file that the manifest lists may be missing for a moment (404, 403).
_FINAL = frozenset({400, 401, 405, 406, 410, 411, 414, 416})


class ShortAnswerError(OSError):
    """Fewer bytes than there should be."""


class SlowAnswerError(OSError):
    """An answer that came, but was not whole when its time was over."""


def tried(attempt: Callable[[], T], *, is_remote: bool = True, absent: bool = False) -> T:
    """Return what an attempt gives, after a few tries where the place is remote; the last error is raised.

    ``absent`` says that it may be missing or forbidden for good: nobody has said yet that it is there.
    """
    for number in range(TRIES):
        try:
            return attempt()
        except Exception as error:
            final = absent and _status(error) in _MISSING
            if number == TRIES - 1 or not is_remote or final or not may_pass(error):
                raise
        wait(number)
    raise AssertionError


def wait(number: int) -> None:
    """Wait before another try, after ``number`` tries that were followed by one."""
    # Not all at once: many readers that failed together would meet again.
    time.sleep(FIRST_WAIT * 2**number * random.uniform(0.75, 1.25))  # noqa: S311


def time_limit(n_bytes: int) -> float:
    """Seconds that an answer of so many bytes may take in all."""
    return 2 * STALL + n_bytes / _SLOWEST


def cause(error: BaseException, address: str = "") -> str:
    """Say in words why something could not be read, without credentials.

    Examples
    --------
    >>> cause(TimeoutError())
    'no byte for 20 s'
    >>> cause(OSError("cannot connect to https://me:word@example.org"))
    'cannot connect to https://***@example.org'
    """
    status = _status(error)
    if status is not None:
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        return f"HTTP {status} {phrase}".rstrip()
    for link in _chain(error):
        if isinstance(link, SlowAnswerError):
            return str(link)
        if isinstance(link, TimeoutError) or "Timeout" in type(link).__name__:
            return f"no byte for {STALL:g} s"
    if isinstance(error, FileNotFoundError) and error.errno is None:
        return "not found"
    lines = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).strip().splitlines()
    return without_secrets(lines[0], address).rstrip(":. ") if lines else type(error).__name__


def may_pass(error: Exception) -> bool:
    """Whether another try may go better."""
    status = _status(error)
    if status is not None:
        return status not in _FINAL
    # Such as a server without ranges, a package that is missing, or an address that is none.
    return not isinstance(error, StoreError | ValueError | TypeError | ImportError)


def _status(error: BaseException) -> int | None:
    """Status that a server answered with, from whatever error its client library makes of it."""
    for link in _chain(error):
        found: Any = getattr(link, "status", None)
        response = getattr(link, "response", None)
        if found is None and isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        elif found is None:
            found = getattr(response, "status_code", None)
        # In an answer of 200 or 206 something else went wrong.
        if isinstance(found, int) and found >= HTTPStatus.BAD_REQUEST:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__
