"""Run the HubSpot simulator as a process of its own, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import fields
from pathlib import Path

from sync_workers.sandbox.hubspot import start
from sync_workers.sandbox.hubspot.settings import Settings


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; every setting is an option, named as in ``Settings`` with dashes."""
    parser = argparse.ArgumentParser(prog="python -m sync_workers.sandbox.hubspot", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port, which is printed")
    parser.add_argument("--state", type=Path, help="file to load from and save to")
    for each in fields(Settings):
        option = f"--{each.name.replace('_', '-')}"
        if isinstance(each.default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=each.default)
        else:
            kind = int if each.default is None else type(each.default)
            parser.add_argument(option, type=kind, default=each.default)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = vars(parse(arguments))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    simulator = start(**options)
    print(f"HubSpot simulator at {simulator.url}", flush=True)
    stopped.wait()
    simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
