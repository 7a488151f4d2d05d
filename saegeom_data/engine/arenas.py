"""How much memory the allocator keeps back: little, where it is that of the GNU C library."""

from __future__ import annotations

from functools import cache

# Of glibc's malloc.h.
_M_ARENA_MAX = -8
# One of each thread keeps what its tasks gave back, and none serves the others: on two cores peaks of runs were a
# quarter higher, above their plans. With two, runs take no longer.
_MOST_ARENAS = 2


@cache
def limit_arenas() -> None:
    """Let threads share arenas, in this process and for good; to be called before threads of tasks are made."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        # Other C libraries have no arenas, or no such function.
        return
    mallopt(_M_ARENA_MAX, _MOST_ARENAS)
