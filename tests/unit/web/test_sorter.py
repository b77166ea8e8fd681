"""When the sorter works: when it is rung, when there is time, and every now and then when there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from sync_workers.errors import TransientError
from sync_workers.ledger.inbox import Arrived
from sync_workers.web import sorter as sorters
from sync_workers.web.sorter import Sorter


def arrived(number: int) -> Arrived:
    return Arrived(number, "order", number, 1, True)


class Heap:
    """Stands in for what lies there: gives one batch at each call."""

    def __init__(self, *batches: list[Arrived] | Exception) -> None:
        self.batches = list(batches)
        self.told: list[int] = []
        self.done = threading.Event()
        self.calls = 0

    def sort(self) -> list[Arrived] | None:
        self.calls += 1
        if not self.batches:
            self.done.set()
            return None
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch

    def committed(self, batch: Sequence[Arrived]) -> None:
        self.told += [one.record_id for one in batch]


def test_a_ring_sorts_until_nothing_is_left_and_each_batch_is_told() -> None:
    heap = Heap([arrived(1), arrived(2)], [], [arrived(3)])
    rests: list[list[int]] = []
    rested = threading.Event()

    def rest() -> None:
        rests.append(list(heap.told))
        rested.set()

    sorter = Sorter(heap.sort, heap.committed, rested=rest)
    sorter.ring()
    assert rested.wait(10)
    assert heap.told == [1, 2, 3]
    assert rests == [[1, 2, 3]], "once, after all of it"
    heap.batches, heap.done = [[arrived(4)]], threading.Event()
    sorter.ring()
    assert heap.done.wait(10)
    assert heap.told == [1, 2, 3, 4]


def test_while_a_burst_lasts_it_keeps_its_pace_and_goes_on_when_it_ends() -> None:
    heap = Heap([arrived(1), arrived(2), arrived(3)], [arrived(4)], [arrived(number) for number in range(5, 100)],
                [arrived(100)])
    sorter = Sorter(heap.sort, heap.committed, each_s=0.1)
    busy = threading.Event()
    busy.set()
    sorter.is_busy = busy.is_set
    began = time.monotonic()
    sorter.ring()
    while len(heap.told) < 4:
        time.sleep(0.005)
    assert time.monotonic() - began >= 0.3, "after three arrivals the next batch waited for three turns"
    while len(heap.told) < 99:
        time.sleep(0.005)
    assert time.monotonic() - began < 9, "after one arrival it waited for one"
    sorter.is_busy = lambda: False
    assert heap.done.wait(5), "9.5 seconds' worth were just sorted, but the burst is over"
    assert heap.told == list(range(1, 101))


@pytest.mark.parametrize("error", [TransientError("away"), RuntimeError("a defect")])
def test_after_a_failure_it_tries_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorters, "AGAIN_S", 0.01)
    heap = Heap(error, [arrived(1)])
    Sorter(heap.sort, heap.committed).ring()
    assert heap.done.wait(10)
    assert heap.told == [1]


def test_at_the_end_what_lies_there_is_sorted_whatever_the_burst_says() -> None:
    heap = Heap([arrived(1)], [arrived(2)])
    sorter = Sorter(heap.sort, heap.committed, each_s=60.0)
    sorter.is_busy = lambda: True
    sorter.stop(10)
    assert heap.told == [1, 2]
    assert heap.batches == []
