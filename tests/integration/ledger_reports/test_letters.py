"""What people do with dead letters, and how a record's story is told."""

from __future__ import annotations

import pytest

from sync_workers.errors import PermanentError
from sync_workers.ledger import counts, events, letters, settle, story
from sync_workers.ledger.letters import Filter
from sync_workers.ledger.works import ErrorInfo


def run(desk, act, *args, **more):
    return desk.ledger.run(lambda tx: act(tx, *args, **more))


def record(desk, record_id):
    return desk.sql("SELECT state, failures, forced, due_at IS NOT NULL, fence FROM records WHERE id = %s",
                    record_id)[0]


def test_a_letter_is_listed_with_what_would_mend_it(desk):
    record_id = desk.bury("9001")
    (letter,) = run(desk, letters.find)
    shown = letter.as_json()
    assert {"id", "kind", "refs", "error", "message", "mend", "since", "attempts"} <= set(shown)
    assert shown["refs"] == {"crm": "9001"}
    assert (letter.record_id, letter.message, letter.mend) == (
        record_id, "no such unit", "add the unit in the ERP, then requeue")


@pytest.mark.parametrize(("chosen", "expected"), [
    (Filter(kind="customer"), ["2"]), (Filter(error="KeyError"), ["3"]), (Filter(text="TAX"), ["2"]),
    (Filter(states=("healed",)), []), (Filter(), ["3", "2", "1"]),
])
def test_letters_are_found_by_filter(desk, chosen, expected):
    desk.bury("1")
    desk.bury("2", kind="customer", message="no tax code", field="tax")
    desk.bury("3", error="KeyError", message="'x'", field=None)
    assert [letter.refs["crm"] for letter in run(desk, letters.find, chosen)] == expected


def test_a_requeued_record_is_tried_again_as_new_and_its_success_heals_the_letter(desk):
    record_id = desk.bury("7")
    fence = record(desk, record_id)[4]
    assert run(desk, letters.requeue, [desk.letter_of(record_id)], "ann", "unit added") == [record_id]
    assert record(desk, record_id) == ("open", 0, True, True, fence)
    assert desk.one("SELECT source FROM events ORDER BY id DESC LIMIT 1") == "person"
    assert desk.sql("SELECT state, who, why FROM dead_letters") == [("requeued", "ann", "unit added")]
    claim = desk.claim(record_id)
    desk.done(claim, desk.open(claim))
    assert desk.one("SELECT state FROM dead_letters") == "healed"
    assert desk.one("SELECT closed_at IS NOT NULL FROM alerts")
    with desk.ledger.transaction() as tx:
        assert counts.status(tx)["events"] | {"received": 2} == {
            "received": 2, "pending": 0, "applied": 1, "unchanged": 0, "superseded": 1, "dead": 0, "handled": 0,
            "discarded": 0}


def test_a_requeue_while_the_last_try_runs_is_not_overwritten_by_its_failure(desk):
    record_id = desk.bury("7")
    desk.arrive("7")
    claim = desk.claim(record_id)
    run(desk, letters.requeue, [desk.letter_of(record_id)], "ann")
    told = settle.Settlement(claim, "dead", outcome="dead", facts="g", error=ErrorInfo("PermanentError", "again"))
    desk.ledger.run(lambda tx: settle.settle(tx, [told]))
    assert record(desk, record_id)[0] == "open"
    assert desk.one("SELECT due_at <= clock_timestamp() FROM records")


def test_a_requeued_record_that_dies_again_is_open_again(desk):
    record_id = desk.bury("7")
    run(desk, letters.requeue, [desk.letter_of(record_id)], "ann")
    desk.die(record_id, facts="h")
    assert desk.sql("SELECT state, attempts FROM dead_letters") == [("open", 2)]


def test_discarding_needs_a_name_and_a_reason_and_ends_the_news(desk):
    record_id = desk.bury("7")
    for who, why in (("", "a test order"), ("ann", " ")):
        with pytest.raises(ValueError):
            run(desk, letters.discard, [desk.letter_of(record_id)], who, why)
    assert run(desk, letters.find)
    assert run(desk, letters.discard, [desk.letter_of(record_id)], "ann", "a test order") == [record_id]
    assert desk.one("SELECT outcome FROM events") == "discarded"
    assert record(desk, record_id)[:4] == ("open", 0, False, False)
    assert desk.sql("SELECT who, action, why FROM audit") == [("ann", "discarded", "a test order")]
    assert desk.one("SELECT closed_at IS NOT NULL FROM alerts")


def test_what_was_made_by_hand_is_linked_so_that_it_is_not_made_again(desk):
    record_id = desk.bury("7")
    run(desk, letters.handled, [desk.letter_of(record_id)], "ann", "keyed in", {"erp": "SO-77"})
    assert desk.sql("SELECT record_id FROM refs WHERE external_id = 'SO-77'") == [(record_id,)]
    assert desk.one("SELECT outcome FROM events") == "handled"


def test_an_id_of_another_record_cannot_be_typed_in(desk):
    other = desk.arrive("SO-1", system="erp")
    record_id = desk.bury("7")
    with pytest.raises(PermanentError, match=f"belongs to record {other}"):
        run(desk, letters.handled, [desk.letter_of(record_id)], "ann", "keyed in", {"erp": "SO-1"})
    assert desk.one("SELECT state FROM dead_letters") == "open"


def test_an_alert_ends_with_its_last_letter_not_before(desk):
    first, second = desk.bury("7"), desk.bury("8")
    run(desk, letters.discard, [desk.letter_of(first)], "ann", "test")
    assert desk.one("SELECT closed_at IS NULL FROM alerts")
    run(desk, letters.discard, [desk.letter_of(second)], "ann", "test")
    assert desk.one("SELECT closed_at IS NOT NULL FROM alerts")


def test_a_closed_letter_is_left_alone(desk):
    record_id = desk.bury("7")
    run(desk, letters.discard, [desk.letter_of(record_id)], "ann", "test")
    assert run(desk, letters.requeue, [desk.letter_of(record_id)], "bob") == []
    assert run(desk, letters.show, desk.letter_of(record_id)).who == "ann"


def test_held_records_are_looked_at_again_when_a_person_says_so(desk):
    credit, totals = desk.arrive("1"), desk.arrive("2")
    desk.hold(credit, "credit_hold", "on hold")
    desk.hold(totals, "totals_differ", "line 2 differs")
    assert run(desk, letters.requeue_held, "ann", "paid", code="credit_hold") == [credit]
    assert record(desk, credit)[:4] == ("open", 0, True, True)
    assert record(desk, totals)[0] == "held"


def test_a_story_tells_events_attempts_and_overrules_with_their_rules(desk):
    record_id = desk.apply("9001")
    desk.sql("INSERT INTO overrules (record_id, field, system, lost, winner, won, rule, mapping_version)"
             " VALUES (%s, 'po_number', 'erp', '\"X\"', 'crm', '\"PO-1\"', 'owner crm', 1)", record_id)
    with desk.ledger.transaction() as tx:
        (found,) = story.candidates(tx, "order", "9001")
        told = story.tell(tx, found.record_id)
    assert {"kind", "refs", "state", "events", "attempts", "overrules"} <= set(told)
    assert told["refs"] == {"crm": "9001"}
    (attempt,) = told["attempts"]
    assert attempt["fields"] == {"po_number": {"before": None, "after": "PO-1", "rule": "created from crm"}}
    assert (attempt["system"], attempt["mapping"], attempt["status"], attempt["took_ms"]) == ("erp", 1, "done", 12.5)
    assert told["events"][0]["outcome"] == "applied"
    assert told["overrules"][0]["lost"] == "X"


@pytest.mark.parametrize("wanted", ["9001", "crm:9001", "crm-order-9001", "#{id}"])
def test_a_record_is_found_by_any_name_it_has(desk, wanted):
    record_id = desk.arrive("9001")
    with desk.ledger.transaction() as tx:
        found = story.candidates(tx, "order", wanted.format(id=record_id))
        assert [one.record_id for one in found] == [record_id]
        assert story.candidates(tx, "customer", wanted.format(id=record_id)) == []


def test_a_waiting_event_says_why_it_waits(desk):
    record_id = desk.arrive("7")
    desk.hold(record_id, "credit_hold", "the customer is on hold")
    with desk.ledger.transaction() as tx:
        (event,) = events.listed(tx, outcome="pending")
    assert event.reason == "the customer is on hold"


def test_status_counts_add_up(desk):
    desk.apply("1")
    desk.bury("2")
    desk.hold(desk.arrive("3"), "credit_hold", "on hold")
    desk.arrive("4")
    with desk.ledger.transaction() as tx:
        found = counts.status(tx)
    assert found["events"] == {"received": 4, "pending": 2, "applied": 1, "unchanged": 0, "superseded": 0, "dead": 1,
                               "handled": 0, "discarded": 0}
    assert (found["records"]["due"], found["records"]["held"], found["records"]["dead"]) == (1, 1, 1)
    assert (found["alerts"]["open"], found["alerts"]["unsent"]) == (1, 1)
    assert found["systems"] == {"crm": {"state": "up"}}
