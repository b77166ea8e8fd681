"""Deadlines on an event loop: one look at all of them now and then is cheaper than a timer for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

LOOK_EVERY_S = 0.25


class Deadlines(Generic[T]):
    """What must be over by a time of ``time.monotonic()``; ``late`` is told, soon after it, of what is not.

    Each is used on one event loop, the one that runs at the first ``add``.
    """

    def __init__(self, late: Callable[[T], object]) -> None:
        self._late = late
        self._until: dict[T, float] = {}
        self._look: asyncio.TimerHandle | None = None

    def add(self, what: T, until: float) -> None:
        self._until[what] = until
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_at_all)

    def remove(self, what: T) -> bool:
        """Return whether it was there: neither removed nor late."""
        return self._until.pop(what, None) is not None

    def _look_at_all(self) -> None:
        now = time.monotonic()
        for what in [what for what, until in self._until.items() if until < now]:
            if self.remove(what):
                self._late(what)
        more = bool(self._until)
        self._look = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_at_all) if more else None
