"""How a worker's C library keeps memory: in few arenas, for a thread's own would each hold what it once needed."""

from __future__ import annotations

import ctypes
import os

M_ARENA_MAX = -8  # malloc.h of glibc
ARENAS = 2


def keep_few_arenas() -> bool:
    """Tell glibc, unless ``MALLOC_ARENA_MAX`` has told it already; False where the C library has no such thing.

    Sixteen threads that each parsed a burst of documents held 15 MB that nobody used any more. Python's own
    lock lets one of them allocate at a time, so that nothing is gained by arenas of their own.
    """
    if os.environ.get("MALLOC_ARENA_MAX"):
        return True
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    except (AttributeError, OSError):
        return False
