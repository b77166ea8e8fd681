"""A burst: what comes faster than the writer records it is put on the doorstep, straight from the event loop.

The writer records a group in full, in its thread; in a burst that costs each delivery more than all else, and thread
and loop wait for the interpreter in turns. On the doorstep a group is one row, and the loop itself waits for the
commit. A burst ends when groups become small, or nothing comes right after one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.ledger import doorstep
from sync_workers.ledger.inbox import Arrival
from sync_workers.ledger.line import Line
from sync_workers.web.writer import (
    GROUP_SIZE,
    MOST_IN_A_GROUP,
    MOST_WAITING,
    Delivery,
    GroupWriter,
    QueueFull,
    Tell,
    Unknown,
)

log = logs.get(__name__)

BURST = 8  # deliveries that wait for the writer at one moment
STILL = 4  # in a group: senders that were just answered are about to send the next
LINGER_S = 0.02
KNOCK_S = 0.5  # in a burst, from a knock to the next: the more lies there, the less it costs to sort each
MOST_TEXT = 1 << 20  # characters in one row, unless a single delivery has more


class Burst:
    """Takes deliveries on an event loop and gives them to the writer, or puts them on the doorstep."""

    def __init__(
        self,
        writer: GroupWriter,
        line: Line,
        *,
        tell: Tell,
        tell_here: Tell,
        knock: Callable[[], None],
    ) -> None:
        """``tell`` is told by the writer's thread, ``tell_here`` on the loop; ``knock``: something lies there."""
        self._writer = writer
        self._line = line
        self._tell, self._tell_here = tell, tell_here
        self._knock = knock
        self._waiting: deque[tuple[Delivery, list[str]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._lingers_until = self._knocked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        return self._task is not None or time.monotonic() < self._lingers_until

    def submit(self, arrivals: Sequence[Arrival]) -> Delivery:
        """Queue a delivery and return at once; one of the two is told when its outcome is known. Raises QueueFull."""
        if not self.is_on and self._writer.waiting < BURST:
            return self._writer.submit(arrivals, self._tell)
        texts = [text for arrival in arrivals if (text := doorstep.as_text(arrival)) is not None]
        if len(texts) < len(arrivals):  # the writer finds out what the ledger cannot hold, and says so
            return self._writer.submit(arrivals, self._tell)
        if len(self._waiting) >= MOST_WAITING:
            raise QueueFull("too many deliveries wait for the ledger")
        delivery = Delivery(arrivals, self._tell_here)
        self._waiting.append((delivery, texts))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._put_all())
        return delivery

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._knock()
        self._line.close()

    async def _put_all(self) -> None:
        try:
            while self._waiting:
                group, texts = self._next_group()
                try:
                    await self._put_group(group, texts)
                finally:
                    self._tell_here(group)
        finally:
            self._task = None

    async def _put_group(self, group: Sequence[Delivery], texts: Sequence[str]) -> None:
        if not texts:
            return
        try:
            await self._line.execute(doorstep.PUT, doorstep.as_row(texts))
        except TransientError as error:
            for delivery in group:
                delivery.error = error
        except BaseException as error:
            for delivery in group:
                delivery.error = Unknown(f"{type(error).__name__} while storing")
            if not isinstance(error, Exception):
                raise
            log.exception("Putting deliveries on the doorstep met a defect")
        else:
            GROUP_SIZE.observe(len(texts))
            if len(group) >= STILL:
                self._lingers_until = time.monotonic() + LINGER_S
            self._knock_soon()

    def _knock_soon(self) -> None:
        """Knock when the burst is over, and every now and then while it lasts, so that workers have work."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._knock_or_wait)

    def _knock_or_wait(self) -> None:
        self._timer = None
        now = time.monotonic()
        if self.is_on and now < self._knocked_at + KNOCK_S:
            self._knock_soon()
        else:
            self._knocked_at = now
            self._knock()

    def _next_group(self) -> tuple[list[Delivery], list[str]]:
        group: list[Delivery] = []
        texts: list[str] = []
        size = 0
        while self._waiting:
            delivery, mine = self._waiting[0]
            length = sum(map(len, mine))
            if group and (len(texts) + len(mine) > MOST_IN_A_GROUP or size + length > MOST_TEXT):
                break
            self._waiting.popleft()
            if not delivery.given_up:
                group.append(delivery)
                texts += mine
                size += length
        return group, texts

