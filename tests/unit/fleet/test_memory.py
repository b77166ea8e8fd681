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
