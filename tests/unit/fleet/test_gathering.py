"""Messages that come while others are being planned are taken up together, and nobody waits for long."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_workers.fleet.gathering import QUICK_S, Gathering


def test_what_came_meanwhile_is_taken_up_together_and_in_order() -> None:
    gathering = Gathering(at_once=1, patience_s=30)
    gathering.bring([1, 2])
    with gathering.turn() as (first, _):
        gathering.bring([7, 3])
        gathering.bring([3, 5])
    with gathering.turn() as (second, _):
        pass
    with gathering.turn() as (third, _):
        pass
    assert (first, second, third) == ([1, 2], [7, 3, 5], [])


def test_no_more_are_taken_than_one_drain_should_have() -> None:
    gathering = Gathering(most=3)
    gathering.bring(range(5))
    taken = []
    for _ in range(3):
        with gathering.turn() as (ids, _end):
            taken.append(ids)
    assert taken == [[0, 1, 2], [3, 4], []]


def test_a_message_that_names_more_than_one_drain_should_have_is_taken_up_whole() -> None:
    gathering = Gathering(most=3)
    ids = list(range(7))
    gathering.bring(ids)
    taken = []
    while gathering.has_any(ids):
        with gathering.turn() as (some, _end):
            taken.append(some)
    assert taken == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_turn_that_takes_long_keeps_nobody_waiting() -> None:
    gathering = Gathering(at_once=1, patience_s=0.02)
    with gathering.turn():
        began = time.monotonic()
        with gathering.turn() as (ids, _):
            assert ids == []
        assert time.monotonic() - began < 10


def test_while_the_calls_of_one_are_out_one_more_plans_and_others_too_if_they_take_long() -> None:
    gathering = Gathering(at_once=2, patience_s=30)

    def enters_within(seconds: float) -> bool:
        """Let somebody come for a turn; say whether it was theirs in time. Much less than their patience, therefore."""
        entered = threading.Event()

        def come() -> None:
            with gathering.turn():
                entered.set()

        comers.append(threading.Thread(target=come, daemon=True))
        comers[-1].start()
        return entered.wait(seconds)

    comers: list[threading.Thread] = []
    with gathering.turn() as (_, out_for):
        assert not enters_within(0.05), "one plans at a time"
        out_for(0.01)
        comers[-1].join(10)
        assert enters_within(10)
        with gathering.turn() as (_, second_out_for):
            second_out_for(0.01)
            assert not enters_within(0.05), "two are under way"
            out_for(QUICK_S + 1)
            out_for(QUICK_S + 1)
            comers[-1].join(10)
            assert enters_within(10)
    assert enters_within(10)


def test_ids_whose_drain_failed_are_the_next_ones() -> None:
    gathering = Gathering()

    def fail() -> None:
        gathering.bring([1, 2])
        with gathering.turn():
            gathering.bring([9])
            raise RuntimeError("the ledger is away")

    with pytest.raises(RuntimeError):
        fail()
    with gathering.turn() as (ids, _):
        assert ids == [1, 2, 9]


def test_every_id_is_taken_exactly_once_however_many_bring_at_one_moment() -> None:
    gathering, taken, guard = Gathering(most=10), [], threading.Lock()

    def read(number: int) -> None:
        gathering.bring(range(10 * number, 10 * number + 10))
        with gathering.turn() as (ids, _), guard:
            taken.extend(ids)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(100)))
    assert sorted(taken) == list(range(1000))
