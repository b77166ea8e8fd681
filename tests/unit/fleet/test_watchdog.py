"""When a worker gives itself up, and when it must not."""

import pytest
from celery.worker import state

from sync_workers.fleet.watch import EXIT_SILENT, SILENT_AFTER_S, Watchdog


class Worker:
    """A worker with a clock of its own; ``age_s`` is how old its last canary is."""

    def __init__(self) -> None:
        self.now, self.age_s, self.sent, self.ended = 0.0, None, 0, []  # type: ignore[var-annotated]
        self.broker_is_away = False
        self.watchdog = Watchdog(
            "worker@a", ["live"], 2, self.send, lambda: self.age_s, self.ended.append, lambda: self.now
        )

    def send(self) -> None:
        if self.broker_is_away:
            raise ConnectionError
        self.sent += 1

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self.watchdog.look()


def test_a_worker_whose_canaries_do_not_come_back_ends_itself() -> None:
    worker = Worker()
    worker.let_pass(SILENT_AFTER_S - 1)
    assert worker.ended == []
    worker.let_pass(2)
    assert worker.ended == [EXIT_SILENT]


def test_a_worker_whose_canaries_come_back_lives() -> None:
    worker = Worker()
    worker.age_s = 20.0
    for _ in range(20):
        worker.let_pass(60)
    assert worker.ended == []


def test_an_absent_broker_is_not_the_workers_fault_and_its_return_gives_it_time() -> None:
    worker = Worker()
    worker.broker_is_away = True
    for _ in range(20):
        worker.let_pass(60)
    worker.broker_is_away = False
    worker.let_pass(SILENT_AFTER_S - 1)
    assert worker.ended == []


def test_a_worker_with_no_hand_free_is_busy_and_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "active_requests", {1, 2})
    worker = Worker()
    for _ in range(20):
        worker.let_pass(60)
    assert worker.ended == []
