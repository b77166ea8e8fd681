"""What one system allows, shared by the whole fleet: requests per window and calls in flight.

The count lives in Redis. While Redis is away each process lives on its share of the limit, so that
the sum stays near it; that is counted in ``sync_limiter_local_total``. A system without limits costs
nothing here. Whether a call may be made at all (mode, circuit) is the engine's business.
"""

from __future__ import annotations

import math
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import Counter
from redis import Redis
from redis.exceptions import RedisError

from sync_workers.connectors.contract import Limits
from sync_workers.errors import Throttled

PREFIX = "sync:limit"
PATIENCE_S = 5.0
LEASE_MARGIN_S = 5.0
LOOK_AGAIN_S = (0.004, 0.03)  # other processes' slots come free unheard, so we look
AWAY_S = 1.0  # how long Redis is left alone after it failed

LOCAL = Counter(
    "sync_limiter_local_total", "Slots given out of the local share because Redis was away", ["system"]
)
THROTTLED = Counter("sync_limiter_throttled_total", "Calls that got no slot in time", ["system"])

# Returns 0 when the slot is ours, else the milliseconds until the oldest lease runs out.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
  redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]) + 60000)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, tonumber(oldest[2]) - now)
"""


@dataclass
class _Local:
    """One process's own count of one thing, and a bell for its waiting threads."""

    in_flight: int = 0
    freed: threading.Condition = field(default_factory=threading.Condition)


def own_name() -> str:
    """Return how this process is called where it holds something: host and process number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def free_slots(redis: Redis, worker: str) -> int:
    """Give back the places that a dead process held, and return how many; else their leases run out."""
    freed = 0
    for key in redis.scan_iter(match=f"{PREFIX}:flight:*"):
        members: list[bytes] = redis.zrange(key, 0, -1)  # type: ignore[assignment]
        held = [member for member in members if member.startswith(f"{worker}/".encode())]
        freed += int(redis.zrem(key, *held)) if held else 0
    return freed


class Limiter:
    """Gives out slots. ``share`` is the part of each limit that one process may use while Redis is away."""

    def __init__(
        self,
        limits: Mapping[str, Limits],
        redis: Redis | None,
        *,
        share: int = 4,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = dict(limits)
        self._redis = redis
        self._share = share
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._away_until = 0.0
        self._paused: dict[str, float] = {}
        self._locals: dict[str, _Local] = {}
        self._guard = threading.Lock()
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._fleet: MovingWindowRateLimiter | None = None
        if redis is not None:
            self._take = redis.register_script(_TAKE)
            # our own pool with our own short time-outs; the address is only read for its scheme
            self._fleet = MovingWindowRateLimiter(
                RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=PREFIX)
            )

    @contextmanager
    def slot(self, system: str, budget_s: float, begun: bool = False) -> Iterator[None]:
        """Hold one call's place. Raises Throttled when none comes free within our patience.

        ``begun``: the call completes a write, so it is waited for as long as the budget lasts. A Throttled out of
        the call itself pauses this process's calls to the system for as long as it asked.
        """
        until = self._clock() + (budget_s if begun else min(self._patience_s, budget_s))
        self._heed_pause(system, until if begun else self._clock())
        limits = self._limits.get(system)
        in_flight = limits.in_flight if limits else None
        window = limits.requests if limits else None
        if not in_flight and not window:
            with self._heeding(system):
                yield
            return
        held: list[Callable[[], None]] = []
        try:
            if in_flight:
                held.append(self._enter(system, system, in_flight, budget_s, until))
            if window and limits:
                self._count(system, window, limits.window_s, until)
            with self._heeding(system):
                yield
        finally:
            for leave in reversed(held):
                leave()

    @contextmanager
    def alone(self, system: str, work: str, budget_s: float) -> Iterator[None]:
        """Hold the only place in the fleet for work that must not run side by side. Throttled as in ``slot``."""
        until = self._clock() + min(self._patience_s, budget_s)
        leave = self._enter(system, f"{system}:{work}", 1, budget_s, until)
        try:
            yield
        finally:
            leave()

    @contextmanager
    def _heeding(self, system: str) -> Iterator[None]:
        try:
            yield
        except Throttled as told:
            if told.wait is not None:
                self.pause(system, told.wait)
            raise

    def pause(self, system: str, wait: timedelta) -> None:
        """Give out no slot of this process for a while: the system asked everybody to slow down."""
        self._paused[system] = max(self._paused.get(system, 0.0), self._clock() + wait.total_seconds())

    def _heed_pause(self, system: str, until: float) -> None:
        if self._paused:
            left = self._paused.get(system, 0.0) - self._clock()
            if left > max(0.0, until - self._clock()):
                raise self._throttled(system, left)
            if left > 0:
                self._sleep(left)

    def _enter(self, system: str, key: str, most: int, budget_s: float, until: float) -> Callable[[], None]:
        """Wait for one of ``most`` places and return what gives it back."""
        lease_ms = int((budget_s + LEASE_MARGIN_S) * 1000)
        me = f"{own_name()}/{uuid.uuid4().hex}"
        mine = self._local(key)
        redis_key = f"{PREFIX}:flight:{key}"
        while True:
            if self._redis is not None and self._clock() >= self._away_until:
                try:
                    left_ms = int(self._take(keys=[redis_key], args=[most, me, lease_ms]))
                except RedisError:
                    self._away_until = self._clock() + AWAY_S
                    continue
                if left_ms == 0:
                    return lambda: self._leave(mine, redis_key, me)
            else:
                with mine.freed:
                    if mine.in_flight < max(1, most // self._share):
                        mine.in_flight += 1
                        LOCAL.labels(system).inc()
                        return lambda: self._leave(mine, None, me)
                left_ms = 1000
            left_s = until - self._clock()
            if left_s <= 0:
                # most places come free long before their leases end, which only those of the dead reach
                raise self._throttled(system, min(left_ms / 1000, self._patience_s))
            with mine.freed:
                mine.freed.wait(min(left_s, random.uniform(*LOOK_AGAIN_S)))  # noqa: S311 -- only spreads the looks

    def _leave(self, mine: _Local, redis_key: str | None, me: str) -> None:
        if redis_key is not None and self._redis is not None:
            try:
                self._redis.zrem(redis_key, me)
            except RedisError:  # the lease in the set runs out by itself
                self._away_until = self._clock() + AWAY_S
        with mine.freed:
            if redis_key is None:
                mine.in_flight -= 1
            mine.freed.notify()

    def _count(self, system: str, most: int, window_s: float, until: float) -> None:
        """Wait until one more request fits into the window."""
        # whole seconds only: a shorter window is stretched, which errs on the side of the system
        seconds = max(1, math.ceil(window_s))
        while True:
            strategy, allowed = self._here, max(1, most // self._share)
            if self._fleet is not None and self._clock() >= self._away_until:
                strategy, allowed = self._fleet, most
            item = RateLimitItemPerSecond(allowed, seconds)
            try:
                if strategy.hit(item, system):
                    if strategy is self._here:
                        LOCAL.labels(system).inc()
                    return
                wait_s = max(0.005, strategy.get_window_stats(item, system).reset_time - time.time())
            except RedisError:
                self._away_until = self._clock() + AWAY_S
                continue
            left_s = until - self._clock()
            if wait_s > left_s:
                raise self._throttled(system, wait_s)
            self._sleep(wait_s)

    def _local(self, key: str) -> _Local:
        with self._guard:
            return self._locals.setdefault(key, _Local())

    def _throttled(self, system: str, wait_s: float) -> Throttled:
        THROTTLED.labels(system).inc()
        return Throttled(
            f"{system}: the fleet uses all that the system allows", wait=timedelta(seconds=max(0.1, wait_s))
        )
