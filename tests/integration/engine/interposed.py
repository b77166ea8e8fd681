"""Something that happens in the middle of a run: an action hooked in right after one of the engine's steps.

The steps are those of the crash suite (``tests/crash/worker.py``). Two of them stand inside the engine's
transaction; what happens there runs beside it, as another process would, and is waited for afterwards.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sync_workers.engine import calls, commits, endings, planning

STEPS = ("claim", "read", "merge", "gate", "open", "call", "answer", "flush", "settle", "settled")
BESIDE = ("flush", "settle")  # inside the transaction: rows are locked, an action that wants them must wait


@contextmanager
def after_step(step: str, act: Callable[[], Any]) -> Iterator[list[str]]:
    """Call ``act`` once, right after ``step`` was first done. Gives a list that then holds the step's name."""
    done: list[str] = []
    beside: list[threading.Thread] = []

    def happen() -> None:
        if done:
            return
        done.append(step)
        if step in BESIDE:
            beside.append(threading.Thread(target=act))
            beside[0].start()
        else:
            act()

    module, name, first = _place(step)
    real = getattr(module, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        if first:
            happen()
            return real(*given, **named)
        result = real(*given, **named)
        if step != "settled" or any(run.ending for run in given[0]):
            happen()
        return result

    with patch.object(module, name, wrapped):
        yield done
    for thread in beside:
        thread.join(30)
        assert not thread.is_alive()


def _place(step: str) -> tuple[Any, str, bool]:
    """Return the module and function of a step, and whether the action comes in its place."""
    loop = sys.modules["sync_workers.engine.drain"]
    return {
        "claim": (loop.records, "load", True),
        "read": (planning, "read_systems", False),
        "merge": (planning, "merge", False),
        "gate": (planning, "check_mode", False),
        "park": (endings, "parked", False),
        "open": (calls, "send", True),
        "call": (calls, "take_answer", True),
        "answer": (calls, "take_answer", False),
        "flush": (commits, "flush", False),
        "settle": (commits, "settle", False),
        "settled": (commits, "commit", False),
    }[step]
