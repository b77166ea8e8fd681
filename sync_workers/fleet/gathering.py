"""Wake-ups that this process has read, gathered until somebody takes them up: one drain for several messages.

A drain's statements cost the same for one record as for many. So one drain of a process is planning at one time,
and while its calls are out the next one plans; meanwhile messages pile up here, and whoever comes next takes all of
them along. More threads than that would only wait for the interpreter in turns. Nobody waits for long: a drain that
hangs in a slow read, or whose calls take their time, holds up no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

AT_ONCE = 2  # drains: one that plans, one whose calls are out
QUICK_S = 0.1  # calls that take longer leave the interpreter to others
MOST = 64  # more records in one drain would wait for each other longer than they save
PATIENCE_S = 0.5  # longer than a drain takes where nothing is slow


class Gathering:
    """The ids of one source. Losing them loses nothing: the records stay due, and the sweep names them again."""

    def __init__(self, *, at_once: int = AT_ONCE, most: int = MOST, patience_s: float = PATIENCE_S) -> None:
        self._room = threading.BoundedSemaphore(at_once)
        self._gate = threading.BoundedSemaphore(1)
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
    def turn(self) -> Iterator[tuple[list[int], Callable[[float], None]]]:
        """Wait for a turn and give what is pending then, the oldest first (none: others took it along), and what
        says that the records' calls are out, and for how many seconds. An error puts the ids back."""
        room, gate = _Place(self._room, self._patience_s), _Place(self._gate, self._patience_s)

        def wait(seconds: float) -> None:
            gate.leave()
            if seconds > QUICK_S:
                room.leave()

        taken = self._take()
        try:
            yield taken, wait
        except BaseException:
            with self._guard:
                self._pending = {**dict.fromkeys(taken), **self._pending}
            raise
        finally:
            gate.leave()
            room.leave()

    def _take(self) -> list[int]:
        with self._guard:
            taken = list(self._pending)[:self._most]
            for number in taken:
                del self._pending[number]
        return taken


class _Place:
    """One of a semaphore's places, if it came free in time; it is left once."""

    def __init__(self, semaphore: threading.BoundedSemaphore, patience_s: float) -> None:
        self._semaphore = semaphore
        self._is_held = semaphore.acquire(timeout=patience_s)

    def leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._semaphore.release()
