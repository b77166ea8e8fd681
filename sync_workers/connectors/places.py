"""Places: how many calls may be in flight at one system, counted for the whole fleet in Redis.

A place that comes free is handed to a thread of this process that waits for one, lease and all, which keeps a
system busy that allows few calls at a time. Redis hears of it within a second; and now and then, while another
process waits, too, a place is left to whoever looks first. What the dead held runs out with its lease.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Counter
from redis import Redis
from redis.exceptions import RedisError

PREFIX = "sync:limit"
LEASE_MARGIN_S = 5.0
UNHEARD_S = 1.0  # so much of a lease may be over when its place is handed on without Redis
LOOK_AGAIN_S = (0.004, 0.03)  # other processes' places come free unheard, so we look
RARER, RAREST_S = 0.15, 0.1  # of what a place was held for lately, if longer: each look is a round trip
SHARED = 3  # of so many places one may go to another process: an empty one is idle until somebody looks
SHARED_EVERY_S = 0.1  # at most
WAITS_LOOKS = 2  # a process that looked in vain counts as waiting for twice the time to its next look
STEP_ASIDE_S = 0.0003  # whoever gave a place up is in no hurry, and the heir needs the interpreter
AWAY_S = 1.0  # how long Redis is left alone after it failed
ANSWER_WITHIN_S = 10.0  # above the time-out of Redis: whoever hands over always says how that went

LOCAL = Counter(
    "sync_limiter_local_total", "Slots given out of the local share because Redis was away", ["system"]
)

# Returns 0 when the place is ours, else the milliseconds until the oldest lease runs out.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
  redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]) + 60000)
  return 0
end
local waits = redis.call('ZSCORE', KEYS[2], ARGV[4])
if not waits or tonumber(waits) < now + tonumber(ARGV[5]) then
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[5]), ARGV[4])
end
redis.call('PEXPIRE', KEYS[2], 60000)
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, tonumber(oldest[2]) - now)
"""
# Gives a place up. To the heir that is named, unless its lease had run out, or another process waits and this
# one is to be shared: then 0.
_HAND_OVER = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if ARGV[2] == '' or not held or tonumber(held) <= now then return 0 end
if ARGV[5] == '1' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  local waiting = redis.call('ZCARD', KEYS[2])
  if redis.call('ZSCORE', KEYS[2], ARGV[4]) then waiting = waiting - 1 end
  if waiting > 0 then return 0 end
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]) + 60000)
return 1
"""

Leave = Callable[[], None]


def own_name() -> str:
    """Return how this process is called where it holds something: host and process number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def free_places(redis: Redis, worker: str) -> int:
    """Give back the places that a dead process held, and return how many; else their leases run out."""
    freed = 0
    for key in redis.scan_iter(match=f"{PREFIX}:flight:*"):
        members: list[bytes] = redis.zrange(key, 0, -1)  # type: ignore[assignment]
        held = [member for member in members if member.startswith(f"{worker}/".encode())]
        freed += int(redis.zrem(key, *held)) if held else 0
    return freed


class Reach:
    """Redis as the limits use it: left alone for a moment after it failed."""

    def __init__(self, redis: Redis | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.redis = redis
        self.away_until = 0.0
        self._clock = clock

    def is_there(self) -> bool:
        return self.redis is not None and self._clock() >= self.away_until

    def failed(self) -> None:
        self.away_until = self._clock() + AWAY_S


@dataclass(frozen=True)
class _Place:
    """What Redis counts under this name, until its lease ends on our clock."""

    name: str
    ends_at: float


@dataclass(eq=False)
class _Waiter:
    """A thread that looked in vain. Once it is named as heir it waits to hear whether the place is its own."""

    name: str
    lease_s: float
    told: threading.Event = field(default_factory=threading.Event)
    place: _Place | None = None


@dataclass
class _Local:
    """One process's own count of one thing, and its threads that wait, the longest first."""

    in_flight: int = 0
    held_s: float = 0.0
    given_up: int = 0
    shared_at: float = 0.0
    most: int = 1
    waiting: deque[_Waiter] = field(default_factory=deque)
    guard: threading.Lock = field(default_factory=threading.Lock)


class Places:
    """Gives out places. ``share`` is the part of them that one process may use while Redis is away."""

    def __init__(self, reach: Reach, *, share: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._reach = reach
        self._share = share
        self._clock = clock
        self._locals: dict[str, _Local] = {}
        self._guard = threading.Lock()
        self._owner = f"{own_name()}/{uuid.uuid4().hex}"
        if reach.redis is not None:
            self._take = reach.redis.register_script(_TAKE)
            self._hand_over = reach.redis.register_script(_HAND_OVER)

    def enter(self, system: str, key: str, most: int, budget_s: float, until: float) -> Leave | int:
        """Wait for one of ``most`` places and return what gives it back; at ``until``, how many ms it may take yet."""
        me = _Waiter(f"{own_name()}/{uuid.uuid4().hex}", budget_s + LEASE_MARGIN_S)
        mine = self._local(key)
        mine.most = most
        while True:
            soonest, latest = LOOK_AGAIN_S
            latest = max(latest, min(RARER * mine.held_s, RAREST_S))
            threads = len(mine.waiting) + 1  # take turns in looking: whoever is handed a place need not have looked
            if self._reach.is_there():
                now = self._clock()
                try:
                    waits_ms = int(WAITS_LOOKS * threads * latest * 1000)
                    args: list[str | int] = [most, me.name, int(me.lease_s * 1000), self._owner, waits_ms]
                    left_ms = int(self._take(keys=self._keys(key), args=args))
                except RedisError:
                    self._reach.failed()
                    continue
                if left_ms == 0:
                    return self._entered(mine, key, _Place(me.name, now + me.lease_s))
            else:
                with mine.guard:
                    if mine.in_flight < max(1, most // self._share):
                        mine.in_flight += 1
                        LOCAL.labels(system).inc()
                        return lambda: self._leave_local(mine)
                left_ms = 1000
            left_s = until - self._clock()
            if left_s <= 0:
                return left_ms
            pause_s = threads * random.uniform(soonest, latest)  # noqa: S311 -- only spreads the looks
            inherited = self._inherits(mine, me, min(left_s, pause_s))
            if inherited is not None:
                return self._entered(mine, key, inherited)

    def _entered(self, mine: _Local, key: str, place: _Place) -> Leave:
        at = self._clock()

        def leave() -> None:
            mine.held_s = self._clock() - at
            self._leave(mine, key, place)

        return leave

    def _inherits(self, mine: _Local, me: _Waiter, seconds: float) -> _Place | None:
        """Wait a moment to be given a place that comes free in this process."""
        me.told.clear()
        with mine.guard:
            mine.waiting.append(me)
        me.told.wait(seconds)
        with mine.guard:
            is_heir = me not in mine.waiting
            if not is_heir:
                mine.waiting.remove(me)
        if is_heir:
            me.told.wait(ANSWER_WITHIN_S)
        return me.place

    def _leave(self, mine: _Local, key: str, place: _Place) -> None:
        with mine.guard:
            heir = mine.waiting.popleft() if mine.waiting else None
            mine.given_up += 1
            now = self._clock()
            is_shared = mine.given_up >= SHARED and now >= mine.shared_at + SHARED_EVERY_S
            if is_shared:
                mine.given_up, mine.shared_at = 0, now
        is_quiet = mine.most > 1 and not is_shared and self._reach.is_there()  # a single place keeps work apart
        if heir is not None and is_quiet and place.ends_at - now >= heir.lease_s - UNHEARD_S:
            heir.place = place
            heir.told.set()
            time.sleep(STEP_ASIDE_S)
            return
        try:
            named = (heir.name, int(heir.lease_s * 1000)) if heir else ("", 0)
            args: list[str | int] = [place.name, *named, self._owner, int(is_shared)]
            if self._hand_over(keys=self._keys(key), args=args) == 1 and heir is not None:
                heir.place = _Place(heir.name, now + heir.lease_s)
        except RedisError:  # the leases in the set run out by themselves
            self._reach.failed()
        finally:
            if heir is not None:
                heir.told.set()

    def _leave_local(self, mine: _Local) -> None:
        with mine.guard:
            mine.in_flight -= 1
            heir = mine.waiting.popleft() if mine.waiting else None
        if heir is not None:  # it looks again at once
            heir.told.set()

    def _keys(self, key: str) -> list[str]:
        return [f"{PREFIX}:flight:{key}", f"{PREFIX}:waits:{key}"]

    def _local(self, key: str) -> _Local:
        with self._guard:
            return self._locals.setdefault(key, _Local())
