"""A worker process that kills (or freezes) itself right after one step: ``python -m tests.crash.worker``.

Nothing in the product knows of it: the step is found by wrapping the function that does it, and it counts
only when it was done for a record of ``--kind``: an order takes its new customer along, step by step as well.
The process drains the given records once, as a Celery task would, and prints what it counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sync_workers.connectors.http import Http, Reply
from sync_workers.domain.translate import LEDGER
from sync_workers.engine import calls, commits, lookup, planning, resolve
from sync_workers.engine.drain import drain
from tests.world import make_runtime

END = signal.SIGKILL


def die() -> None:
    """Be killed here, or be frozen here once, until somebody sends SIGCONT."""
    global END
    os.kill(os.getpid(), END)
    END = signal.Signals.SIGCONT


@dataclass(frozen=True)
class Place:
    """The function that does a step, the kinds it was called for, and whether to die in its place or after it."""

    module: Any
    name: str
    kinds: Callable[..., Iterable[str]]
    before: bool = False

    def arm(self, kind: str) -> None:
        step = getattr(self.module, self.name)

        def wrapped(*given: Any, **named: Any) -> Any:
            is_it = kind in set(self.kinds(*given))
            if self.before and is_it:
                die()
            result = step(*given, **named)
            if is_it and not self.before:
                die()
            return result

        setattr(self.module, self.name, wrapped)


def of_run(run: Any, *_: Any, **__: Any) -> list[str]:
    return [run.kind]


def of_runs(runs: Sequence[Any], *_: Any) -> list[str]:
    return [run.kind for run in runs]


def of_ended(runs: Sequence[Any], *_: Any) -> list[str]:
    return [run.kind for run in runs if run.ending]


def of_waiting(run: Any, missing: Any, *_: Any) -> list[str]:
    """Count the record that is done first, not the one that had only to be put into the ledger."""
    return [run.kind] if missing.target != LEDGER else []


def of_claimed(_: Any, claims: Sequence[Any]) -> list[str]:
    return [claim.kind for claim in claims]


def of_settled(_: Any, items: Sequence[Any], *__: Any) -> list[str]:
    return [item.claim.kind for item in items]


def of_answered(_: Any, items: Sequence[Any]) -> list[str]:
    return [item.claim.kind for item in items if item.closings]


def of_sheet(sheet: Any, *_: Any, **__: Any) -> list[str]:
    return [sheet.kind]


LOOP = sys.modules["sync_workers.engine.drain"]
PLACES = {
    "claim": Place(LOOP.records, "load", of_claimed, before=True),  # the claim has been committed
    "resolve": Place(lookup, "decide_creates", of_run),
    "joined": Place(LOOP, "join_origin", of_run),
    "read": Place(planning, "read_systems", of_run),
    "dependencies": Place(LOOP, "go_first", of_waiting),
    "merge": Place(planning, "merge", of_sheet),
    "gate": Place(planning, "check_mode", of_run),
    "open": Place(calls, "send", of_runs, before=True),  # the attempt has been committed
    "call": Place(calls, "take_answer", of_run, before=True),
    "answer": Place(calls, "take_answer", of_run),
    "flush": Place(commits, "flush", of_answered),  # inside the transaction: it must not count
    "settle": Place(commits, "settle", of_settled),  # inside the transaction: it must not count
    "settled": Place(commits, "commit", of_ended),
}


def absorb_counts_for(kind: str) -> None:
    """Die inside the transaction that joins two rows; it knows no kind, and only one kind is joined in a test."""
    Place(resolve, "absorb", lambda *_, **__: [kind]).arm(kind)


def count_calls(system: str, most: int) -> None:
    """Die when ``system`` has answered so many calls that write: one write of the engine may take several."""
    call, answered = Http.call, 0

    def counted(http: Http, *given: Any, writes: bool, **named: Any) -> Reply:
        nonlocal answered
        reply = call(http, *given, writes=writes, **named)
        if writes and http.system == system:
            answered += 1
            if answered == most:
                die()
        return reply

    Http.call = counted  # type: ignore[method-assign]


def main() -> None:
    global END
    parser = argparse.ArgumentParser()
    parser.add_argument("--after", required=True, choices=[*PLACES, "absorb", "wrote", "none"])
    parser.add_argument("--system", default="")
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--kind", default="order")
    parser.add_argument("--environ", required=True)
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("ids", type=int, nargs="+")
    chosen = parser.parse_args()
    END = signal.SIGSTOP if chosen.freeze else signal.SIGKILL
    numbers = json.loads(os.environ.get("WORLD_NUMBERS", "{}"))
    runtime = make_runtime(json.loads(chosen.environ), worker=f"crash:{os.getpid()}", **numbers)
    if chosen.after == "absorb":
        absorb_counts_for(chosen.kind)
    elif chosen.after == "wrote":
        count_calls(chosen.system, chosen.calls)
    elif chosen.after != "none":
        PLACES[chosen.after].arm(chosen.kind)
    print(json.dumps(drain(runtime, chosen.ids).counts), flush=True)


if __name__ == "__main__":
    main()
