"""What one system allows, shared by the whole fleet: requests per window and calls in flight.

The count lives in Redis. While Redis is away each process lives on its share of the limit, so that
the sum stays near it; that is counted in ``sync_limiter_local_total``. A system without limits costs
nothing here. Whether a call may be made at all (mode, circuit) is the engine's business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import Counter
from redis import Redis
from redis.exceptions import RedisError

from sync_workers.connectors.contract import Limits
from sync_workers.connectors.places import LOCAL, PREFIX, Places, Reach
from sync_workers.errors import Throttled

PATIENCE_S = 5.0
RETURN_S = 2.0  # after so much patience a turn is not far

THROTTLED = Counter("sync_limiter_throttled_total", "Calls that got no slot in time", ["system"])


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
        self._share = share
        self._reach = Reach(redis, clock)
        self._places = Places(self._reach, share=share, clock=clock)
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._paused: dict[str, float] = {}
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._fleet: MovingWindowRateLimiter | None = None
        if redis is not None:
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
        place = self._places.enter(system, key, most, budget_s, until)
        if isinstance(place, int):
            # most places come free long before their leases end, which only those of the dead reach
            raise self._throttled(system, min(place / 1000, RETURN_S))
        return place

    def _count(self, system: str, most: int, window_s: float, until: float) -> None:
        """Wait until one more request fits into the window."""
        # whole seconds only: a shorter window is stretched, which errs on the side of the system
        seconds = max(1, math.ceil(window_s))
        while True:
            strategy, allowed = self._here, max(1, most // self._share)
            if self._fleet is not None and self._reach.is_there():
                strategy, allowed = self._fleet, most
            item = RateLimitItemPerSecond(allowed, seconds)
            try:
                if strategy.hit(item, system):
                    if strategy is self._here:
                        LOCAL.labels(system).inc()
                    return
                wait_s = max(0.005, strategy.get_window_stats(item, system).reset_time - time.time())
            except RedisError:
                self._reach.failed()
                continue
            left_s = until - self._clock()
            if wait_s > left_s:
                raise self._throttled(system, wait_s)
            self._sleep(wait_s)

    def _throttled(self, system: str, wait_s: float) -> Throttled:
        THROTTLED.labels(system).inc()
        return Throttled(
            f"{system}: the fleet uses all that the system allows", wait=timedelta(seconds=max(0.1, wait_s))
        )
