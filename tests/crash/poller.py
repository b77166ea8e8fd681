"""A process that polls once and kills itself right after one step of it: ``python -m tests.crash.poller``.

Nothing in the product knows of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Callable
from typing import Any

from sync_workers.flows import polling
from tests.world import make_runtime

STEPS = ("read", "arrivals", "cursor", "committed")


def after(owner: Any, name: str) -> None:
    step: Callable[..., Any] = getattr(owner, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        step(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, wrapped)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--after", required=True, choices=STEPS)
    parser.add_argument("--environ", required=True)
    parser.add_argument("system")
    parser.add_argument("kind")
    chosen = parser.parse_args()
    runtime = make_runtime(json.loads(chosen.environ), worker=f"crash:{os.getpid()}")
    if chosen.after == "read":
        after(type(runtime.connectors[chosen.system]), "changes")
    elif chosen.after == "arrivals":  # inside the transaction: it must not count
        after(*((polling.stock, "stage_levels") if chosen.kind == "stock" else (polling.inbox, "record_arrivals")))
    elif chosen.after == "cursor":  # inside the transaction: it must not count
        after(polling.cursors, "advance")
    else:
        after(type(runtime.ledger), "run")
    polling.poll(runtime, chosen.system, chosen.kind)


if __name__ == "__main__":
    main()
