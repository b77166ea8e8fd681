"""Limits that the whole fleet shares, on a real broker."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Barrier, Event, Lock

import pytest
from redis import Redis

from sync_workers.connectors.contract import Limits
from sync_workers.connectors.limiter import Limiter
from sync_workers.errors import Throttled
from sync_workers.services import connect_redis


@pytest.fixture
def redis(broker_url: str) -> Iterator[Redis]:
    client = connect_redis(broker_url)
    assert client is not None
    yield client
    client.close()


@pytest.fixture
def nowhere() -> Iterator[Redis]:
    client = connect_redis("redis://127.0.0.1:1/0")
    assert client is not None
    yield client
    client.close()


def limiter(redis: Redis | None, limits: Limits, **options: float) -> Limiter:
    return Limiter({"erp": limits}, redis, **options)  # type: ignore[arg-type]


def test_no_more_calls_are_in_flight_than_the_system_allows_whatever_process_makes_them(redis: Redis) -> None:
    fleet = [limiter(redis, Limits(in_flight=3)) for _ in range(4)]
    guard, now, most = Lock(), 0, 0

    def call(number: int) -> None:
        nonlocal now, most
        with fleet[number % 4].slot("erp", 30):
            with guard:
                now += 1
                most = max(most, now)
            redis.ping()
            with guard:
                now -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(200)))
    assert most <= 3


def test_a_slot_that_does_not_come_free_is_throttled_and_says_when_to_come_again(redis: Redis) -> None:
    mine, other = (limiter(redis, Limits(in_flight=1), patience_s=0.05) for _ in range(2))
    with mine.slot("erp", 30):
        with pytest.raises(Throttled) as caught, other.slot("erp", 30):
            pass
        assert caught.value.wait is not None
    with other.slot("erp", 30):
        pass


def test_the_slot_of_a_process_that_died_comes_free_when_its_lease_runs_out(redis: Redis) -> None:
    dead = limiter(redis, Limits(in_flight=1))
    held = dead.slot("erp", 30)
    held.__enter__()  # and never leaves, as after kill -9
    key = "sync:limit:flight:erp"
    (member,) = redis.zrange(key, 0, -1)
    redis.zadd(key, {member: 1})  # its lease ended long ago
    with limiter(redis, Limits(in_flight=1), patience_s=0.05).slot("erp", 30):
        pass


def test_requests_beyond_the_window_wait_or_are_throttled_with_the_windows_rest(redis: Redis) -> None:
    one, two = (limiter(redis, Limits(requests=4, window_s=60), patience_s=0.2) for _ in range(2))
    for each in (one, two, one, two):
        with each.slot("erp", 30):
            pass
    with pytest.raises(Throttled) as caught, one.slot("erp", 30):
        pass
    assert caught.value.wait is not None
    assert timedelta(seconds=30) < caught.value.wait <= timedelta(seconds=60)


def test_without_the_broker_each_process_lives_on_its_share(nowhere: Redis) -> None:
    alone = limiter(nowhere, Limits(in_flight=8), share=4, patience_s=0.05)
    with alone.slot("erp", 30), alone.slot("erp", 30), pytest.raises(Throttled), alone.slot("erp", 30):
        pass
    with alone.slot("erp", 30):
        pass


def test_a_system_without_limits_asks_nobody(nowhere: Redis) -> None:
    free = Limiter({"erp": Limits()}, nowhere)
    with free.slot("erp", 30):
        assert free._reach.away_until == 0.0


def test_work_that_must_be_alone_is_alone_in_the_fleet(redis: Redis) -> None:
    one, two = (limiter(redis, Limits(), patience_s=0.05) for _ in range(2))
    with one.alone("erp", "order:write", 30):
        with pytest.raises(Throttled), two.alone("erp", "order:write", 30):
            pass
        with two.alone("erp", "customer:write", 30):
            pass


def test_a_pause_that_the_system_asked_for_holds_back_every_call(redis: Redis) -> None:
    each = limiter(redis, Limits())
    each.pause("erp", timedelta(seconds=30))
    with pytest.raises(Throttled) as caught, each.slot("erp", 30):
        pass
    assert caught.value.wait is not None
    assert caught.value.wait > timedelta(seconds=25)


def test_a_call_that_completes_a_write_waits_as_long_as_its_budget_lasts(redis: Redis) -> None:
    busy, waiting = limiter(redis, Limits(requests=1, window_s=1)), limiter(
        redis, Limits(requests=1, window_s=1), patience_s=0.05
    )
    with busy.slot("erp", 30):
        pass
    with pytest.raises(Throttled), waiting.slot("erp", 30):
        pass
    with waiting.slot("erp", 30, True):
        pass
    waiting.pause("erp", timedelta(seconds=0.3))
    with pytest.raises(Throttled), waiting.slot("erp", 0.1, True):
        pass
    with waiting.slot("erp", 30, True):
        pass


def test_threads_that_wait_are_all_served(redis: Redis) -> None:
    shared, start, served = limiter(redis, Limits(in_flight=2)), Barrier(12), []

    def call() -> None:
        start.wait(10)
        with shared.slot("erp", 30):
            served.append(1)

    with ThreadPoolExecutor(12) as pool:
        for each in [pool.submit(call) for _ in range(12)]:
            each.result(30)
    assert len(served) == 12


def names_before_and_after(
    redis: Redis, most: int, budget_s: float, next_budget_s: float, held_s: float
) -> tuple[object, object]:
    """Return under which name Redis counts the last place with its first holder, and with the thread that waited."""
    shared, waits = limiter(redis, Limits(in_flight=most)), Event()

    def wait() -> None:
        with shared.slot("erp", next_budget_s):
            waits.wait(10)

    with ThreadPoolExecutor(1) as pool, ExitStack() as others:
        for _ in range(most - 1):
            others.enter_context(shared.slot("erp", 60))
        theirs = set(redis.zrange("sync:limit:flight:erp", 0, -1))
        with shared.slot("erp", budget_s):
            (first,) = set(redis.zrange("sync:limit:flight:erp", 0, -1)) - theirs
            waiting = pool.submit(wait)
            while not shared._places._local("erp").waiting:
                assert not waiting.done()
            time.sleep(held_s)
        (then,) = set(redis.zrange("sync:limit:flight:erp", 0, -1)) - theirs
        waits.set()
        waiting.result(10)
    assert redis.zcard("sync:limit:flight:erp") == 0
    return first, then


def test_a_place_is_handed_with_its_lease_to_a_thread_that_waits(redis: Redis) -> None:
    first, then = names_before_and_after(redis, 2, 30, 30, held_s=0)
    assert first == then


@pytest.mark.parametrize(
    ("most", "budget_s", "next_budget_s", "held_s"),
    [(2, 10, 30, 0), (2, 3, 3, 1.1), (1, 30, 30, 0)],
    ids=["the next call may take longer", "the lease has run for a second", "it is the only place"],
)
def test_a_lease_is_made_anew_without_the_place_coming_free(
    redis: Redis, most: int, budget_s: float, next_budget_s: float, held_s: float
) -> None:
    first, then = names_before_and_after(redis, most, budget_s, next_budget_s, held_s)
    assert first != then


def test_a_place_that_redis_lost_is_not_handed_on_for_more_than_a_second(redis: Redis) -> None:
    shared, ends = limiter(redis, Limits(in_flight=2)), Event()

    def call_on() -> None:
        while not ends.is_set():
            with shared.slot("erp", 30):
                time.sleep(0.02)

    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(call_on) for _ in range(5)]
        while len(shared._places._local("erp").waiting) < 2:
            assert not any(each.done() for each in calls)
        redis.delete("sync:limit:flight:erp")
        time.sleep(1.3)
        counted = redis.zcard("sync:limit:flight:erp")
        ends.set()
        for each in calls:
            each.result(10)
    assert counted == 2


def test_who_waits_alone_is_served_beside_a_process_with_many_calls(redis: Redis) -> None:
    busy, lonely = (limiter(redis, Limits(in_flight=1)) for _ in range(2))
    ends = Event()

    def call_on() -> int:
        calls = 0
        while not ends.is_set():
            with busy.slot("erp", 30):
                calls += 1
        return calls

    with ThreadPoolExecutor(4) as pool:
        many = [pool.submit(call_on) for _ in range(4)]
        try:
            for _ in range(5):
                with lonely.slot("erp", 30):
                    pass
        finally:
            ends.set()
        assert sum(each.result(30) for each in many) > 0
