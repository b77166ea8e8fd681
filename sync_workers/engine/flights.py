"""The calls of one drain that are under way: side by side, while the drain takes the answers one by one.

A system that has not answered lately is asked one call at a time, so that an outage costs a few records a
retry and not a whole batch. Otherwise threads share a round's calls, more of them the longer calls take.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sync_workers.engine import calls, endings
from sync_workers.engine.calls import Heard
from sync_workers.engine.planning import Batch
from sync_workers.engine.runs import Run
from sync_workers.errors import Throttled

FLUSH_S = 1.0  # protocol C4: at the latest a second after the oldest write
SPREAD_S = 0.03  # a round's calls that would take longer than this are shared by more threads
STUCK_S = 0.2  # after that a call that is not answered no longer keeps the next one from going out
LOOK_S = 0.01  # how often the drain looks for answers; when there are none, one more thread joins in
CREWED_S = 0.1  # how often at least, once no more threads may join in: they say when the last call is made


@dataclass
class _Lane:
    """One system's calls: those that nobody has taken up yet, and how many threads take them up."""

    system: str
    waiting: deque[list[Run]] = field(default_factory=deque)
    threads: int = 0
    taken_at: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Flights:
    """What is under way for one drain. Only the drain's own thread touches a run that is not under way."""

    batch: Batch
    under_way: int = 0
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _done: deque[tuple[_Lane, list[Run], list[Heard] | BaseException]] = field(default_factory=deque)
    _bell: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)

    def start(self, groups: Sequence[list[Run]]) -> None:
        """Have these opened calls made; each group is one call. The only one there is waits for ``collect``."""
        is_only_one = len(groups) == 1 and not self.under_way
        for group in groups:
            call = group[0].call
            assert call is not None
            self._lanes.setdefault(call.write.system, _Lane(call.write.system)).waiting.append(group)
            self.under_way += len(group)
        if not is_only_one:
            for lane in self._lanes.values():
                self._crew(lane)

    def collect(self, *, patiently: bool = True) -> list[Run]:
        """Return the runs whose calls are over, their answers taken.

        Waits for all of them, or until a second after the first; not ``patiently``: returns what there is.
        Raises what a defect in making a call raised.
        """
        back: list[Run] = []
        first_at = 0.0
        self._make_the_only_one()
        while True:
            fresh = self._take_all()
            if fresh:
                back += fresh
                first_at = first_at or time.monotonic() - CREWED_S  # it may have been there since the last look
            look_s = self._pause_s()
            left = first_at + FLUSH_S - time.monotonic() if back else look_s
            if not self.under_way or not patiently or left <= 0:
                return back
            try:
                self._bell.get(timeout=min(left, look_s))
            except queue.Empty:
                if not fresh:
                    for lane in self._lanes.values():
                        self._crew(lane, more=True)

    def left_s(self) -> float:
        """Return about how long the calls under way will take, going by the last ones."""
        expected_s = self.batch.runtime.callers.expected_s
        return max((expected_s(lane.system) * (lane.threads + len(lane.waiting)) / max(1, lane.threads)
                    for lane in self._lanes.values()), default=0.0)

    def abandon(self) -> None:
        """Make no further call of those that nobody has taken up: their attempts stay open, and are looked up."""
        for lane in self._lanes.values():
            lane.waiting.clear()

    def _make_the_only_one(self) -> None:
        """Make a call that has no company here and now: handing it over takes time, and there is nobody to wait."""
        lanes = [lane for lane in self._lanes.values() if lane.waiting]
        if len(lanes) == 1 and len(lanes[0].waiting) == 1 and len(lanes[0].waiting[0]) == self.under_way:
            lanes[0].threads += 1
            self._make(lanes[0])

    def _take_all(self) -> list[Run]:
        back: list[Run] = []
        while self._done:
            lane, group, heard = self._done.popleft()
            self.under_way -= len(group)
            if isinstance(heard, BaseException):
                raise heard
            for run, answer, took_ms in heard:
                calls.take_answer(run, answer, took_ms, self.batch)
            self._crew(lane)
            back += group
        return back

    def _pause_s(self) -> float:
        """Return the time to the next look: about a call's, unless more threads may join in sooner."""
        callers = self.batch.runtime.callers
        lanes = self._lanes.values()
        if any(lane.waiting and lane.threads < callers.most(lane.system) for lane in lanes):
            return LOOK_S
        return max(LOOK_S, min([CREWED_S, *(callers.expected_s(lane.system) for lane in lanes)]))

    def _note(self, lane: _Lane, heard: Sequence[Heard]) -> None:
        """Learn from a call before the next one goes out."""
        for _, answer, took_ms in heard:
            if not isinstance(answer, Throttled):  # waiting for a place says nothing of how long a call takes
                is_outage = isinstance(answer, BaseException) and endings.is_outage(answer)
                self.batch.runtime.callers.note(lane.system, took_ms / 1000, answered=not is_outage)

    def _crew(self, lane: _Lane, *, more: bool = False) -> None:
        """See that as many threads are at it as the system's state and pace ask for."""
        callers = self.batch.runtime.callers
        with lane.guard:
            if not lane.waiting:
                return
            if callers.is_sound(lane.system):
                wanted = lane.threads + 1 if more else callers.wanted(lane.system, len(lane.waiting), SPREAD_S)
            else:  # down, or only slow: another call may tell, and so many failures open the circuit anyway
                is_stuck = more and time.monotonic() - lane.taken_at > STUCK_S
                wanted = min(lane.threads + is_stuck, self.batch.runtime.circuit_threshold) or 1
            missing = min(wanted, callers.most(lane.system)) - lane.threads
            lane.threads += max(0, missing)
        for _ in range(missing):
            callers.submit(lane.system, partial(self._make, lane))

    def _make(self, lane: _Lane) -> None:
        """Take up calls until none is waiting; one only while the system is not known to be sound.

        The thread is out of the count before its last call is reported: whoever hears of it may send another.
        """
        callers = self.batch.runtime.callers
        while True:
            with lane.guard:
                if not lane.waiting:
                    lane.threads -= 1
                    return
                group = lane.waiting.popleft()
                lane.taken_at = time.monotonic()
            heard: list[Heard] | BaseException
            try:
                heard = calls.send(group, self.batch)
                self._note(lane, heard)
            except BaseException as error:  # goes up in the drain's own thread
                heard = error
            with lane.guard:
                is_last = not lane.waiting or not callers.is_sound(lane.system)
                lane.threads -= is_last
            self._done.append((lane, group, heard))
            if is_last:
                self._bell.put(None)  # not for each call: waking the drain costs more than a quick one takes
                return
