"""Serve plain from a process of its own: ``python -m sync_workers.sandbox.plain --port 8070``.

Prints its address on one line when it listens, and ends with SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from sync_workers.sandbox.plain.server import start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sync_workers.sandbox.plain", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    parser.add_argument("--delay-s", type=float, default=0.0, help="how long each call takes")
    parser.add_argument("--in-flight", type=int, help="how many calls are served at once")
    parser.add_argument("--refuses", action="store_true", help="answer 429 beyond that, instead of waiting")
    parser.add_argument("--keeps-bodies", action="store_true", help="keep the bodies of calls in the log")
    chosen = parser.parse_args()
    server = start(**vars(chosen))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    print(f"serving {server.url}", flush=True)  # the reader waits for this line
    ended.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
