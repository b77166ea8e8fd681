"""What a task does with the ledger and the broker, and what every task promises to Celery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from sync_workers.engine.runs import Again, Drained
from sync_workers.errors import PermanentError, SystemDown
from sync_workers.fleet import tasks, watch
from sync_workers.fleet.app import LONGEST_COUNTDOWN_S, app
from sync_workers.fleet.beat import RECONCILE_S, SWEEP_S, Job, every_s, jobs, once, slot_at
from sync_workers.fleet.messages import DRAIN, send
from sync_workers.fleet.queues import ALL
from sync_workers.fleet.undertaker import Undertaker
from sync_workers.fleet.wakeups import IDS_PER_MESSAGE, Wake, Wakeups
from sync_workers.flows import polling
from sync_workers.ledger import counts, cursors, doorstep, heartbeats
from sync_workers.ledger.connection import LedgerDown
from sync_workers.ledger.inbox import Arrival, record_arrivals
from sync_workers.runtime import Runtime
from sync_workers.services import connect_redis

MORE_THAN_ONE = IDS_PER_MESSAGE + 8  # records, for one message
NOW = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)


@pytest.fixture
def messages(runtime: Runtime) -> Callable[..., int]:
    """Return a function that counts the messages waiting in a queue."""
    assert runtime.redis is not None
    return lambda queue="live": runtime.redis.llen(queue)  # type: ignore[union-attr]


def rows(runtime: Runtime, sql: str) -> list[tuple[object, ...]]:
    with runtime.ledger.transaction() as tx:
        return tx.rows(sql)


def test_importing_the_application_opens_no_connection_and_needs_no_environment() -> None:
    program = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = refuse\n"
        "import sync_workers.fleet.app, sync_workers.fleet.tasks, sync_workers.web.app\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PATH": "/usr/bin"}, timeout=60)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", True),
        ("worker_prefetch_multiplier", 1),
        ("task_ignore_result", True),
        ("accept_content", ["json"]),
        ("task_serializer", "json"),
        ("task_publish_retry", False),
        ("broker_channel_error_retry", True),
        ("worker_direct", True),
        ("broker_connection_max_retries", None),
    ],
)
def test_a_setting_that_work_depends_on_is_set(setting: str, value: object) -> None:
    assert app.conf[setting] == value


def test_times_stand_in_the_order_that_keeps_messages_from_running_twice(runtime: Runtime) -> None:
    app.locate_broker()
    options = app.conf.broker_transport_options
    assert LONGEST_COUNTDOWN_S < app.conf.task_soft_time_limit < app.conf.task_time_limit
    assert app.conf.task_time_limit < options["visibility_timeout"] == app.conf.visibility_timeout
    assert options["visibility_timeout"] == app.conf.result_backend_transport_options["visibility_timeout"]
    assert 1 < options["socket_timeout"] <= 5
    assert app.conf.broker_pool_acquire_timeout


def test_every_task_ignores_its_result_and_bears_a_name_of_ours() -> None:
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert set(ours) == {
        "sync.drain", "sync.sort", "sync.sweep", "sync.poll", "sync.send_alerts", "sync.dead_letter", "sync.watch",
        "sync.canary", "sync.check_contracts", "sync.check_subscriptions", "sync.reconcile", "sync.retention",
    }  # fmt: skip
    assert all(task.ignore_result and task.acks_late for task in ours.values())


def test_a_drain_that_finds_the_ledger_gone_is_tried_again_with_growing_waits_and_jitter() -> None:
    drain = app.tasks["sync.drain"]
    assert LedgerDown in drain.autoretry_for
    assert drain.retry_backoff
    assert drain.retry_jitter
    assert 0 < drain.max_retries < 20


def test_each_job_of_the_beat_has_a_task_and_a_queue_that_a_worker_serves(runtime: Runtime) -> None:
    found = list(jobs(runtime.settings, runtime.stored))
    assert {job.task for job in found} <= set(app.tasks)
    assert {job.queue for job in found} <= set(ALL)
    assert Job("poll:erp:order", "sync.poll", 60.0, "beat", ("erp", "order")) in found
    assert len({job.name for job in found}) == len(found)


def test_a_firing_job_knows_its_slot_without_reading_the_sheets_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> object:
        raise AssertionError("the sheets were read again")

    monkeypatch.setattr("sync_workers.sheets.load_sheets", read)
    found = {job.name: every_s(runtime, job.name) for job in jobs(runtime.settings, runtime.stored)}
    assert found.items() >= {
        "sweep": SWEEP_S, "poll:erp:order": 60.0, "reconcile:erp:order": RECONCILE_S,
    }.items()


def test_of_many_beats_one_does_the_work_of_a_slot(runtime: Runtime) -> None:
    done: list[int] = []

    def fire(number: int) -> object:
        return once(runtime, "reconcile", 60, lambda: done.append(number) or True, now=NOW)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(fire, range(8)))
    assert len(done) == 1
    assert results.count(True) == 1
    assert once(runtime, "reconcile", 60, lambda: True, now=NOW + timedelta(seconds=60)) is True


def test_work_that_failed_in_its_slot_is_not_counted_as_done(runtime: Runtime) -> None:
    def fail() -> None:
        raise SystemDown("away")

    with pytest.raises(SystemDown):
        once(runtime, "reconcile", 60, fail, now=NOW)
    assert rows(runtime, "SELECT done_at FROM slots") == [(None,)]


def test_slots_begin_where_every_beat_says_they_do() -> None:
    assert slot_at(NOW, 2) == datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    assert slot_at(NOW, 86400) == datetime(2026, 11, 24, tzinfo=UTC)


def test_a_record_with_an_unread_message_gets_no_second_one(runtime: Runtime, messages: Callable[..., int]) -> None:
    one, two = Wakeups(runtime.redis), Wakeups(runtime.redis)
    assert one.publish([Wake(1, "live"), Wake(2, "live")]) == 2
    assert two.publish([Wake(1, "live"), Wake(2, "live"), Wake(3, "live")]) == 1
    assert messages() == 2
    two.unmark([1])  # a worker has read it: news from here on needs a message of its own
    assert one.publish([Wake(1, "live")]) == 1


def test_a_message_that_could_not_be_sent_leaves_no_mark_behind(runtime: Runtime) -> None:
    assert runtime.redis is not None
    runtime.redis.set("live", "no list, so that the push is refused after the mark was made")
    assert Wakeups(runtime.redis).publish([Wake(1, "live")]) == 0
    runtime.redis.delete("live")
    assert Wakeups(runtime.redis).publish([Wake(1, "live")]) == 1


def test_a_pushed_message_is_what_celery_itself_would_have_sent(runtime: Runtime) -> None:
    assert runtime.redis is not None
    send(DRAIN, [[7, 8]], "live", None)
    Wakeups(runtime.redis).publish([Wake(7, "live"), Wake(8, "live")])
    ours, theirs = (json.loads(item) for item in runtime.redis.lrange("live", 0, -1))  # type: ignore[union-attr]
    ids = []
    for one in (ours, theirs):
        ids.append({one["headers"].pop("id"), one["headers"].pop("root_id"), one["properties"].pop("correlation_id")})
        one["properties"].pop("delivery_tag")
        one["headers"].pop("timelimit")  # where the tasks are known Celery fills in what the worker does otherwise
    assert [len(each) for each in ids] == [1, 1]
    assert ids[0].isdisjoint(ids[1])
    assert ours["headers"] == theirs["headers"]
    assert ours == theirs


def test_only_what_no_message_names_is_pushed_in_parts(runtime: Runtime, messages: Callable[..., int]) -> None:
    assert Wakeups(runtime.redis).publish([Wake(number, "live") for number in range(10)]) == 10
    more = [Wake(number, "live") for number in range(10 + MORE_THAN_ONE)]
    assert Wakeups(runtime.redis).publish(more) == MORE_THAN_ONE
    assert messages() == 1 + 2, "one message for each sixty-four"
    assert Wakeups(runtime.redis).publish(more) == 0


def test_marks_expire_so_that_a_lost_message_costs_seconds(runtime: Runtime) -> None:
    assert runtime.redis is not None
    Wakeups(runtime.redis).publish([Wake(1, "live")])
    assert 0 < runtime.redis.pttl("sync:woken:1") <= 30_000  # type: ignore[operator]


def test_a_record_that_was_settled_a_moment_ago_rests_and_is_told_to_come_back_once(runtime: Runtime) -> None:
    one, two = Wakeups(runtime.redis), Wakeups(runtime.redis)
    assert one.take([1, 2]) == ([1, 2], {})
    assert one.rest([1]) == {1: 0.5}
    ready, resting = two.take([1, 2])
    assert ready == [2]
    assert list(resting) == [1]
    assert 0 < resting[1] <= 0.5
    assert one.take([1]) == ([], {}), "somebody comes back for it already"
    assert runtime.redis is not None
    runtime.redis.delete("sync:rest:1")
    assert two.take([1]) == ([1], {}), "rested"


def test_a_record_that_keeps_coming_back_rests_longer_up_to_two_seconds(runtime: Runtime) -> None:
    wakeups = Wakeups(runtime.redis)
    assert [wakeups.rest([1])[1] for _ in range(4)] == [0.5, 1.0, 2.0, 2.0]
    assert runtime.redis is not None
    runtime.redis.delete("sync:pace:1")
    assert wakeups.rest([1, 2]) == {1: 0.5, 2: 0.5}


def test_taking_a_message_makes_room_for_the_next_one_even_for_a_record_that_rests(runtime: Runtime) -> None:
    wakeups = Wakeups(runtime.redis)
    wakeups.rest([1])
    assert wakeups.publish([Wake(1, "live")]) == 1
    wakeups.take([1])
    assert wakeups.publish([Wake(1, "live")]) == 1


def test_without_redis_nothing_rests(runtime: Runtime) -> None:
    away = Wakeups(connect_redis("redis://127.0.0.1:1/0"))
    for wakeups in (away, Wakeups(None)):
        assert wakeups.rest([1]) == {}
        assert wakeups.take([1]) == ([1], {})


def test_edits_of_a_record_that_was_just_settled_cost_one_more_run(
    runtime: Runtime, messages: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def drained(_: Runtime, ids: list[int], **_told: object) -> Drained:
        asked.append(ids)
        return Drained({"applied": len(ids)}, [Again(1, "order", 0.0)], ids)

    monkeypatch.setattr(tasks.engine, "drain", drained)
    tasks.drain([1])
    assert messages() == 1, "news meanwhile: a countdown to the end of its rest"
    for _ in range(5):
        tasks.drain([1])
    assert asked == [[1]]
    assert messages() == 2, "the first of the five asks for one look, the others see that it will come"


def test_the_sweep_wakes_what_is_due_after_the_broker_lost_everything(
    runtime: Runtime, messages: Callable[..., int]
) -> None:
    arrivals = [Arrival("crm", "order", str(number), "webhook") for number in range(MORE_THAN_ONE)]
    runtime.ledger.run(lambda tx: record_arrivals(tx, arrivals))
    assert runtime.redis is not None
    runtime.redis.flushdb()
    tasks.sweep()
    assert messages() == 2, "one message for each sixty-four"


def put(runtime: Runtime, count: int) -> None:
    """Put arrivals on the doorstep, as a receiver does in a burst."""
    texts = [str(doorstep.as_text(Arrival("crm", "order", str(number), "webhook"))) for number in range(count)]
    runtime.ledger.run(lambda tx: tx.execute(doorstep.PUT, doorstep.as_row(texts)))


def test_a_knock_stands_once_in_the_broker_until_it_is_read_and_what_lies_there_is_sorted_and_woken(
    runtime: Runtime, messages: Callable[..., int]
) -> None:
    wakeups = Wakeups(runtime.redis)
    put(runtime, MORE_THAN_ONE)
    wakeups.knock()
    put(runtime, 1)
    wakeups.knock()
    assert messages() == 1
    with app.connection_for_read() as connection:  # by Celery's own reader: the message is one that it knows
        message = connection.SimpleQueue("live").get(timeout=5)
        message.ack()
    assert (message.headers["task"], message.payload[0]) == ("sync.sort", [])

    tasks.sort()
    assert rows(runtime, "SELECT count(*) FROM events") == [(MORE_THAN_ONE,)], "the last one says the same as another"
    assert rows(runtime, "SELECT count(*) FROM doorstep") == [(0,)]
    assert messages() == 2, "one message for each sixty-four"
    tasks.sort()
    assert messages() == 2
    wakeups.knock()
    assert messages() == 3, "its mark was taken away"


def test_two_that_sort_at_once_record_each_arrival_once(runtime: Runtime, messages: Callable[..., int]) -> None:
    for _ in range(20):
        put(runtime, MORE_THAN_ONE)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tasks.sort(), range(4)))
    assert rows(runtime, "SELECT count(*) FROM doorstep") == [(0,)]
    assert rows(runtime, "SELECT count(*) FROM events") == [(MORE_THAN_ONE,)]
    assert rows(runtime, "SELECT count(*) FROM records") == [(MORE_THAN_ONE,)]


def test_a_worker_that_stops_leaves_what_lies_there_to_the_sweep(runtime: Runtime) -> None:
    put(runtime, 1)
    runtime.stopping.set()
    tasks.sort()
    assert rows(runtime, "SELECT count(*) FROM doorstep") == [(1,)]


def test_the_sweep_sorts_and_wakes_what_a_receiver_accepted_and_left(
    runtime: Runtime, messages: Callable[..., int]
) -> None:
    put(runtime, MORE_THAN_ONE)
    tasks.sweep()
    assert messages() == 0, "its own message may still be on its way"
    with runtime.ledger.transaction() as tx:
        assert counts.status(tx)["events"]["pending"] == MORE_THAN_ONE
        tx.execute("UPDATE doorstep SET received_at = received_at - interval '10 minutes'")
        assert counts.status(tx)["records"]["oldest_due_s"] >= 600
    [stuck] = [silence for silence in watch.look(runtime) if silence.incident == "stuck work"]
    assert stuck.is_open
    runtime.ledger.run(lambda tx: tx.execute("DELETE FROM slots"))
    tasks.sweep()
    assert messages() == 2
    with runtime.ledger.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM events") == [(MORE_THAN_ONE,)]
        assert doorstep.lying(tx) == (0, None)


def test_what_only_bulk_work_asked_for_never_stands_before_a_live_order(
    runtime: Runtime, messages: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when its message was lost, and not on the first day, whose polls read all there is."""
    arrivals = [Arrival("crm", "order", "1", "reconcile"), Arrival("crm", "order", "2", "reconcile"),
                Arrival("crm", "order", "2", "webhook")]
    first, second, _ = runtime.ledger.run(lambda tx: record_arrivals(tx, arrivals))
    tasks.sweep()
    assert (messages("bulk"), messages("live")) == (1, 1)
    polled = polling.Polled(source="reconcile", due=[Again(number, "order", 0.0) for number in (101, 102)])
    monkeypatch.setattr(polling, "poll", lambda *_: polled)
    tasks.poll("erp", "order")
    assert (messages("bulk"), messages("live")) == (2, 1)
    assert first.record_id != second.record_id


def test_nothing_is_compared_before_a_first_load_is_through(
    runtime: Runtime, messages: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr(tasks.reconciling, "reconcile", lambda _, *place: compared.append(place))
    tasks.reconcile("crm", "order")
    assert compared == [], "the first poll of orders in the ERP has still to read all there is"
    runtime.ledger.run(lambda tx: cursors.advance(tx, "erp", "order", {}, {"at": None, "id": "9"}))
    arrivals = [Arrival("erp", "order", str(number), "reconcile") for number in range(3)]
    runtime.ledger.run(lambda tx: record_arrivals(tx, arrivals))
    tasks.reconcile("crm", "order")
    assert compared == [], "what it found is still to be worked on"
    with runtime.ledger.transaction() as tx:
        tx.execute("UPDATE records SET due_at = NULL")
    tasks.reconcile("crm", "order")
    assert compared == [("crm", "order")], "its slot was left free"


def test_the_death_of_a_worker_frees_what_it_had_read_and_not_begun(
    runtime: Runtime, messages: Callable[..., int]
) -> None:
    """The message is gone with it; its mark would keep the sweep from sending another one for half a minute."""
    arrivals = [Arrival("crm", "order", str(number), "webhook") for number in range(MORE_THAN_ONE)]
    runtime.ledger.run(lambda tx: record_arrivals(tx, arrivals))
    tasks.sweep()
    known = runtime.settings
    assert runtime.redis is not None
    assert known.database_url is not None
    assert known.broker_url is not None
    runtime.redis.delete("live")
    for is_buried in (False, True):
        if is_buried:
            Undertaker(known.database_url, known.broker_url).bury(os.getpid())
        with runtime.ledger.transaction() as tx:
            tx.execute("DELETE FROM slots")
        tasks.sweep()
        assert messages() == (2 if is_buried else 0), "one message for each sixty-four"


def test_a_drain_publishes_what_the_engine_wants_looked_at_again(
    runtime: Runtime, messages: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def drained(_: Runtime, ids: list[int], **_told: object) -> Drained:
        asked.append(ids)
        return Drained({"dead": 1}, [Again(7, "order", 0.0), Again(8, "stock", 0.0), Again(9, "order", 3600.0)])

    monkeypatch.setattr(tasks.engine, "drain", drained)
    send(DRAIN, [[7]], "live", None)
    before = messages()
    tasks.drain([7])
    assert asked == [[7]]
    assert (messages() - before, messages("stock"), messages("dead_letter")) == (1, 1, 1)


def test_a_message_is_drained_whole_however_many_it_names(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(tasks.engine, "drain", lambda _, ids, **_told: asked.extend(ids) or Drained())
    tasks.drain(list(range(100)))
    assert asked == list(range(100))


def test_a_poll_that_fails_for_good_is_told_and_closed_when_it_works_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermanentError("the user may not read orders", mend="grant it")

    monkeypatch.setattr(polling, "poll", refuse)
    tasks.poll("erp", "order")
    open_incidents = "SELECT incident FROM alerts WHERE closed_at IS NULL"
    assert rows(runtime, open_incidents) == [("poll:erp:order",)]
    with runtime.ledger.transaction() as tx:
        tx.execute("DELETE FROM slots")
    monkeypatch.setattr(polling, "poll", lambda *_: polling.Polled())
    tasks.poll("erp", "order")
    assert rows(runtime, open_incidents) == []


def test_a_silent_worker_raises_one_alert_and_a_fresh_canary_closes_it(runtime: Runtime) -> None:
    open_incidents = "SELECT incident FROM alerts WHERE closed_at IS NULL"
    runtime.ledger.run(lambda tx: heartbeats.beat(tx, "worker@a", ["live"]))
    with runtime.ledger.transaction() as tx:
        tx.execute("UPDATE heartbeats SET seen_at = clock_timestamp() - interval '5 minutes'")
    for _ in range(3):
        tasks.watch.look(runtime)
    assert rows(runtime, open_incidents) == [("silent worker:worker@a",)]
    tasks.canary("worker@a", ["live"])
    tasks.watch.look(runtime)
    assert rows(runtime, open_incidents) == []
