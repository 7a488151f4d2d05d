"""How much memory the allocator keeps back: little, where it is that of the GNU C library."""

from __future__ import annotations

from functools import cache

# Of malloc.h of glibc, each with what it is set to. Left alone, a thread has an arena of its own, which keeps what its
# tasks gave back and serves no other thread, and arrays of up to 32 MB are kept once some were freed. That took peaks
# of runs on two cores a quarter above their plans; like this, runs take 2 percent longer.
_M_TRIM_THRESHOLD, _TRIM_BYTES = -1, 16 * 2**20
_M_MMAP_THRESHOLD, _MMAP_BYTES = -3, 8 * 2**20
_M_ARENA_MAX, _MOST_ARENAS = -8, 2


@cache
def keep_little_back() -> None:
    """Give freed memory back to the system, in this process and for good; to be called before tasks have threads."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        # Other C libraries have no such function.
        return
    for option, value in (
        (_M_ARENA_MAX, _MOST_ARENAS),
        (_M_MMAP_THRESHOLD, _MMAP_BYTES),
        (_M_TRIM_THRESHOLD, _TRIM_BYTES),
    ):
        mallopt(option, value)
