"""Protocol section 2: what arrives is in the ledger and due, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_workers.ledger.connection import Collision, Ledger, Unstorable
from sync_workers.ledger.inbox import Arrival, quarantine, record_arrivals, touch
from sync_workers.ledger.statements import Tx
from tests.integration.ledger.steps import (
    arrive,
    claim,
    claim_new,
    done,
    end,
    is_due,
    rows,
    value,
)


def test_an_arrival_makes_its_record_due_in_the_same_transaction(ledger: Ledger) -> None:
    [arrived] = arrive(ledger, "9001", payload={"name": "é"}, version="7")

    assert arrived.due
    assert arrived.gen == 1
    assert is_due(ledger, arrived.record_id)
    assert rows(ledger, "SELECT kind, origin_system, origin_id, asked FROM records") == [
        ("order", "crm", "9001", 1)
    ]
    assert rows(ledger, "SELECT id, record_id, gen, payload, version FROM events") == [
        (arrived.event_id, arrived.record_id, 1, {"name": "é"}, "7")
    ]


def test_a_rolled_back_group_leaves_neither_event_nor_key_nor_record(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.transaction() as tx:  # noqa: PT012
        record_arrivals(tx, [Arrival("crm", "order", "1", "webhook", key="k")])
        raise ZeroDivisionError

    for table in ("events", "deliveries", "records", "refs"):
        assert value(ledger, f"SELECT count(*) FROM {table}") == 0


def test_a_group_gives_generations_in_the_order_of_arrival(ledger: Ledger) -> None:
    arrived = arrive(ledger, "1", "2", "1", "1", source="poll")

    assert [one.gen for one in arrived] == [1, 1, 2, 3]
    assert len({one.event_id for one in arrived}) == 4
    assert arrived[0].record_id == arrived[2].record_id == arrived[3].record_id


def test_fifty_parallel_deliveries_of_one_key_make_one_event(ledger: Ledger) -> None:
    gate = threading.Barrier(10)

    def deliver(_: int) -> list[int | None]:
        gate.wait()
        return [arrive(ledger, "1", key="delivery-1", payload={"a": 1})[0].event_id for _ in range(5)]

    with ThreadPoolExecutor(10) as pool:
        events = [event for found in pool.map(deliver, range(10)) for event in found]

    assert len(events) == 50
    assert len([event for event in events if event is not None]) == 1
    assert value(ledger, "SELECT count(*) FROM events") == 1
    assert rows(ledger, "SELECT key, seen FROM deliveries") == [("delivery-1", 50)]
    assert value(ledger, "SELECT count(*) FROM records") == 1


def test_a_key_twice_in_one_group_is_one_event(ledger: Ledger) -> None:
    first, second = arrive(ledger, "1", "1", key="k")

    assert first.event_id is not None
    assert (second.event_id, second.due, second.record_id) == (None, False, first.record_id)
    assert value(ledger, "SELECT event_id FROM deliveries") == first.event_id


def test_the_same_body_without_key_is_news_again_once_the_first_is_settled(ledger: Ledger) -> None:
    """A, settle, B, settle, A: the third equals the first and must not be dropped for good (A2)."""
    for body in ({"status": "A"}, {"status": "B"}, {"status": "A"}):
        [arrived] = arrive(ledger, "1", payload=body)
        assert arrived.event_id is not None
        [held] = claim(ledger, [arrived.record_id])
        end(ledger, done(held))

    assert value(ledger, "SELECT count(*) FROM events WHERE outcome = 'applied'") == 3


def test_a_key_that_is_known_stays_a_repeat_even_when_its_event_is_settled(ledger: Ledger) -> None:
    for key in ("a", "b"):
        [arrived] = arrive(ledger, "1", key=key)
        [held] = claim(ledger, [arrived.record_id])
        end(ledger, done(held))

    [again] = arrive(ledger, "1", key="a")

    assert (again.event_id, again.due) == (None, False)
    assert not is_due(ledger, again.record_id)


def test_equal_webhooks_without_key_collapse_while_nobody_has_looked(ledger: Ledger) -> None:
    first, second = arrive(ledger, "1", "1", payload={"a": 1})
    [third] = arrive(ledger, "1", payload={"a": 1})
    [other] = arrive(ledger, "1", payload={"a": 2})

    assert first.event_id is not None
    assert second.event_id is third.event_id is None
    assert other.event_id is not None


def test_an_equal_webhook_is_news_while_a_worker_may_have_read_the_facts_already(ledger: Ledger) -> None:
    """Collapsed into an event under work, an edit made after the read would never be looked at."""
    held = claim_new(ledger, "1", payload=None)

    [again] = arrive(ledger, "1", payload=None)
    end(ledger, done(held))

    assert again.gen == 2
    assert is_due(ledger, held.id)


def test_a_poll_is_never_taken_for_a_repeat(ledger: Ledger) -> None:
    assert [one.gen for one in arrive(ledger, "1", "1", source="poll")] == [1, 2]


def test_a_text_with_a_nul_refuses_the_group_and_alone_only_itself(ledger: Ledger) -> None:
    with pytest.raises(Unstorable):
        arrive(ledger, "1", "2\x00", "3")
    with pytest.raises(Unstorable):
        arrive(ledger, "4", payload={"name": "a\x00b"})
    with pytest.raises(Unstorable):
        arrive(ledger, "5", payload={"name": "\ud800"})

    assert value(ledger, "SELECT count(*) FROM events") == 0
    assert [one.due for one in [*arrive(ledger, "1"), *arrive(ledger, "3")]] == [True, True]


def test_two_groups_that_make_the_same_new_records_in_opposite_order_agree(ledger: Ledger) -> None:
    gate = threading.Barrier(2)
    ids = [str(number) for number in range(40)]

    def deliver(order: list[str]) -> dict[str, int]:
        gate.wait()
        return {
            each: one.record_id
            for each, one in zip(order, arrive(ledger, *order, source="poll"), strict=True)
        }

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(deliver, [ids, ids[::-1]])

    assert one == other
    assert value(ledger, "SELECT count(*) FROM records") == 40
    assert value(ledger, "SELECT count(*) FROM events") == 80


def test_a_deadlock_is_repeated_until_both_are_through(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    one, two = (each.record_id for each in arrive(ledger, "1", "2"))
    met = threading.Barrier(2)
    tries = []

    def cross(first: int, second: int) -> None:
        def work(tx: Tx) -> None:
            tries.append(first)
            tx.execute("UPDATE records SET note = 'x' WHERE id = %s", (first,))
            if len(tries) <= 2:
                met.wait()
            tx.execute("UPDATE records SET note = 'x' WHERE id = %s", (second,))

        another_ledger().run(work)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(cross, one, two), pool.submit(cross, two, one)]:
            future.result()

    assert len(tries) > 2  # at least one of the two was chosen as the victim
    assert value(ledger, "SELECT count(*) FROM records WHERE note = 'x'") == 2


def test_a_deadlock_outside_run_is_told_as_a_collision(ledger: Ledger) -> None:
    with pytest.raises(Collision), ledger.transaction() as tx:
        tx.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")


def test_touch_raises_asked_and_says_why(ledger: Ledger) -> None:
    held = claim_new(ledger, "1")

    [touched] = ledger.run(lambda tx: touch(tx, [held.id, held.id], "wake", "the circuit closed"))

    assert (touched.record_id, touched.gen, touched.due) == (held.id, 2, True)
    assert rows(ledger, "SELECT source, note, system, external_id FROM events WHERE gen = 2") == [
        ("wake", "the circuit closed", "crm", "1")
    ]
    end(ledger, done(held))
    assert is_due(ledger, held.id)


def test_what_cannot_be_read_is_kept_with_one_alert_per_system(ledger: Ledger) -> None:
    for body in (b"\x00\xff", b"{"):
        ledger.run(lambda tx, body=body: quarantine(tx, "crm", "not JSON\x00", body))  # type: ignore[misc]

    assert [bytes(row[0]) for row in rows(ledger, "SELECT body FROM quarantine ORDER BY id")] == [
        b"\x00\xff",
        b"{",
    ]
    assert rows(ledger, "SELECT incident, count FROM alerts") == [("quarantine:crm", 2)]
