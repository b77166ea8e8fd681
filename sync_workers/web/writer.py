"""Group commit: the deliveries that wait at the same moment share one transaction.

A bounded queue and one writer thread per process. Knows neither HTTP nor SQL: ``commit`` stores a
list of arrivals in one transaction and ``committed`` is told of what became due, after the commit.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge, Histogram

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.ledger.inbox import Arrival, Arrived

log = logs.get(__name__)

MOST_WAITING = 512  # deliveries; beyond it the sender is told to come again
MOST_IN_A_GROUP = 200  # arrivals in one transaction: one statement's parameters, and row locks held shortly
ANSWER_WITHIN_S = 4.5  # HubSpot and Shopify hang up after 5 s, and an answer unheard is work done twice

GROUP_SIZE = Histogram(
    "sync_commit_events", "Events stored by one commit", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
QUEUE_DEPTH = Gauge("sync_commit_queue", "Deliveries that wait for a commit", multiprocess_mode="livesum")
REPEATED = Counter("sync_commit_repeated_total", "Groups that failed and were stored one delivery at a time")

Commit = Callable[[Sequence[Arrival]], Sequence[Arrived]]
Tell = Callable[[Sequence["Delivery"]], None]


class QueueFull(TransientError):
    """As many deliveries wait as we are willing to hold."""


class Unknown(TransientError):
    """The commit's fate is not known, or not known in time."""


@dataclass(eq=False)
class Delivery:
    """One delivery on its way into the ledger. ``refused``: what the ledger cannot hold, with why.

    Once its fate is known the writer's thread calls ``tell`` with it, and with all others of the group that
    have the same one.
    """

    arrivals: Sequence[Arrival]
    tell: Tell
    refused: list[tuple[Arrival, Exception]] = field(default_factory=list)
    error: Exception | None = None
    given_up: bool = False

    def give_up(self) -> None:
        """Say that nobody waits any longer: what has not been taken into a group is not stored."""
        self.given_up = True
        self.error = Unknown("the ledger did not answer in time")

    def outcome(self) -> list[tuple[Arrival, Exception]]:
        """Return what was refused. Raises a TransientError when the commit failed or is not known."""
        if self.error is not None:
            raise self.error
        return self.refused


class GroupWriter:
    """Stores deliveries in groups, and says so once the commit of each is known."""

    def __init__(
        self,
        commit: Commit,
        committed: Callable[[Sequence[Arrived]], None] = lambda arrived: None,
        *,
        most_waiting: int = MOST_WAITING,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._commit = commit
        self._committed = committed
        self._most_waiting = most_waiting
        self.answer_within_s = answer_within_s
        self._waiting: deque[Delivery] = deque()
        self._ring = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def store(self, arrivals: Sequence[Arrival]) -> list[tuple[Arrival, Exception]]:
        """Store all of a delivery and return what the ledger cannot hold (NUL in a text, say), with why.

        Raises QueueFull, or a TransientError when the commit failed or is not known: then the
        sender must come again, and storing it twice is harmless.
        """
        settled = threading.Event()
        delivery = self.submit(arrivals, lambda _: settled.set())
        if not settled.wait(self.answer_within_s):
            delivery.give_up()
        return delivery.outcome()

    def submit(self, arrivals: Sequence[Arrival], tell: Tell) -> Delivery:
        """Queue a delivery and return at once; ``tell`` is called when its ``outcome`` is known. Raises QueueFull."""
        delivery = Delivery(arrivals, tell)
        with self._ring:
            if self._stopped or len(self._waiting) >= self._most_waiting:
                raise QueueFull("too many deliveries wait for the ledger")
            self._waiting.append(delivery)
            if self._thread is None:  # not before: a server may fork after the application was loaded
                self._thread = threading.Thread(target=self._write, name="group-writer", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:  # else it was rung for the first, or is at work and comes back by itself
                self._ring.notify()
        return delivery

    def stop(self) -> None:
        """Store what waits, take nothing more, and return."""
        with self._ring:
            self._stopped = True
            self._ring.notify()
        if self._thread is not None:
            self._thread.join(self.answer_within_s)

    def _write(self) -> None:
        while group := self._next_group():
            try:
                self._write_group(group)
            except Exception as error:  # a defect of ours must not leave the queue without its writer
                log.exception("The group writer met a defect")
                for delivery in group:
                    delivery.error = delivery.error or Unknown(f"{type(error).__name__} while storing")
            _tell_all(group)

    def _next_group(self) -> list[Delivery]:
        """Wait for work and take what waits, up to a group; empty when stopped and drained."""
        with self._ring:
            while not self._waiting and not self._stopped:
                self._ring.wait()
            group: list[Delivery] = []
            size = 0
            while self._waiting and (not group or size + len(self._waiting[0].arrivals) <= MOST_IN_A_GROUP):
                delivery = self._waiting.popleft()
                if not delivery.given_up:
                    group.append(delivery)
                    size += len(delivery.arrivals)
            QUEUE_DEPTH.set(len(self._waiting))
            if not group and not self._stopped:
                return self._next_group()
            return group

    def _write_group(self, group: Sequence[Delivery]) -> None:
        arrivals = [arrival for delivery in group for arrival in delivery.arrivals]
        if not arrivals:
            return
        try:
            arrived = self._commit(arrivals)
        except TransientError as error:  # the ledger is away: one by one would only time out as often
            for delivery in group:
                delivery.error = error
            return
        except Exception as error:
            REPEATED.inc()
            log.warning(
                "A group commit failed and is repeated one by one",
                deliveries=len(group),
                error=type(error).__name__,
            )
            for delivery in group:
                self._write_alone(delivery)
            return
        GROUP_SIZE.observe(len(arrivals))
        self._tell(arrived)

    def _write_alone(self, delivery: Delivery) -> None:
        """Store one delivery of a group that failed (protocol A3), arrival by arrival where it must be."""
        parts = (
            [delivery.arrivals]
            if len(delivery.arrivals) == 1
            else [delivery.arrivals, *[[arrival] for arrival in delivery.arrivals]]
        )
        for part in parts:
            try:
                arrived = self._commit(part)
            except TransientError as error:
                delivery.error = error
                return
            except Exception as error:
                if len(part) == 1:
                    delivery.refused.append((part[0], error))
                continue
            GROUP_SIZE.observe(len(part))
            self._tell(arrived)
            if part is delivery.arrivals:
                return

    def _tell(self, arrived: Sequence[Arrived]) -> None:
        started = time.monotonic()
        self._committed(arrived)
        if time.monotonic() - started > 1.0:
            log.warning("Telling of a commit held up the writer")


def _tell_all(group: Sequence[Delivery]) -> None:
    told: dict[Tell, list[Delivery]] = defaultdict(list)
    for delivery in group:
        told[delivery.tell].append(delivery)
    for tell, deliveries in told.items():
        try:
            tell(deliveries)
        except Exception:  # the others still wait for their answers
            log.exception("A settled delivery could not be told")
