"""Wake-ups: messages that hurry along what the ledger already says is due.

Losing one costs a few seconds, until the sweep; so a publish is tried once, briefly, and counted when
it fails. A mark in Redis says that a message for a record is still unread, and then no second one is
sent: whoever reads it claims after us, and so sees what we committed. The reader takes marks away
(``unmark``) before it claims; lost messages leave marks that soon expire.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter
from redis import Redis
from redis.exceptions import RedisError

from sync_workers import logs
from sync_workers.fleet.app import LONGEST_COUNTDOWN_S
from sync_workers.fleet.gathering import MOST
from sync_workers.fleet.messages import DRAIN, SORT, redis_item, send
from sync_workers.fleet.queues import LIVE, queue_of

log = logs.get(__name__)

IDS_PER_MESSAGE = MOST  # as many as one drain takes up
MARK = "sync:woken:"
DOORSTEP = "doorstep"  # beside the records' ids
MARK_MS = 30_000  # a message lost without its mark costs this; a wiped broker loses both
REST = "sync:rest:"
PACE = "sync:pace:"
LATER = "sync:later:"
REST_MS, LONGEST_REST_MS = 500, 2000
AWAY_S = 1.0  # how long a broker that failed is left alone
SCANNED = 1000
JUST_AFTER_S = 0.05  # a countdown must not end before the ledger's date does

PUBLISHED = Counter("sync_wakeups_total", "Records named in published wake-ups", ["queue"])
UNPUBLISHED = Counter(
    "sync_wakeups_failed_total", "Records whose wake-up was not published; the sweep finds them"
)

# Marks what is not marked yet and returns the positions of those; if that is all, the messages are pushed.
_PUSH = """
local fresh = {}
for i = 2, #KEYS do
  if redis.call('SET', KEYS[i], '1', 'NX', 'PX', ARGV[1]) then fresh[#fresh + 1] = i - 1 end
end
if #fresh == #KEYS - 1 then redis.call('LPUSH', KEYS[1], unpack(ARGV, 2)) end
return fresh
"""

# Takes the marks of these ids away. For one that rests: the milliseconds left when nobody has been told to come
# back then, else -1; 0 for one that may be worked on now.
_TAKE = """
local left = {}
for i, id in ipairs(ARGV) do
  redis.call('UNLINK', KEYS[1] .. id)
  local rest = redis.call('PTTL', KEYS[2] .. id)
  if rest <= 0 then left[i] = 0
  elseif redis.call('SET', KEYS[3] .. id, '1', 'NX', 'PX', rest) then left[i] = rest
  else left[i] = -1 end
end
return left
"""
# A record that comes back right after its rest rests twice as long.
_REST = """
local rests = {}
for i = 3, #ARGV do
  local last = tonumber(redis.call('GET', KEYS[2] .. ARGV[i]) or '0')
  local rest = math.min(math.max(tonumber(ARGV[1]), 2 * last), tonumber(ARGV[2]))
  redis.call('SET', KEYS[1] .. ARGV[i], '1', 'PX', rest)
  redis.call('SET', KEYS[2] .. ARGV[i], rest, 'PX', 2 * rest)
  rests[i - 2] = rest
end
return rests
"""

Send = Callable[[str, list[Any], str, float | None], None]


@dataclass(frozen=True)
class Wake:
    """One record to wake, in which queue, and how long from now."""

    record_id: int
    queue: str
    wait_s: float = 0.0


def wake_of(record_id: int, kind: str, *, source: str = "webhook", wait_s: float = 0.0) -> Wake:
    """Return the wake-up that a record of this kind needs."""
    return Wake(record_id, queue_of(kind, source), wait_s)


class Wakeups:
    """Publishes wake-ups, each record once while a message for it is unread. Never raises, seldom blocks."""

    def __init__(
        self,
        redis: Redis | None,
        send: Send = send,
        *,
        ids_per_message: int = IDS_PER_MESSAGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._send = send
        self._ids_per_message = ids_per_message
        self._clock = clock
        self._away_until = 0.0
        self._push: Any = redis.register_script(_PUSH) if redis is not None else None
        self._taking: Any = redis.register_script(_TAKE) if redis is not None else None
        self._resting: Any = redis.register_script(_REST) if redis is not None else None

    def publish(self, wakes: Iterable[Wake]) -> int:
        """Publish what is not on its way already; returns how many records were named.

        Waits beyond a minute are left to the sweep. While the broker is down nothing is tried for a second.
        """
        groups: dict[tuple[str, float], dict[int, None]] = defaultdict(dict)
        for wake in dict.fromkeys(wakes):
            if wake.wait_s <= LONGEST_COUNTDOWN_S:
                # one message for what is due in the same quarter of a second
                groups[wake.queue, math.ceil(wake.wait_s * 4) / 4][wake.record_id] = None
        if groups and self._clock() < self._away_until:
            UNPUBLISHED.inc(sum(len(ids) for ids in groups.values()))
            return 0
        return sum(self._publish_group(queue, wait_s, list(ids)) for (queue, wait_s), ids in groups.items())

    def knock(self) -> None:
        """Publish that something lies on the doorstep, once while nobody has read it."""
        if self._clock() < self._away_until:
            UNPUBLISHED.inc()
            return
        try:
            if self._redis is not None:
                self._push(keys=[LIVE, f"{MARK}{DOORSTEP}"], args=[MARK_MS, redis_item(SORT, [], LIVE)])
            else:
                self._send(SORT, [], LIVE, None)
        except Exception as error:
            self._leave(LIVE, 1, error)

    def take(self, record_ids: Sequence[int]) -> tuple[list[int], dict[int, float]]:
        """Take these records' messages as read; before they are claimed.

        Returns those to work on now, and how many seconds others still rest that nobody was told to come back to.
        A record that was settled a moment ago rests, so that a run of edits costs a few runs and not one each.
        """
        if self._taking is None or not record_ids:
            return list(record_ids), {}
        try:
            left = self._taking(keys=[MARK, REST, LATER], args=list(record_ids))
        except RedisError:
            log.warning("Wake-up marks stay until they expire")
            return list(record_ids), {}
        pairs = list(zip(record_ids, left, strict=True))
        return [number for number, ms in pairs if ms == 0], {number: ms / 1000 for number, ms in pairs if ms > 0}

    def rest(self, record_ids: Sequence[int]) -> dict[int, float]:
        """Let records that were just settled rest a moment; return for how many seconds each."""
        if self._resting is None or not record_ids:
            return {}
        try:
            rests = self._resting(keys=[REST, PACE], args=[REST_MS, LONGEST_REST_MS, *record_ids])
        except RedisError:
            return {}
        return {number: ms / 1000 for number, ms in zip(record_ids, rests, strict=True)}

    def unmark(self, marked: Sequence[int | str]) -> None:
        """Say that the message for these records has been read; before they are claimed. Or for the doorstep."""
        if self._redis is None or not marked:
            return
        try:
            self._redis.unlink(*[f"{MARK}{one}" for one in marked])
        except RedisError:
            log.warning("Wake-up marks stay until they expire")

    def _publish_group(self, queue: str, wait_s: float, ids: list[int]) -> int:
        published = 0
        try:
            if self._redis is not None and wait_s <= 0:
                published = self._push_unmarked(queue, ids)
            else:
                for part in self._parts(ids):
                    self._send(DRAIN, [part], queue, wait_s + JUST_AFTER_S if wait_s > 0 else None)
                    published += len(part)
        except Exception as error:
            self._leave(queue, len(ids) - published, error)
            if wait_s <= 0:
                self.unmark(ids[published:])
        PUBLISHED.labels(queue).inc(published)
        return published

    def _leave(self, queue: str, count: int, error: Exception) -> None:
        """Leave it to the sweep, whatever client of whatever broker failed: the ledger knows what is due."""
        self._away_until = self._clock() + AWAY_S
        UNPUBLISHED.inc(count)
        log.warning("A wake-up was not published", queue=queue, error=type(error).__name__)

    def _push_unmarked(self, queue: str, ids: list[int]) -> int:
        """Mark these and push their messages, in one round trip unless some of them are on their way already."""
        keys = [queue, *[f"{MARK}{number}" for number in ids]]
        items = [redis_item(DRAIN, [part], queue) for part in self._parts(ids)]
        fresh = self._push(keys=keys, args=[MARK_MS, *items])
        if 0 < len(fresh) < len(ids):
            rest = [ids[position - 1] for position in fresh]
            self._redis.lpush(queue, *[redis_item(DRAIN, [part], queue) for part in self._parts(rest)])  # type: ignore[union-attr]
        return len(fresh)

    def _parts(self, ids: list[int]) -> list[list[int]]:
        return [ids[start : start + self._ids_per_message] for start in range(0, len(ids), self._ids_per_message)]


def forget_marks(redis: Redis) -> int:
    """Take all marks away, so that the next sweep names whatever is due; returns how many there were.

    For when a worker has died that may have read messages: nobody knows which. A record that is named twice
    is claimed once.
    """
    forgotten = 0
    marks: list[Any] = []
    for mark in redis.scan_iter(match=f"{MARK}*", count=SCANNED):
        marks.append(mark)
        if len(marks) == SCANNED:
            forgotten += int(redis.unlink(*marks))
            marks.clear()
    return forgotten + (int(redis.unlink(*marks)) if marks else 0)
