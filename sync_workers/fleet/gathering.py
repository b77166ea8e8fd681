"""Wake-ups that this process has read, gathered until somebody takes them up: one drain for several messages.

A drain's statements cost the same for one record as for many. So one drain of a process is planning at one time;
meanwhile messages pile up here, and whoever comes next takes all of them along. Nobody waits for long: a drain
that hangs in a slow read holds up no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

AT_ONCE = 1
MOST = 64  # more records in one drain would wait for each other longer than they save
PATIENCE_S = 0.05


class Gathering:
    """The ids of one source. Losing them loses nothing: the records stay due, and the sweep names them again."""

    def __init__(self, *, at_once: int = AT_ONCE, most: int = MOST, patience_s: float = PATIENCE_S) -> None:
        self._gate = threading.BoundedSemaphore(at_once)
        self._most, self._patience_s = most, patience_s
        self._pending: dict[int, None] = {}
        self._guard = threading.Lock()

    def bring(self, ids: Sequence[int]) -> None:
        """Add what a message named. Whoever brings takes turns afterwards until it ``has_any`` of them no more."""
        with self._guard:
            self._pending.update(dict.fromkeys(ids))

    def has_any(self, ids: Sequence[int]) -> bool:
        """Whether nobody has taken up one of these yet: a message may name more than one drain should have."""
        with self._guard:
            return not self._pending.keys().isdisjoint(ids)

    @contextmanager
    def turn(self) -> Iterator[tuple[list[int], Callable[[], None]]]:
        """Wait for a turn and give what is pending then, the oldest first (none: others took it along), and what
        ends the turn early, once the records' calls are under way. An error puts the ids back."""
        is_ours = self._gate.acquire(timeout=self._patience_s)
        ended = threading.Event()

        def end() -> None:
            if is_ours and not ended.is_set():
                ended.set()
                self._gate.release()

        taken = self._take()
        try:
            yield taken, end
        except BaseException:
            with self._guard:
                self._pending = {**dict.fromkeys(taken), **self._pending}
            raise
        finally:
            end()

    def _take(self) -> list[int]:
        with self._guard:
            taken = list(self._pending)[:self._most]
            for number in taken:
                del self._pending[number]
        return taken
