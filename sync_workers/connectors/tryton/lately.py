"""An answer that holds for a moment: what every read needs and nobody changes from one second to the next."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sync_workers.connectors.tryton.session import Deadline

T = TypeVar("T")

STANDING_S = 5.0  # for what a person may change any day: the day itself, a warehouse's places, a rate


class Lately(Generic[T]):
    """Asks at most every ``for_s`` seconds; in between it gives the last answer. What fails is asked again."""

    def __init__(
        self, ask: Callable[[Deadline], T], for_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._for_s = for_s
        self._clock = clock
        self._last: tuple[float, T] | None = None

    def get(self, within: Deadline) -> T:
        last = self._last
        now = self._clock()
        if last is not None and now < last[0] + self._for_s:
            return last[1]
        answer = self._ask(within)
        self._last = now, answer  # the time of asking: the answer is not younger
        return answer
