"""How a process of the fleet keeps memory: in few arenas, and without looking through what lasts again and again."""

from __future__ import annotations

import ctypes
import gc
import os

M_ARENA_MAX = -8  # malloc.h of glibc
ARENAS = 2
YOUNG = 5_000  # objects that are made until the young ones are looked through; few of ours are ever in a circle


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


def spare_the_lasting() -> None:
    """Leave out of garbage collection what was made so far: modules, classes and sheets live as long as the process.

    Looking through all of it took some tens of milliseconds each time, in which every thread stood still. What
    comes afterwards is looked through more seldom than Python would, which takes a twentieth of its work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
