"""Threads that make calls, a few for each system: a slow one keeps none of them from the others.

Also what was learned of each system: how long its calls take, and whether it answered a moment ago. How many
calls a system allows at a time for the whole fleet is ``limiter``'s; here is what one process would make of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

MOST = 8  # calls at a time to a system that states no limit
WAITING = 2  # beyond its limit: these stand ready when a place comes free
FRESH_S = 2.0  # for so long an answer speaks for the next one
WEIGHT = 0.2  # of the newest call in what calls are expected to take


@dataclass
class _System:
    most: int
    expected_s: float = 0.0
    answered_at: float = float("-inf")
    pool: ThreadPoolExecutor | None = None


@dataclass
class Callers:
    """One process's threads by system. ``places``: calls in flight that a system allows, None where it does not say."""

    places: Mapping[str, int | None] = field(default_factory=dict)
    _systems: dict[str, _System] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def most(self, system: str) -> int:
        """Return how many calls may be tried at one time."""
        return self._of(system).most

    def expected_s(self, system: str) -> float:
        """Return how long a call takes, going by the last ones; 0 before the first."""
        return self._of(system).expected_s

    def wanted(self, system: str, calls: int, within_s: float) -> int:
        """Return how many threads would make so many calls in that time, going by what they took lately."""
        known = self._of(system)
        return max(1, min(known.most, calls, round(known.expected_s * calls / within_s)))

    def submit(self, system: str, work: Callable[[], None]) -> None:
        """Do ``work`` in one of the system's threads, as soon as one is free."""
        known = self._of(system)
        with self._guard:
            if known.pool is None:
                known.pool = ThreadPoolExecutor(known.most, thread_name_prefix=f"calls {system}")
        known.pool.submit(work)

    def note(self, system: str, took_s: float, *, answered: bool) -> None:
        """Learn from a call. A failure of the system itself is no answer: from then on it is tried one by one."""
        known = self._of(system)
        known.expected_s += (WEIGHT if known.expected_s else 1.0) * (took_s - known.expected_s)
        known.answered_at = time.monotonic() if answered else float("-inf")

    def is_sound(self, system: str) -> bool:
        """Whether the last thing that the system did, a moment ago, was to answer."""
        return time.monotonic() - self._of(system).answered_at < FRESH_S

    def stop(self) -> None:
        """Let the threads end after the calls that they are in."""
        for known in self._systems.values():
            if known.pool is not None:
                known.pool.shutdown(wait=False, cancel_futures=True)

    def _of(self, system: str) -> _System:
        known = self._systems.get(system)
        if known is None:
            with self._guard:
                limit = self.places.get(system)
                known = self._systems.setdefault(system, _System(limit + WAITING if limit else MOST))
        return known
