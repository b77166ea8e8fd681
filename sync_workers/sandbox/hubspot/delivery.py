"""Delivers webhook events: batches them, retries them, and keeps a log.

One thread decides what is due, short-lived threads post it, never more at once than the
settings allow. Waits follow HubSpot's policy times ``webhook_retry_scale``. Which events exist
is decided in ``notices``, the single request is made by ``posting``.
Source: developers.hubspot.com, "Webhooks API": up to 100 events per request, 5 seconds to
answer, up to 10 retries within 24 hours with jitter, 10 requests at once by default.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.posting import Delivered, post
from sync_workers.sandbox.hubspot.wire import Json

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_EVENTS = 100
# The single waits are not published, only their number and that they span about a day.
RETRY_WAITS_S = (60, 300, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 18_000, 21_600)
JITTER = 0.2
KEPT_LOG = 5_000


@dataclass(order=True)
class Batch:
    """Events that travel together, and when."""

    due_at: float
    number: int
    events: list[Json] = field(compare=False)
    attempt: int = field(default=0, compare=False)


class Delivery:
    """The outgoing side of the webhooks of one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.random = random.Random(account.settings.seed)  # noqa: S311 - makes runs repeatable, guards nothing
        self.log: deque[Delivered] = deque(maxlen=KEPT_LOG)
        self.given_up: list[Json] = []
        self.paused = False
        self.in_flight = 0
        self._waiting: list[Json] = []
        self._oldest = 0.0
        self._batches: list[Batch] = []
        self._flying: dict[int, Batch] = {}
        self._number = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="hubspot-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; what is not delivered stays queued and is saved with the account."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def put(self, event: Json) -> None:
        with self._changed:
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.append(event)
            self._changed.notify_all()

    def pause(self) -> None:
        """Hold everything back, as when HubSpot is late; nothing is dropped."""
        with self._changed:
            self.paused = True

    def resume(self) -> None:
        with self._changed:
            self.paused = False
            self._changed.notify_all()

    def nudge(self) -> None:
        """Look again at what is due, after a setting has changed."""
        with self._changed:
            self._changed.notify_all()

    def retry_now(self) -> None:
        """Make every waiting batch due at once, so that nobody has to wait out a retry."""
        with self._changed:
            for batch in self._batches:
                batch.due_at = 0.0
            heapq.heapify(self._batches)
            self._changed.notify_all()

    def queued(self) -> int:
        """Count the events not yet accepted, in flight ones included."""
        with self._changed:
            batches = [*self._batches, *self._flying.values()]
            return len(self._waiting) + sum(len(batch.events) for batch in batches)

    def wait_until_idle(self, timeout_s: float = 30.0) -> bool:
        """Block until nothing is queued or in flight; False when ``timeout_s`` went by first."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._waiting or self._batches or self._flying), timeout=timeout_s
            )

    def clear(self) -> None:
        with self._changed:
            self._waiting, self._batches = [], []
            self.log.clear()
            self.given_up.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                batch = self._next()
                if batch is None:
                    self._changed.wait(self._pause_s())
                    continue
                self._flying[batch.number] = batch
                self.in_flight += 1
            threading.Thread(target=self._send, args=(batch,), name="hubspot-post", daemon=True).start()

    def _next(self) -> Batch | None:
        settings = self.account.settings
        if self.paused or not settings.webhook_url:
            return None
        self._collect()
        ready = self._batches and self._batches[0].due_at <= time.monotonic()
        if not ready or self.in_flight >= settings.max_concurrent_requests:
            return None
        return heapq.heappop(self._batches)

    def _collect(self) -> None:
        """Turn waiting events into batches once the window has passed or a batch is full."""
        window = self.account.settings.webhook_window_s
        ripe = time.monotonic() - self._oldest >= window
        while len(self._waiting) >= MAX_EVENTS or (self._waiting and ripe):
            taken, self._waiting = self._waiting[:MAX_EVENTS], self._waiting[MAX_EVENTS:]
            if self.account.settings.webhook_shuffle:
                self.random.shuffle(taken)
            self._push(taken, 0, 0.0)
            if self.random.random() < self.account.settings.webhook_duplicates:
                self._push([dict(event) for event in taken], 0, 0.0)

    def _push(self, events: list[Json], attempt: int, wait_s: float) -> None:
        self._number += 1
        heapq.heappush(self._batches, Batch(time.monotonic() + wait_s, self._number, events, attempt))

    def _pause_s(self) -> float | None:
        if self.paused or not self.account.settings.webhook_url:
            return None
        now, waits = time.monotonic(), []
        if self._waiting:
            waits.append(self._oldest + self.account.settings.webhook_window_s - now)
        if self._batches and self.in_flight < self.account.settings.max_concurrent_requests:
            waits.append(self._batches[0].due_at - now)
        return max(0.001, min(waits)) if waits else None

    def _send(self, batch: Batch) -> None:
        made = post(self.account.settings, batch.events, batch.attempt, self.account.now_ms())
        with self._changed:
            self.log.append(made)
            self.in_flight -= 1
            del self._flying[batch.number]
            if not made.is_accepted:
                self._retry(batch)
            self._changed.notify_all()
        self.account.touch()

    def _retry(self, batch: Batch) -> None:
        if batch.attempt >= len(RETRY_WAITS_S):
            self.given_up += batch.events
            return
        jitter = self.random.uniform(1 - JITTER, 1 + JITTER)
        wait_s = RETRY_WAITS_S[batch.attempt] * jitter * self.account.settings.webhook_retry_scale
        self._push(batch.events, batch.attempt + 1, wait_s)

    def dump(self) -> Json:
        """Return what is still to be delivered; batches are due at once after a restart."""
        with self._changed:
            batches = [
                {"events": b.events, "attempt": b.attempt} for b in [*self._batches, *self._flying.values()]
            ]
            return {"paused": self.paused, "waiting": list(self._waiting), "batches": batches}

    def load(self, saved: Json) -> None:
        with self._changed:
            self.paused = bool(saved["paused"])
            self._waiting = list(saved["waiting"])
            for row in saved["batches"]:
                self._push(row["events"], int(row["attempt"]), 0.0)
            self._changed.notify_all()
