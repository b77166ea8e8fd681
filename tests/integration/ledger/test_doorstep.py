"""What was accepted in a burst becomes events, each once, whoever sorts and whatever fails."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from sync_workers.ledger import doorstep
from sync_workers.ledger.connection import Ledger, LedgerDown, Unstorable
from sync_workers.ledger.inbox import Arrival
from tests.integration.ledger.steps import arrive, is_due, rows, value


def arrival(name: str, **more: Any) -> Arrival:
    return Arrival("crm", "order", name, "webhook", **more)


def put(ledger: Ledger, *arrivals: Arrival) -> None:
    texts = [doorstep.as_text(one) for one in arrivals]
    with ledger.transaction() as tx:
        tx.execute(doorstep.PUT, doorstep.as_row([text for text in texts if text is not None]))


def test_what_lies_there_becomes_events_as_they_were_accepted(ledger: Ledger) -> None:
    put(ledger, arrival("1", key="k1", version="7", payload={"name": "é", "n": 1.5}), arrival("2", echo=True))
    put(ledger, arrival("1", key="k2"), arrival("3", key="k3", same_as=("old",)))
    [(accepted,)] = rows(ledger, "SELECT min(received_at) FROM doorstep")

    found = doorstep.sort_out(ledger)

    assert found is not None
    assert [(one.gen, one.due) for one in found] == [(1, True), (1, True), (2, True), (1, True)]
    assert all(is_due(ledger, one.record_id) for one in found)
    assert rows(ledger, "SELECT external_id, gen, source, echo, version, payload FROM events ORDER BY 1, 2") == [
        ("1", 1, "webhook", False, "7", {"name": "é", "n": 1.5}), ("1", 2, "webhook", False, None, None),
        ("2", 1, "webhook", True, None, None), ("3", 1, "webhook", False, None, None),
    ]
    assert value(ledger, "SELECT min(received_at) FROM events") == accepted
    assert value(ledger, "SELECT record_id FROM refs WHERE external_id = 'old'") == found[3].record_id
    assert value(ledger, "SELECT count(*) FROM doorstep") == 0
    assert doorstep.sort_out(ledger) is None


def test_a_repeat_is_counted_wherever_its_first_went_in(ledger: Ledger) -> None:
    arrive(ledger, "1", key="k")
    put(ledger, arrival("1", key="k"))
    put(ledger, arrival("1", key="k"))

    found = doorstep.sort_out(ledger)

    assert found is not None
    assert [(one.event_id, one.due) for one in found] == [(None, False)] * 2
    assert rows(ledger, "SELECT seen FROM deliveries") == [(3,)]
    assert value(ledger, "SELECT count(*) FROM events") == 1


def test_the_oldest_are_sorted_first_and_whole_groups_up_to_a_bound(ledger: Ledger) -> None:
    for number in range(4):
        put(ledger, *[arrival(f"{number}-{each}") for each in range(3)])

    assert len(doorstep.sort_out(ledger, most=7) or ()) == 6
    assert rows(ledger, "SELECT DISTINCT left(external_id, 1) FROM events ORDER BY 1") == [("0",), ("1",)]
    assert len(doorstep.sort_out(ledger, most=1) or ()) == 3, "a group that is larger than the bound goes alone"


def test_two_that_sort_at_once_leave_each_other_theirs(ledger: Ledger) -> None:
    put(ledger, arrival("1", key="k1"))
    with ledger.transaction() as tx:
        assert len(doorstep._lock(tx, 200, 0.0)) == 1
        put(ledger, arrival("2", key="k2"))
        assert [one.gen for one in doorstep.sort_out(ledger) or ()] == [1]
        assert rows(ledger, "SELECT external_id FROM events") == [("2",)]
    assert len(doorstep.sort_out(ledger) or ()) == 1
    assert value(ledger, "SELECT count(*) FROM events") == 2


def test_whoever_dies_while_sorting_leaves_all_of_it(ledger: Ledger) -> None:
    put(ledger, arrival("1", key="k1"), arrival("2"))
    with pytest.raises(ZeroDivisionError), ledger.transaction() as tx:  # noqa: PT012
        doorstep._record(tx, doorstep._lock(tx, 200, 0.0))
        raise ZeroDivisionError

    assert value(ledger, "SELECT count FROM doorstep") == 2
    assert value(ledger, "SELECT count(*) FROM events") == 0
    assert len(doorstep.sort_out(ledger) or ()) == 2


def test_whoever_dies_after_parting_a_group_leaves_each_arrival_to_be_recorded(ledger: Ledger) -> None:
    put(ledger, arrival("1", key="k1", payload={"n": 1}), arrival("2", same_as=("old",)))
    ledger.run(lambda tx: doorstep._part(tx, doorstep._lock(tx, 200, 0.0)))
    assert rows(ledger, "SELECT count FROM doorstep") == [(1,), (1,)]

    assert len(doorstep.sort_out(ledger) or ()) == 2
    assert rows(ledger, "SELECT external_id, payload FROM events ORDER BY 1") == [("1", {"n": 1}), ("2", None)]
    assert value(ledger, "SELECT count(*) FROM refs WHERE external_id = 'old'") == 1


def test_the_sweep_takes_only_what_was_left_lying(ledger: Ledger) -> None:
    put(ledger, arrival("1"))
    assert doorstep.sort_out(ledger, older_than_s=60.0) is None
    with ledger.transaction() as tx:
        tx.execute("UPDATE doorstep SET received_at = received_at - interval '61 seconds'")
    assert len(doorstep.sort_out(ledger, older_than_s=60.0) or ()) == 1


def test_what_the_ledger_cannot_hold_is_set_aside_alone_and_loudly(ledger: Ledger) -> None:
    """A text that is too long for its index cannot be seen before the ledger says so."""
    endless = secrets.token_hex(20_000)
    put(ledger, arrival("1"), arrival(endless, payload={"name": "x"}), arrival("2"))
    put(ledger, arrival("3"))

    while doorstep.sort_out(ledger) is not None:
        pass

    assert rows(ledger, "SELECT external_id FROM events ORDER BY 1") == [("1",), ("2",), ("3",)]
    [(system, reason, body)] = rows(ledger, "SELECT system, reason, body FROM quarantine")
    assert (system, reason) == ("crm", "order: the ledger cannot hold it: Unstorable")
    assert endless.encode() in bytes(body)
    assert value(ledger, "SELECT count(*) FROM alerts WHERE incident = 'quarantine:crm'") == 1
    assert value(ledger, "SELECT count(*) FROM doorstep") == 0


def test_a_text_too_long_for_its_index_is_no_ledger_that_is_down(ledger: Ledger) -> None:
    with pytest.raises(Unstorable):
        arrive(ledger, secrets.token_hex(20_000))
    assert not issubclass(Unstorable, LedgerDown)


def test_the_ledger_says_what_lies_there_and_for_how_long(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        assert doorstep.lying(tx) == (0, None)
    put(ledger, arrival("1"), arrival("2"))
    put(ledger, arrival("3"))
    with ledger.transaction() as tx:
        tx.execute("UPDATE doorstep SET received_at = %s WHERE count = 1", (datetime(2026, 1, 1, tzinfo=UTC),))
    with ledger.transaction() as tx:
        count, age = doorstep.lying(tx)
    assert count == 3
    assert age is not None
    assert age.days > 200
