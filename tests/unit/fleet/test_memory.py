"""A worker's C library keeps memory in two arenas, however many threads allocate."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, re, sys, threading
from sync_workers.fleet.memory import keep_few_arenas
if sys.argv[1] == "few":
    assert keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
gate = threading.Barrier(16)
def allocate():
    gate.wait()
    for _ in range(200):
        libc.malloc(4096)
threads = [threading.Thread(target=allocate) for _ in range(15)]
[thread.start() for thread in threads]
allocate()
[thread.join() for thread in threads]
libc.fopen.restype = ctypes.c_void_p
stream = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fflush(ctypes.c_void_p(stream))
"""


def arenas(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin"})
    return done.stdout.count("<heap nr=")


def test_threads_share_two_arenas_once_they_are_told_to() -> None:
    assert arenas("few") <= 2 < arenas("as it comes")


def test_what_was_made_before_is_looked_through_no_more_and_what_comes_is_still_collected() -> None:
    program = """
import gc, weakref
from sync_workers.fleet.memory import YOUNG, spare_the_lasting
class Ring: pass
lasting = [Ring() for _ in range(1000)]
spare_the_lasting()
looked_through = {id(each) for each in gc.get_objects()}
assert not any(id(each) in looked_through for each in lasting)
late = Ring()
late.itself = late
died = weakref.ref(late)
del late
more = [Ring() for _ in range(YOUNG + 1000)]
assert died() is None
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
