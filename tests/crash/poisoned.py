"""A worker process for which one record is poison: ``python -m tests.crash.poisoned``.

Reading ``--killer`` kills the process; reading ``--sleeper`` holds it up past its lease, the first time.
It drains what is due of the given records until nothing is, as Celery would offer them again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from sync_workers.engine import planning
from sync_workers.engine.drain import drain
from tests.world import make_runtime


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("killer", "sleeper"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--environ", required=True)
    parser.add_argument("--marker", type=Path, required=True)
    parser.add_argument("ids", type=int, nargs="+")
    chosen = parser.parse_args()
    runtime = make_runtime(json.loads(chosen.environ), worker=f"poisoned:{os.getpid()}",
                           **json.loads(os.environ["WORLD_NUMBERS"]))
    read = planning.read_systems

    def read_systems(run: Any, *given: Any) -> None:
        if run.id == chosen.killer:
            os.kill(os.getpid(), signal.SIGKILL)
        if run.id == chosen.sleeper and not chosen.marker.exists():
            chosen.marker.touch()
            time.sleep(runtime.lease_s + 0.2)
        read(run, *given)

    planning.read_systems = read_systems
    while drain(runtime, chosen.ids).counts:
        pass


if __name__ == "__main__":
    main()
