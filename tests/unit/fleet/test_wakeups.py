"""Wake-ups are grouped, tried once, and never anybody's problem but the sweep's."""

import threading
import time
from typing import Any

import pytest

from sync_workers.fleet.messages import SORT
from sync_workers.fleet.publisher import Publisher, pause_after
from sync_workers.fleet.wakeups import Wake, Wakeups, wake_of


class Broker:
    """Takes messages until it is told to be away."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[int], str, float | None]] = []
        self.tried = self.knocks = 0
        self.is_away = False

    def send(self, task: str, args: list[Any], queue: str, countdown_s: float | None) -> None:
        self.tried += 1
        if self.is_away:
            raise ConnectionError("refused")
        if task == SORT:
            self.knocks += 1
        else:
            self.sent.append((*args, queue, countdown_s))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_cut_into_messages_that_threads_can_share() -> None:
    broker = Broker()
    assert Wakeups(None, broker.send).publish(Wake(number, "live") for number in range(72)) == 72
    assert [len(ids) for ids, _, _ in broker.sent] == [64, 8]


def test_each_kind_goes_to_its_own_queue_and_bulk_work_never_into_live() -> None:
    assert wake_of(1, "order").queue == "live"
    assert wake_of(1, "stock").queue == "stock"
    assert wake_of(1, "order", source="replay").queue == "bulk"
    assert wake_of(1, "stock", source="reconcile").queue == "bulk"


def test_short_waits_travel_as_countdowns_and_long_ones_stay_in_the_ledger() -> None:
    broker = Broker()
    wakeups = Wakeups(None, broker.send)
    wakeups.publish([Wake(1, "live", 2.4), Wake(2, "live", 2.45), Wake(3, "live", 61.0)])
    ((ids, _, countdown),) = broker.sent
    assert ids == [1, 2]
    assert countdown is not None
    assert 2.45 < countdown < 3


def test_a_broker_that_is_down_is_tried_once_a_second_and_no_more() -> None:
    broker, clock = Broker(), Clock()
    wakeups = Wakeups(None, broker.send, clock=clock)
    broker.is_away = True
    assert wakeups.publish([Wake(number, "live") for number in range(100)]) == 0
    assert wakeups.publish([Wake(1, "live")]) == 0
    assert broker.tried == 1
    broker.is_away = False
    clock.now += 1.1
    assert wakeups.publish([Wake(1, "live")]) == 1


def test_the_publisher_names_a_record_once_however_often_it_was_handed_over() -> None:
    broker = Broker()
    publisher = Publisher(Wakeups(None, broker.send))
    publisher.add([Wake(7, "live")] * 5)
    assert publisher.flush(10)
    assert [ids for ids, _, _ in broker.sent] == [[7]]


def test_a_knock_is_published_beside_wake_ups_and_left_to_the_sweep_while_the_broker_is_down() -> None:
    broker, clock = Broker(), Clock()
    wakeups = Wakeups(None, broker.send, clock=clock)
    publisher = Publisher(wakeups)
    publisher.knock()
    publisher.add([Wake(7, "live")])
    assert publisher.flush(10)
    assert ([ids for ids, _, _ in broker.sent], broker.knocks) == ([[7]], 1)
    broker.is_away, broker.tried = True, 0
    wakeups.knock()
    wakeups.knock()
    assert (broker.tried, broker.knocks) == (1, 1), "tried once a second"


def test_a_publisher_that_overflows_drops_and_lives_on() -> None:
    broker = Broker()
    publisher = Publisher(Wakeups(None, broker.send), most_pending=2)
    publisher.add(Wake(number, "live") for number in range(5))
    assert publisher.flush(10)
    publisher.add([Wake(9, "live")])
    assert publisher.flush(10)
    assert broker.sent[-1][0] == [9]


@pytest.mark.parametrize(("named", "pause_s"), [(0, 0.01), (1, 0.01), (2, 0.01), (4, 0.02), (10, 0.05), (5000, 0.05)])
def test_the_more_a_push_names_the_longer_the_next_one_gathers_within_bounds(named: int, pause_s: float) -> None:
    assert pause_after(named) == pytest.approx(pause_s)


def test_in_a_burst_the_next_push_names_all_that_came_meanwhile() -> None:
    broker, entered, go = Broker(), threading.Event(), threading.Event()

    def send(task: str, args: list[Any], queue: str, countdown_s: float | None) -> None:
        broker.send(task, args, queue, countdown_s)
        entered.set()
        assert go.wait(10)

    publisher = Publisher(Wakeups(None, send), pause=lambda named: 0.2)
    began = time.monotonic()
    publisher.add([Wake(1, "live")])
    assert entered.wait(10), "the first does not wait"
    go.set()
    for number in range(2, 12):
        publisher.add([Wake(number, "live")])
    assert publisher.flush(10)
    assert [ids for ids, _, _ in broker.sent] == [[1], list(range(2, 12))]
    assert time.monotonic() - began >= 0.2
