"""A worker that sorts the doorstep and kills itself right after one step of it: ``python -m tests.crash.sorter``.

Nothing in the product knows of it.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from sync_workers.fleet import tasks
from sync_workers.fleet.wakeups import Wakeups
from sync_workers.ledger import doorstep
from sync_workers.runtime import use_runtime
from tests.crash.poller import after
from tests.world import make_runtime

STEPS: dict[str, tuple[Any, str]] = {
    "read": (Wakeups, "unmark"),
    "take": (doorstep, "_take"),  # inside the transaction: it must not count
    "record": (doorstep, "_record"),  # inside the transaction: it must not count
    "sort": (doorstep, "sort_out"),
    "publish": (Wakeups, "publish"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--after", required=True, choices=STEPS)
    parser.add_argument("--environ", required=True)
    chosen = parser.parse_args()
    use_runtime(make_runtime(json.loads(chosen.environ), worker=f"crash:{os.getpid()}"))
    after(*STEPS[chosen.after])
    tasks.sort()


if __name__ == "__main__":
    main()
