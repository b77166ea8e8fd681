"""Publishing wake-ups apart from whoever has news, and the more seldom the more there is to say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from sync_workers import logs
from sync_workers.fleet.wakeups import UNPUBLISHED, Wake, Wakeups

log = logs.get(__name__)

MOST_PENDING = 50_000
LEAST_PAUSE_S, MOST_PAUSE_S = 0.01, 0.05  # from the beginning of one push to that of the next
PAUSE_EACH_S = 0.005


def pause_after(named: int) -> float:
    """Return the seconds from a push that named so many to the next one.

    In a burst each push then names dozens, and a drain of dozens costs little for each; below a hundred records
    a second nobody waits longer than for one push.
    """
    return min(MOST_PAUSE_S, max(LEAST_PAUSE_S, named * PAUSE_EACH_S))


class Publisher:
    """Publishes apart from whoever has news: a bounded set of wakes and one thread."""

    def __init__(
        self,
        wakeups: Wakeups,
        *,
        most_pending: int = MOST_PENDING,
        pause: Callable[[int], float] = pause_after,
    ) -> None:
        self._wakeups = wakeups
        self._pause = pause
        self._most_pending = most_pending
        self._pending: dict[Wake, None] = {}
        self._knocks = False
        self._ring = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def add(self, wakes: Iterable[Wake]) -> None:
        """Hand wake-ups over; returns at once. What does not fit is counted and left to the sweep."""
        with self._ring:
            for wake in wakes:
                if len(self._pending) >= self._most_pending:
                    UNPUBLISHED.inc()
                else:
                    self._pending[wake] = None
            self._start()

    def knock(self) -> None:
        """Say that something lies on the doorstep; returns at once."""
        with self._ring:
            self._knocks = True
            self._start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is pending; False when that took too long."""
        with self._ring:
            return self._ring.wait_for(lambda: not self._has_news() and not self._busy, timeout_s)

    def _has_news(self) -> bool:
        return self._knocks or bool(self._pending)

    def _start(self) -> None:
        if self._thread is None and self._has_news():
            self._thread = threading.Thread(target=self._publish, name="publisher", daemon=True)
            self._thread.start()
        self._ring.notify_all()

    def _publish(self) -> None:
        while True:
            with self._ring:
                self._ring.wait_for(self._has_news)
                taken, knocks = list(self._pending), self._knocks
                self._pending, self._knocks, self._busy = {}, False, True
            pushed_at = time.monotonic()
            try:
                self._wakeups.publish(taken)
                if knocks:
                    self._wakeups.knock()
            except Exception:  # without its thread every later wake-up would be lost in silence
                log.exception("The publisher met a defect")
            with self._ring:
                self._busy = False
                self._ring.notify_all()
            time.sleep(max(0.0, pushed_at + self._pause(len(taken)) - time.monotonic()))
