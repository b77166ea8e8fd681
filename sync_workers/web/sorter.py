"""Sorting what a burst left on the doorstep: in one thread, when there is time, and a little while there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.ledger.inbox import Arrived

log = logs.get(__name__)

EACH_S = 0.01  # in a burst, from an arrival to the next: enough to keep workers busy, a twentieth of the machine's time
LOOK_S = 0.02
AGAIN_S = 1.0  # the ledger is away


class Sorter:
    """Calls ``sort`` until it returns None, whenever it is rung, and tells ``committed`` of what became due."""

    def __init__(
        self,
        sort: Callable[[], Sequence[Arrived] | None],
        committed: Callable[[Sequence[Arrived]], None],
        *,
        rested: Callable[[], object] = lambda: None,
        each_s: float = EACH_S,
    ) -> None:
        """``rested`` is called when all of what was there is sorted; ``each_s`` is the pace of a burst."""
        self._sort = sort
        self._committed = committed
        self._rested = rested
        self._each_s = each_s
        self.is_busy: Callable[[], bool] = lambda: False
        self._rung = threading.Event()
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Say that something lies there; returns at once."""
        if self._rung.is_set():
            return
        self._rung.set()
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="sorter", daemon=True)
                self._thread.start()

    def stop(self, within_s: float) -> None:
        """Sort what lies there, as far as the time allows; what is left is the sweep's."""
        self._stopped.set()
        self.ring()
        if self._thread is not None:
            self._thread.join(within_s)

    def _work(self) -> None:
        next_at = 0.0
        has_sorted = False
        while True:
            self._rung.wait()
            while self.is_busy() and time.monotonic() < next_at and not self._stopped.is_set():
                time.sleep(LOOK_S)
            self._rung.clear()
            began = time.monotonic()
            count = self._sort_once()
            if count is not None:
                next_at = began + count * self._each_s
                has_sorted = True
                self._rung.set()
                continue
            if has_sorted:
                has_sorted = False
                self._rested()
            if self._stopped.is_set():
                return

    def _sort_once(self) -> int | None:
        """Return how many were sorted; None when there are no more, or no time for them."""
        try:
            arrived = self._sort()
            if arrived is None:
                return None
            self._committed(arrived)
            return len(arrived)
        except TransientError as error:
            log.warning("What lies on the doorstep waits for the ledger", error=type(error).__name__)
        except Exception:  # without its thread the sweep alone would sort
            log.exception("The sorter met a defect")
        return None if self._stopped.wait(AGAIN_S) else 0
