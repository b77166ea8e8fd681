"""Dead letters and holds: told once per cause, and over when their cause is."""

from __future__ import annotations

from sync_workers.ledger.connection import Ledger
from tests.integration.ledger.steps import (
    arrive,
    claim,
    claim_new,
    column_of,
    dead,
    done,
    end,
    hold,
    is_due,
    load,
    rows,
    value,
)


def test_a_dead_record_has_a_letter_and_an_alert_in_the_same_transaction(ledger: Ledger) -> None:
    held = claim_new(ledger)

    end(ledger, dead(held))

    assert rows(ledger, "SELECT state, due_at, settled, facts FROM records") == [("dead", None, 1, "f1")]
    assert rows(ledger, "SELECT record_id, error, field, mend, attempts, state FROM dead_letters") == [
        (held.id, "PermanentError", "currency", "add it there, then replay", 1, "open")
    ]
    assert rows(ledger, "SELECT incident, count FROM alerts") == [("dead:order:PermanentError:currency", 1)]
    assert value(ledger, "SELECT outcome FROM events") == "dead"


def test_many_deaths_of_one_cause_are_one_incident(ledger: Ledger) -> None:
    held = claim(ledger, [one.record_id for one in arrive(ledger, *map(str, range(30)))])

    end(ledger, *(dead(one, f"order {one.id}: no such part 'P{one.id}'", field=None) for one in held[:-1]))
    end(ledger, dead(held[-1], "order 7: no such part 'Q'", field=None))

    assert rows(ledger, "SELECT count FROM alerts") == [(30,)]
    assert value(ledger, "SELECT count(*) FROM dead_letters WHERE state = 'open'") == 30


def test_a_letter_that_stands_on_equal_facts_raises_no_new_alert(ledger: Ledger) -> None:
    end(ledger, dead(claim_new(ledger)))
    for facts, count in (("f1", 1), ("f2", 2), ("f2", 2)):
        arrive(ledger, "1", source="reconcile")
        [held] = claim(ledger, [1])
        end(ledger, dead(held, facts=facts))
        assert value(ledger, "SELECT count FROM alerts") == count

    assert value(ledger, "SELECT count(*) FROM dead_letters") == 1
    assert not is_due(ledger, 1)


def test_a_run_that_succeeds_heals_the_letter_and_ends_the_incident_with_the_last_of_them(
    ledger: Ledger,
) -> None:
    for external_id in ("1", "2"):
        end(ledger, dead(claim_new(ledger, external_id)))

    for external_id, open_alerts in (("1", 1), ("2", 0)):
        [arrived] = arrive(ledger, external_id, source="poll")
        [held] = claim(ledger, [arrived.record_id])
        letter = load(ledger, held)[0].letter
        assert letter is not None
        assert letter.info.cls == "PermanentError"
        end(ledger, done(held))
        assert value(ledger, "SELECT count(*) FROM alerts WHERE closed_at IS NULL") == open_alerts

    assert rows(ledger, "SELECT DISTINCT state FROM dead_letters") == [("healed",)]
    assert rows(ledger, "SELECT DISTINCT state FROM records") == [("open",)]


def test_a_held_record_keeps_its_events_open_and_its_reason(ledger: Ledger) -> None:
    held = claim_new(ledger)
    end(ledger, hold(held, facts="f1"))

    assert rows(ledger, "SELECT state, due_at, hold_code, facts FROM records") == [
        ("held", None, "credit_hold", "f1")
    ]
    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NULL") == 1
    since = column_of(ledger, held.id, "hold_since")

    arrive(ledger, "1", source="poll")
    [again] = claim(ledger, [held.id])
    assert (again.hold_code, again.hold_reason) == ("credit_hold", "the customer owes too much")
    end(ledger, hold(again, recheck_s=60.0))
    assert column_of(ledger, held.id, "hold_since") == since
    assert column_of(ledger, held.id, "due_at") is not None
    assert not is_due(ledger, held.id)


def test_a_hold_that_is_to_be_told_is_one_incident_until_the_last_record_is_released(ledger: Ledger) -> None:
    for external_id in ("1", "2"):
        end(ledger, hold(claim_new(ledger, external_id), alert=True))
    assert rows(ledger, "SELECT incident, count FROM alerts") == [("hold:order:credit_hold", 2)]

    for external_id, still_open in (("1", 1), ("2", 0)):
        [arrived] = arrive(ledger, external_id, source="poll")
        end(ledger, done(claim(ledger, [arrived.record_id])[0]))
        assert value(ledger, "SELECT count(*) FROM alerts WHERE closed_at IS NULL") == still_open
