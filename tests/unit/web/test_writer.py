"""The queue logic of the group commit; what the ledger does with a group is tested on a real one."""

import threading
from collections.abc import Callable, Sequence

import pytest

from sync_workers.errors import PermanentError, TransientError
from sync_workers.ledger.inbox import Arrival, Arrived
from sync_workers.web.writer import Delivery, GroupWriter, QueueFull, Unknown


def arrival(number: int) -> Arrival:
    return Arrival("crm", "order", str(number), "webhook")


class Store:
    """Stands in for the ledger's transaction: keeps groups, refuses poison, and can be made to wait."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.poison: set[str] = set()
        self.error: Exception | None = None
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def commit(self, arrivals: Sequence[Arrival]) -> list[Arrived]:
        self.entered.release()
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        ids = [one.external_id for one in arrivals]
        if self.poison & set(ids):
            raise PermanentError("a NUL")
        self.groups.append(ids)
        return [Arrived(int(number), "order", 1, 1, True) for number in ids]

    @property
    def stored(self) -> list[str]:
        return [number for group in self.groups for number in group]


class InThread:
    """One request on its way through the writer."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.result: object = None
        self.error: Exception | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:
            self.error = error

    def join(self) -> "InThread":
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self


def store_many(writer: GroupWriter, store: Store, numbers: Sequence[int]) -> list[InThread]:
    """Let the first delivery occupy the writer while the others come to wait, then let all go."""
    store.go.clear()
    first = InThread(lambda: writer.store([arrival(numbers[0])]))
    assert store.entered.acquire(timeout=10)
    others = [InThread(lambda number=number: writer.store([arrival(number)])) for number in numbers[1:]]
    waiting = threading.Event()
    while len(writer._waiting) < len(others):
        waiting.wait(0.001)
    store.go.set()
    return [each.join() for each in (first, *others)]


def test_what_waits_at_the_same_moment_shares_one_commit() -> None:
    store = Store()
    done = store_many(GroupWriter(store.commit), store, range(33))
    assert [each.error for each in done] == [None] * 33
    assert [len(group) for group in store.groups] == [1, 32]


def test_one_poisoned_delivery_does_not_refuse_its_neighbours() -> None:
    store = Store()
    store.poison = {"5"}
    done = store_many(GroupWriter(store.commit), store, range(10))
    assert sorted(map(int, store.stored)) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [len(each.result) for each in done] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]  # type: ignore[arg-type]


def test_the_sound_events_of_a_delivery_are_stored_without_the_poisoned_one() -> None:
    store = Store()
    store.poison = {"2"}
    refused = GroupWriter(store.commit).store([arrival(1), arrival(2), arrival(3)])
    assert [one.external_id for one, _ in refused] == ["2"]
    assert store.stored == ["1", "3"]


def test_a_ledger_that_is_away_is_told_to_all_that_wait_at_once() -> None:
    store = Store()
    writer = GroupWriter(store.commit)
    store.error = TransientError("no answer")
    done = store_many(writer, store, range(8))
    assert all(isinstance(each.error, TransientError) for each in done)
    assert store.groups == []


def test_a_full_queue_refuses_at_once_and_keeps_what_it_has() -> None:
    store = Store()
    writer = GroupWriter(store.commit, most_waiting=2)
    store.go.clear()
    first = InThread(lambda: writer.store([arrival(0)]))
    assert store.entered.acquire(timeout=10)
    kept = [InThread(lambda number=number: writer.store([arrival(number)])) for number in (1, 2)]
    pause = threading.Event()
    while len(writer._waiting) < 2:
        pause.wait(0.001)
    with pytest.raises(QueueFull):
        writer.store([arrival(3)])
    store.go.set()
    assert [each.join().error for each in (first, *kept)] == [None, None, None]
    assert store.stored == ["0", "1", "2"]


def test_a_commit_that_does_not_answer_in_time_is_unknown_and_never_a_success() -> None:
    store = Store()
    writer = GroupWriter(store.commit, answer_within_s=0.05)
    store.go.clear()
    with pytest.raises(Unknown):
        writer.store([arrival(1)])
    store.go.set()


def test_the_committed_are_told_after_the_commit_and_only_then() -> None:
    store = Store()
    told: list[int] = []

    def committed(arrived: Sequence[Arrived]) -> None:
        assert len(store.stored) >= len(told) + len(arrived)
        told.extend(item.record_id for item in arrived)

    writer = GroupWriter(store.commit, committed)
    store_many(writer, store, range(5))
    writer.stop()
    assert sorted(told) == [0, 1, 2, 3, 4]


def test_a_defect_in_telling_leaves_the_writer_alive() -> None:
    store = Store()
    calls: list[int] = []

    def committed(arrived: Sequence[Arrived]) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a defect")

    writer = GroupWriter(store.commit, committed)
    with pytest.raises(TransientError):
        writer.store([arrival(1)])  # the fate is known to us, but 'again' is the safe thing to say
    assert writer.store([arrival(2)]) == []


def test_a_stopped_writer_stores_what_waits_and_takes_no_more() -> None:
    store = Store()
    writer = GroupWriter(store.commit)
    assert writer.store([arrival(1)]) == []
    writer.stop()
    with pytest.raises(QueueFull):
        writer.store([arrival(2)])


def test_all_of_a_group_that_listen_together_are_told_at_once_and_a_deaf_one_harms_nobody() -> None:
    store = Store()
    writer = GroupWriter(store.commit)
    told: list[list[Delivery]] = []
    done = threading.Event()

    def listen(deliveries: Sequence[Delivery]) -> None:
        told.append(list(deliveries))
        if sum(map(len, told)) == 4:
            done.set()

    def deaf(_: Sequence[Delivery]) -> None:
        raise RuntimeError("its loop is closed")

    store.go.clear()
    first = writer.submit([arrival(0)], listen)
    assert store.entered.acquire(timeout=10)
    others = [writer.submit([arrival(number)], deaf if number == 2 else listen) for number in range(1, 5)]
    store.go.set()
    assert done.wait(10)
    assert told == [[first], [others[0], others[2], others[3]]]
    assert [each.outcome() for each in (first, *others)] == [[]] * 5
