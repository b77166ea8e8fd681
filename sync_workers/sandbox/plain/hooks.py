"""Signed deliveries of a plain server: one background thread, whole records, retried while refused.

Events that wait at the same moment travel together. ``duplicates`` and ``shuffled`` make it as
careless as real senders are.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from datetime import UTC, datetime
from typing import Any

import requests

from sync_workers.connectors.plain.signatures import headers
from sync_workers.sandbox.plain.nesting import Json

MOST = 100


class Hooks:
    """Delivers events to ``url``; stopped and started freely, its queue is kept."""

    def __init__(self, seed: int = 1) -> None:
        self.url = ""
        self.secret = ""
        self.kinds: set[str] | None = None
        self.most = 1
        self.whole = True
        self.duplicates = 0.0
        self.shuffled = False
        self.tries = 20
        self.retry_s = 0.2
        self.delivered: list[Json] = []
        self.failed = 0
        self._random = random.Random(seed)  # noqa: S311 - a repeatable draw, not a secret
        self._queue: queue.Queue[Json | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._pending = 0
        self._changed = threading.Condition()
        self._issued = 0

    def enqueue(self, event: Json) -> None:
        """Give the event its id and hand it to the sender; nothing happens without a ``url``."""
        if not self.url or (self.kinds is not None and event["kind"] not in self.kinds):
            return
        with self._changed:
            self._issued += 1
            event["id"] = f"event-{self._issued}"
            self._pending += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="plain hooks", daemon=True)
                self._thread.start()
        self._queue.put(event)

    def wait_until_sent(self, seconds: float = 10.0) -> bool:
        """Block until nothing waits; False when ``seconds`` were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._pending == 0, seconds)

    def stop(self) -> None:
        self._stopping.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._stopping.is_set():
                first = self._queue.get()
                if first is None:
                    return
                batch = [first]
                while len(batch) < self.most:
                    try:
                        event = self._queue.get_nowait()
                    except queue.Empty:
                        break
                    if event is None:
                        return
                    batch.append(event)
                if self.shuffled:
                    self._random.shuffle(batch)
                times = 2 if self._random.random() < self.duplicates else 1
                for _ in range(times):
                    self._deliver(session, batch)
                with self._changed:
                    self._pending -= len(batch)
                    self._changed.notify_all()

    def _deliver(self, session: requests.Session, batch: list[Json]) -> None:
        body = json.dumps({"events": batch}, ensure_ascii=False).encode()
        for attempt in range(self.tries):
            proof = headers(self.secret, datetime.now(UTC), body)
            answer = 0
            try:
                reply = session.post(
                    self.url, data=body, headers={"Content-Type": "application/json", **proof}, timeout=5
                )
                answer = reply.status_code
            except requests.RequestException:
                answer = 0
            if len(self.delivered) < 100_000:
                self.delivered.append({"at": time.time(), "status": answer, "events": len(batch)})
            if 200 <= answer < 300:
                return
            if self._stopping.wait(self.retry_s * min(attempt + 1, 10)):
                break
        self.failed += len(batch)


def event_of(record: Any, op: str, *, whole: bool) -> Json:
    """Describe one change as plain tells it."""
    return {
        "kind": record.kind,
        "record_id": record.id,
        "op": op,
        "version": record.version,
        "by": record.by,
        "same_as": list(record.same_as),
        "record": record.dump() if whole else None,
    }
