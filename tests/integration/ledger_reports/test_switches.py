"""What is switched or counted for the whole fleet: circuits, modes, versions, cursors, slots, heartbeats."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from sync_workers.ledger import circuits, cursors, heartbeats, modes, slots
from sync_workers.ledger.attempts import Opening, Replan, open_attempts, record_shadow

SLOT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def fail(desk, system="erp", threshold=3, probe_s=15.0):
    return desk.ledger.run(
        lambda tx: circuits.note_failure(tx, system, "connection refused", threshold=threshold, probe_s=probe_s))


def test_a_circuit_opens_once_for_the_whole_fleet_with_one_alert(desk):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: fail(desk), range(40)))
    assert opened.count(True) == 1
    assert desk.sql("SELECT incident, count, severity FROM alerts") == [("down:erp", 1, "critical")]
    body = desk.one("SELECT body FROM alerts")
    assert "sync-workers doctor" in body
    assert "connection refused" in body


def test_a_success_between_failures_keeps_it_closed(desk):
    for _ in range(5):
        assert not fail(desk)
        assert not fail(desk)
        assert not desk.ledger.run(lambda tx: circuits.note_success(tx, "erp"))


def test_one_probe_at_a_time_tests_the_water_and_a_failed_one_puts_the_next_off(desk):
    fail(desk, threshold=1)

    def probe(_: int = 0) -> bool:
        return desk.ledger.run(lambda tx: circuits.may_probe(tx, "erp"))

    assert not probe()
    desk.sql("UPDATE circuits SET probe_at = clock_timestamp()")
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(probe, range(12))).count(True) == 1
    desk.sql("UPDATE circuits SET probe_at = clock_timestamp()")
    assert not fail(desk, threshold=1), "it is open already"
    assert not probe()


def test_the_first_answer_closes_it_ends_the_alert_and_wakes_what_waits(desk):
    waiting, leased = desk.arrive("1"), desk.arrive("2")
    fail(desk, threshold=1)
    desk.claim(leased)
    desk.sql("UPDATE records SET due_at = clock_timestamp() + interval '1 minute'")
    assert desk.ledger.run(lambda tx: circuits.note_success(tx, "erp"))
    assert not desk.ledger.run(lambda tx: circuits.note_success(tx, "erp"))
    assert desk.one("SELECT due_at <= clock_timestamp() FROM records WHERE id = %s", waiting)
    assert not desk.one("SELECT due_at <= clock_timestamp() FROM records WHERE id = %s", leased)
    assert desk.one("SELECT closed_at IS NOT NULL FROM alerts")
    with desk.ledger.transaction() as tx:
        assert circuits.states(tx)["erp"].state == "closed"


def test_switching_off_waits_for_calls_under_way_and_says_how_many(desk):
    record_id = desk.arrive("7")
    claim = desk.claim(record_id)
    attempt = desk.open(claim)
    switched = modes.switch(desk.ledger, "order", "erp", "off", "ann", "stocktaking")
    switched.sleep = lambda _: desk.done(claim, attempt)
    assert list(switched) == [1]
    assert switched.under_way() == 0


def test_a_call_past_its_sure_at_is_not_waited_for(desk):
    desk.open(desk.claim(desk.arrive("7")))
    desk.sql("UPDATE attempts SET sure_at = clock_timestamp()")
    assert list(modes.switch(desk.ledger, "order", "erp", "off", "ann")) == []


def test_nothing_planned_before_a_switch_is_opened_after_it(desk):
    claim = desk.claim(desk.arrive("7"))
    modes.switch(desk.ledger, "order", "erp", "off", "ann")
    opening = Opening(claim, "erp", "order", "create", "", "k", 1, {}, {}, 1.0)
    answer = desk.ledger.run(lambda tx: open_attempts(tx, [opening], call_s=1, margin_s=0, modes={},
                                                      versions={"order": 1}))
    assert isinstance(answer[0], Replan)


def test_a_switch_and_an_opening_exclude_each_other(desk):
    """An opening that stands uncommitted when the switch is asked for is among those waited for."""
    claim = desk.claim(desk.arrive("7"))
    opening = Opening(claim, "erp", "order", "create", "", "k", 1, {}, {}, 1.0)
    asked, found = threading.Event(), []

    def switch() -> None:
        asked.set()
        found.append(modes.switch(desk.ledger, "order", "erp", "off", "ann").under_way())

    with desk.ledger.transaction() as tx:
        open_attempts(tx, [opening], call_s=1, margin_s=0, modes={}, versions={"order": 1})
        thread = threading.Thread(target=switch)
        thread.start()
        asked.wait(10)
        while not desk.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                           " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"):
            assert thread.is_alive()
    thread.join(30)
    assert found == [1]


def test_switching_on_wakes_what_was_held_or_shown_as_a_shadow(desk):
    held, shadow, other = desk.arrive("1"), desk.arrive("2"), desk.arrive("3")
    desk.hold(held, "mode_off", "the flow is off")
    claim = desk.claim(shadow)
    desk.ledger.run(lambda tx: record_shadow(tx, claim, "erp", "order", "create", "", "k", 1, {}))
    desk.done(claim)
    desk.done(desk.claim(other))
    assert modes.switch(desk.ledger, "order", "erp", "live", "ann").woken == 2
    due = {row[0] for row in desk.sql("SELECT id FROM records WHERE due_at <= clock_timestamp()")}
    assert due == {held, shadow}


def test_a_switch_names_who_and_why_and_what_it_was_before(desk):
    modes.switch(desk.ledger, "order", "erp", "canary", "ann", "first customers", {"ids": ["9001"]})
    modes.switch(desk.ledger, "order", "erp", "live", "bob", "all well")
    rows = desk.sql("SELECT who, why, detail ->> 'from', detail ->> 'to' FROM audit ORDER BY id")
    assert rows == [("ann", "first customers", "live", "canary"), ("bob", "all well", "canary", "live")]
    with desk.ledger.transaction() as tx:
        assert modes.mode_of(tx)["order", "erp"].mode == "live"


@pytest.mark.parametrize(("mode", "who", "canary"), [("on", "ann", None), ("canary", "ann", None), ("off", " ", None)])
def test_a_switch_that_says_too_little_is_refused_and_changes_nothing(desk, mode, who, canary):
    with pytest.raises(ValueError):
        modes.switch(desk.ledger, "order", "erp", mode, who, canary=canary)
    assert desk.one("SELECT count(*) FROM modes") == 0


def test_an_activated_mapping_version_is_compared_by_openings(desk):
    claim = desk.claim(desk.arrive("7"))
    assert list(modes.activate(desk.ledger, "order", 2, "digest", "ann", systems=["crm", "erp"])) == []
    opening = Opening(claim, "erp", "order", "create", "", "k", 1, {}, {}, 1.0)
    answer = desk.ledger.run(lambda tx: open_attempts(tx, [opening], call_s=1, margin_s=0, modes={},
                                                      versions={"order": 1}))
    assert isinstance(answer[0], Replan)
    with desk.ledger.transaction() as tx:
        assert modes.active(tx) == {"order": 2}


def test_a_cursor_moves_only_from_where_the_poll_began(desk):
    first, second = {"at": "2026-03-01T08:00:00+00:00", "id": "5"}, {"at": "2026-03-01T09:00:00+00:00", "id": ""}
    move = lambda old, new: desk.ledger.run(lambda tx: cursors.advance(tx, "erp", "order", old, new))  # noqa: E731
    desk.ledger.run(lambda tx: cursors.polled(tx, "erp", "order"))
    assert move({}, first)
    assert not move({}, second), "another beat moved it"
    assert move(first, second)
    with desk.ledger.transaction() as tx:
        assert cursors.position(tx, "erp", "order") == second
        assert cursors.position(tx, "erp", "customer") == {}
        assert set(cursors.last_polls(tx)) == {("erp", "order")}


def test_a_slot_is_taken_once_and_again_when_its_owner_died(desk):
    take = lambda owner, lease_s=60.0: desk.ledger.run(  # noqa: E731
        lambda tx: slots.take(tx, "sweep", SLOT, owner, lease_s))
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(take, [f"w{number}" for number in range(12)])).count(True) == 1
    desk.sql("UPDATE slots SET lease_until = clock_timestamp() - interval '1 second'")
    assert take("w99")
    assert not desk.ledger.run(lambda tx: slots.done(tx, "sweep", SLOT, "w0-dead"))
    assert desk.ledger.run(lambda tx: slots.done(tx, "sweep", SLOT, "w99"))
    desk.sql("UPDATE slots SET lease_until = clock_timestamp() - interval '1 second'")
    assert not take("w1"), "what is done stays done"


def test_a_missed_slot_is_seen(desk):
    desk.ledger.run(lambda tx: slots.take(tx, "sweep", SLOT, "w", 60))
    later = SLOT + timedelta(seconds=5)
    with desk.ledger.transaction() as tx:
        assert slots.missed(tx, "sweep", [SLOT, later]) == [later]


def test_heartbeats_are_one_row_per_worker_until_it_leaves(desk):
    for _ in range(2):
        desk.ledger.run(lambda tx: heartbeats.beat(tx, "w1", ["live", "stock"]))
    with desk.ledger.transaction() as tx:
        (beat,) = heartbeats.all_of(tx)
    assert beat.queues == ("live", "stock")
    desk.ledger.run(lambda tx: heartbeats.leave(tx, "w1"))
    with desk.ledger.transaction() as tx:
        assert heartbeats.all_of(tx) == []
