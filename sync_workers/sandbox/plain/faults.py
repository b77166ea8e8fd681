"""How unkind a plain server is, call by call.

A fault says for which calls it holds, how often, and what happens to the work and to the answer:

``status``  answer ``status``; the work is done first if ``commit``
``drop``    close the connection with no answer; the work is done first if ``commit``
``half``    do the work, send half of the answer and close
``drip``    do the work, send the answer one byte per ``delay_s``
``slow``    do the work, answer after ``delay_s``
``hold``    keep the call, close the connection; the work is done at ``release`` (protocol T4)
``garbage`` do the work, answer 200 with something that is not JSON
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Literal

Does = Literal["status", "drop", "half", "drip", "slow", "hold", "garbage"]


@dataclass
class Fault:
    """One rule; ``times`` counts down, None is for ever.

    ``op`` is read, list, create, update, batch or action.
    """

    does: Does
    kind: str | None = None
    op: str | None = None
    status: int = 503
    commit: bool = True
    delay_s: float = 1.0
    retry_after_s: float | None = None
    times: int | None = 1
    probability: float = 1.0


class Faults:
    """The faults in force, drawn from one seeded generator so that a run can be repeated."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a repeatable draw, not a secret
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._active.extend(faults)

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def pick(self, kind: str, op: str) -> Fault | None:
        if not self._active:
            return None
        with self._lock:
            for fault in self._active:
                if fault.kind not in (None, kind) or fault.op not in (None, op):
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._active.remove(fault)
                return fault
        return None
