"""Protocol section 10: two rows that are one thing."""

from __future__ import annotations

import pytest

from sync_workers.errors import Hold
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.merging import absorb
from sync_workers.ledger.settle import Closing, Flush, Settlement, flush
from tests.integration.ledger.steps import (
    arrive,
    claim,
    claim_new,
    column_of,
    dead,
    done,
    end,
    is_due,
    lapse,
    load,
    open_one,
    ref,
    rows,
    value,
)


def test_a_hook_of_our_own_create_is_absorbed_into_the_record_that_made_it(ledger: Ledger) -> None:
    """R1: refs, keys and events move, each event with a generation of the survivor."""
    survivor = claim_new(ledger, "1")
    other = next(one.record_id for one in arrive(ledger, "55", "55", system="erp", source="poll"))

    assert ledger.run(lambda tx: absorb(tx, survivor.id, other))

    assert rows(ledger, "SELECT state, merged_into, due_at, owner FROM records WHERE id = %s", other) == [
        ("merged", survivor.id, None, None)
    ]
    assert rows(ledger, "SELECT record_id, gen, system FROM events ORDER BY id") == [
        (survivor.id, 1, "crm"),
        (survivor.id, 2, "erp"),
        (survivor.id, 3, "erp"),
    ]
    end(ledger, done(survivor))
    assert is_due(ledger, survivor.id)
    [again] = claim(ledger, [survivor.id])
    [work] = load(ledger, again)
    assert set(work.refs) == {"crm", "erp"}
    assert [event.gen for event in work.events] == [2, 3]
    assert ledger.run(lambda tx: absorb(tx, survivor.id, other))


@pytest.mark.parametrize("busy", ["leased", "undecided"])
def test_a_record_at_work_is_not_absorbed_and_stays_due(ledger: Ledger, busy: str) -> None:
    [survivor] = arrive(ledger, "1")
    other = claim_new(ledger, "55", system="erp")
    if busy == "undecided":
        open_one(ledger, other, system="crm")
        lapse(ledger, [other.id])

    assert not ledger.run(lambda tx: absorb(tx, survivor.record_id, other.id))

    assert is_due(ledger, survivor.record_id)
    assert is_due(ledger, other.id)
    assert column_of(ledger, other.id, "state") == "open"


def test_the_holder_may_give_its_own_record_away_and_then_holds_nothing(ledger: Ledger) -> None:
    [survivor] = arrive(ledger, "1")
    other = claim_new(ledger, "55", system="erp")

    assert not ledger.run(lambda tx: absorb(tx, survivor.record_id, other.id, fence=other.fence + 1))
    assert ledger.run(lambda tx: absorb(tx, survivor.record_id, other.id, fence=other.fence))

    assert end(ledger, done(other)) == set()
    assert is_due(ledger, survivor.record_id)


def test_two_with_counterparts_of_their_own_are_never_joined(ledger: Ledger) -> None:
    for external_id in ("1", "2"):
        end(ledger, done(claim_new(ledger, external_id), refs=[ref(f"E{external_id}")]))

    with pytest.raises(Hold) as caught:
        ledger.run(lambda tx: absorb(tx, 1, 2))

    assert caught.value.code == "duplicate"
    assert value(ledger, "SELECT count(*) FROM records WHERE state = 'merged'") == 0


def test_absorbing_twice_leaves_one_hop(ledger: Ledger) -> None:
    first = arrive(ledger, "1", system="crm")[0].record_id
    second = arrive(ledger, "2", system="erp")[0].record_id
    third = arrive(ledger, "3", system="shop")[0].record_id

    assert ledger.run(lambda tx: absorb(tx, second, third))
    assert ledger.run(lambda tx: absorb(tx, first, second))

    assert rows(ledger, "SELECT id, merged_into FROM records ORDER BY id") == [
        (first, None),
        (second, first),
        (third, first),
    ]
    assert arrive(ledger, "3", system="shop")[0].record_id == first


def test_a_standing_letter_of_the_absorbed_is_closed_and_its_waiters_look_again(ledger: Ledger) -> None:
    [survivor] = arrive(ledger, "1")
    other = claim_new(ledger, "55", system="erp")
    waiter = claim_new(ledger, "9")
    end(ledger, Settlement(waiter, "park", waits_for=other.id))
    end(ledger, dead(other))

    assert ledger.run(lambda tx: absorb(tx, survivor.record_id, other.id))

    assert value(ledger, "SELECT state FROM dead_letters") == "handled"
    assert value(ledger, "SELECT count(*) FROM alerts WHERE closed_at IS NULL") == 0
    assert is_due(ledger, waiter.id)
    assert column_of(ledger, waiter.id, "waits_for") is None


def test_storing_an_id_that_another_row_has_merges_that_row(ledger: Ledger) -> None:
    """R3: the hook came before the settling of our create; the settling must never fail."""
    held = claim_new(ledger, "1")
    opened = open_one(ledger, held)
    [hooked] = arrive(ledger, "E1", system="erp")

    took = end(
        ledger,
        done(held, refs=[ref("E1", held={"a": 1})], closings=[Closing(opened.attempt_id, "done", {}, 1.0)]),
    )

    assert took == {held.id}
    assert column_of(ledger, hooked.record_id, "merged_into") == held.id
    assert is_due(ledger, held.id)
    [again] = claim(ledger, [held.id])
    [work] = load(ledger, again)
    assert (work.refs["erp"].external_id, work.refs["erp"].held) == ("E1", {"a": 1})
    assert [(event.system, event.gen) for event in work.events] == [("erp", 2)]
    assert work.attempts == []


def test_an_id_of_a_row_at_work_leaves_the_attempt_open_and_looks_again_soon(ledger: Ledger) -> None:
    held = claim_new(ledger, "1")
    opened = open_one(ledger, held)
    hooked = claim_new(ledger, "E1", system="erp")

    took = end(ledger, done(held, refs=[ref("E1")], closings=[Closing(opened.attempt_id, "done", {}, 1.0)]))

    assert took == {held.id}
    assert value(ledger, "SELECT status FROM attempts") == "open"
    assert rows(ledger, "SELECT owner, state, due_at IS NULL FROM records WHERE id = %s", held.id) == [
        (None, "open", False)
    ]
    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NOT NULL") == 0
    end(ledger, done(hooked))
    assert is_due(ledger, hooked.id)


def test_an_id_of_a_row_that_made_a_counterpart_holds_ours_as_a_duplicate(ledger: Ledger) -> None:
    end(ledger, done(claim_new(ledger, "E1", system="erp"), refs=[ref("C7", "crm")]))
    held = claim_new(ledger, "1")
    opened = open_one(ledger, held)
    news = Flush(held, [ref("E1")], [Closing(opened.attempt_id, "done", {}, 1.0)])

    assert ledger.run(lambda tx: flush(tx, [news])) == set()

    assert rows(ledger, "SELECT state, hold_code, owner FROM records WHERE id = %s", held.id) == [
        ("held", "duplicate", None)
    ]
    assert value(ledger, "SELECT status FROM attempts") == "open"
    assert rows(ledger, "SELECT incident FROM alerts") == [("hold:order:duplicate",)]


def test_a_row_whose_id_its_system_merged_into_another_row_is_joined_to_it(ledger: Ledger) -> None:
    """R5 seen by a read: the answer's id differs from the asked one, and another row has it."""
    [stays] = arrive(ledger, "new")
    held = claim_new(ledger, "old")

    assert end(ledger, done(held, refs=[ref("new", "crm")])) == {held.id}

    assert column_of(ledger, held.id, "merged_into") == stays.record_id
    assert is_due(ledger, stays.record_id)
    assert arrive(ledger, "old")[0].record_id == stays.record_id
