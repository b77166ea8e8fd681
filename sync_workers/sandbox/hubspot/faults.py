"""What goes wrong between a caller and HubSpot, on purpose and repeatably.

Which request is hit is decided here; carrying it out on the socket is the server's work.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "drop": "close the connection before the body is read; nothing is committed",
    "commit_drop": "do the work, then reset the connection without an answer",
    "commit_status": "do the work, then answer `status` (502, 503, 504) instead",
    "delay": "do the work, answer after `seconds`",
    "hold": "do the work, answer when the fault is removed or released",
    "drip": "do the work, send the answer one byte per `seconds`",
    "throttle": "answer 429, nothing is committed",
    "half": "do the work, announce the whole answer, send half of it and close",
    "error": "answer `status` (500), nothing is committed",
}


@dataclass
class Fault:
    """One fault: ``path`` and ``method`` are regular expressions, ``times`` None means for ever."""

    kind: str
    path: str = ".*"
    method: str = ".*"
    times: int | None = 1
    probability: float = 1.0
    seed: int = 1
    status: int = 0
    seconds: float = 1.0
    id: int = 0
    hits: int = 0
    released: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind!r}; there are {', '.join(KINDS)}")
        self.status = self.status or {"commit_status": 502, "error": 500}.get(self.kind, 0)
        self._path, self._method = re.compile(self.path), re.compile(self.method)
        self._random = random.Random(self.seed)  # noqa: S311 - makes runs repeatable, guards nothing

    def strikes(self, method: str, path: str) -> bool:
        """Say whether this request is hit, and count it."""
        if self.times is not None and self.hits >= self.times:
            return False
        if not self._method.fullmatch(method) or not self._path.search(path):
            return False
        if self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def shown(self) -> dict[str, Any]:
        names = ("id", "kind", "path", "method", "times", "probability", "seed", "status", "seconds", "hits")
        return {name: getattr(self, name) for name in names}


class Faults:
    """The faults installed on an account, oldest first; the first that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Fault] = []
        self._next_id = 1

    def install(self, kind: str, path: str = ".*", **details: Any) -> Fault:
        """Add a fault, for example ``install("commit_drop", "/objects/deals", method="POST", times=2)``."""
        fault = Fault(kind, path, **details)
        with self._lock:
            fault.id, self._next_id = self._next_id, self._next_id + 1
            self._all.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            return next((fault for fault in self._all if fault.strikes(method, path)), None)

    def remove(self, fault_id: int) -> bool:
        with self._lock:
            gone = [fault for fault in self._all if fault.id == fault_id]
            self._all = [fault for fault in self._all if fault.id != fault_id]
        for fault in gone:
            fault.released.set()
        return bool(gone)

    def clear(self) -> None:
        with self._lock:
            gone, self._all = self._all, []
        for fault in gone:
            fault.released.set()

    def shown(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.shown() for fault in self._all]
