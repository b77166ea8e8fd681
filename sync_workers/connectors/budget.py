"""A wall-clock budget for everything that one HTTP call does on its sockets.

A socket time-out bounds one read, not the call: a target that sends one byte every few seconds
holds its caller for ever (protocol W4). So each thread has a budget in force, which its sockets obey
(``sockets``). Nothing is shared between threads and nothing survives a fork, so no watchdog is needed.
"""

from __future__ import annotations

import threading
import time

LEAST_S = 0.001  # a socket time-out of 0 would mean non-blocking


class _Current(threading.local):
    budget: Budget | None = None
    until = float("inf")
    begun = False


_current = _Current()


class Budget:
    """What is left of one call. ``sent``: the first byte of the request went out."""

    __slots__ = ("deadline", "sent")

    def __init__(self, seconds: float) -> None:
        self.deadline = min(time.monotonic() + seconds, _current.until)
        self.sent = False

    def left(self) -> float:
        """Return the seconds left; TimeoutError when the budget is used up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call used up its time budget")
        return max(left, LEAST_S)


class within:
    """Hold every call made inside to ``seconds`` together: a write that takes several has one budget."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._outer = float("inf")

    def __enter__(self) -> None:
        self._outer = _current.until
        _current.until = min(self._outer, time.monotonic() + self._seconds)
        _current.begun = False

    def __exit__(self, *_: object) -> None:
        _current.until = self._outer
        _current.begun = False


def begin() -> None:
    """Say that something was stored: what follows ``within`` the same budget only completes it."""
    _current.begun = _current.until < float("inf")


def begun() -> bool:
    """Whether the calls under way complete a write: given up, they would leave it unsure."""
    return _current.begun


def left_of(seconds: float) -> float:
    """Return the seconds that a call may take, at most those left ``within`` the budget around it."""
    return max(0.0, min(seconds, _current.until - time.monotonic()))


class spending:
    """Make ``budget`` the one that this thread's sockets obey."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def __enter__(self) -> Budget:
        _current.budget = self.budget
        return self.budget

    def __exit__(self, *_: object) -> None:
        _current.budget = None


def in_force() -> Budget | None:
    """Return the budget that this thread's sockets obey, None outside of ``spending``."""
    return _current.budget
