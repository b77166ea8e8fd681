"""A worker process that kills (or freezes) itself right after one step: ``python -m tests.crash.worker``.

Nothing in the product knows of it: the step is found by wrapping the function that does it. The
process drains the given records once, as a Celery task would, and prints what it counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sync_workers.engine import calls, commits, lookup, planning
from sync_workers.engine.drain import drain
from tests.world import make_runtime

END = signal.SIGKILL


def die() -> None:
    """Be killed here, or be frozen here once, until somebody sends SIGCONT."""
    global END
    os.kill(os.getpid(), END)
    END = signal.Signals.SIGCONT


def after(module: Any, name: str, *, when: Callable[..., bool] = lambda *_: True) -> None:
    """Die as soon as the step has returned."""
    step = getattr(module, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        result = step(*given, **named)
        if when(*given):
            die()
        return result

    setattr(module, name, wrapped)


def before(module: Any, name: str) -> None:
    """Die in the step's place: what came before it has been committed."""
    step = getattr(module, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        die()
        return step(*given, **named)

    setattr(module, name, wrapped)


def arm(step: str) -> None:
    loop = sys.modules["sync_workers.engine.drain"]
    if step == "claim":
        before(loop.records, "load")
    elif step == "resolve":
        after(lookup, "decide_creates")
    elif step == "read":
        after(planning, "read_systems")
    elif step == "dependencies":
        after(loop, "go_first")
    elif step == "merge":
        after(planning, "merge")
    elif step == "gate":
        after(planning, "check_mode")
    elif step == "open":
        before(calls, "send")
    elif step == "call":
        before(calls, "take_answer")
    elif step == "answer":
        after(calls, "take_answer")
    elif step == "flush":
        after(commits, "flush")  # inside the transaction: it must not count
    elif step == "settle":
        after(commits, "settle")  # inside the transaction: it must not count
    elif step == "settled":
        after(commits, "commit", when=lambda runs, *_: any(run.ending for run in runs))
    elif step != "none":
        raise SystemExit(f"there is no step {step!r}")


def main() -> None:
    global END
    parser = argparse.ArgumentParser()
    parser.add_argument("--after", required=True)
    parser.add_argument("--environ", required=True)
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("ids", type=int, nargs="+")
    chosen = parser.parse_args()
    END = signal.SIGSTOP if chosen.freeze else signal.SIGKILL
    numbers = json.loads(os.environ.get("WORLD_NUMBERS", "{}"))
    runtime = make_runtime(json.loads(chosen.environ), worker=f"crash:{os.getpid()}", **numbers)
    arm(chosen.after)
    print(json.dumps(drain(runtime, chosen.ids).counts), flush=True)


if __name__ == "__main__":
    main()
