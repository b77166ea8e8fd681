"""Protocol section 5: how runs end, and what arrives meanwhile is never lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_workers.ledger import records
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.inbox import Arrival, record_arrivals, touch
from sync_workers.ledger.settle import (
    Closing,
    Flush,
    Settlement,
    flush,
    settle,
)
from sync_workers.ledger.statements import Tx
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
    lapse,
    open_one,
    park,
    pid_of,
    ref,
    retry,
    rows,
    value,
    wait_until_blocked,
)


@pytest.mark.parametrize("ending", [done, hold, dead, retry])
def test_news_that_commit_while_we_settle_leave_the_record_due(
    ledger: Ledger, another_ledger: Callable[[], Ledger], ending: Callable[[records.Claim], Settlement]
) -> None:
    """The receiver's transaction is open after its UPDATE: the settling waits, and must see it (S2)."""
    held = claim_new(ledger)
    settler = another_ledger()
    pids: list[int] = []

    def work(tx: Tx) -> set[int]:
        pids.append(pid_of(tx))
        return settle(tx, [ending(held)])

    with ledger.transaction() as tx, ThreadPoolExecutor(1) as pool:
        record_arrivals(tx, [Arrival("crm", "order", "1", "webhook", payload={"new": True})])
        waiting = pool.submit(lambda: settler.run(work))
        while not pids:
            pass
        wait_until_blocked(another_ledger(), pids[0])
        tx.commit()
        assert waiting.result() == {held.id}

    assert is_due(ledger, held.id)
    assert column_of(ledger, held.id, "state") == "open"
    assert value(ledger, "SELECT count(*) FROM events WHERE gen = 2 AND settled_at IS NULL") == 1


def test_only_what_was_known_at_the_claim_is_settled(ledger: Ledger) -> None:
    held = claim_new(ledger)
    arrive(ledger, "1", source="poll")

    end(ledger, done(held))

    assert rows(ledger, "SELECT gen, outcome FROM events ORDER BY gen") == [(1, "applied"), (2, None)]
    assert is_due(ledger, held.id)
    [again] = claim(ledger, [held.id])
    assert again.gen == 2
    end(ledger, done(again, outcome="unchanged", note="nothing to do"))
    assert not is_due(ledger, held.id)
    assert rows(ledger, "SELECT outcome, note FROM events WHERE gen = 2") == [("unchanged", "nothing to do")]


def test_the_highest_event_gets_the_outcome_and_those_below_are_superseded(ledger: Ledger) -> None:
    ids = {one.record_id for one in arrive(ledger, "1", "1", "1", source="poll")}
    [held] = claim(ledger, ids)

    end(ledger, done(held))

    assert rows(ledger, "SELECT gen, outcome FROM events ORDER BY gen") == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "applied"),
    ]


def test_a_worker_whose_record_was_taken_settles_nothing(ledger: Ledger) -> None:
    frozen = claim_new(ledger)
    opened = open_one(ledger, frozen)
    lapse(ledger, [frozen.id])
    claim(ledger, [frozen.id], owner="another")

    for ending in (
        done,
        hold,
        dead,
        retry,
        lambda one: park(one, one.id),
        lambda one: Settlement(one, "release"),
    ):
        late = ending(frozen)
        assert end(ledger, late) == set()
    news = Flush(frozen, [ref("E1")], [Closing(opened.attempt_id, "done", {}, 1.0)])
    assert ledger.run(lambda tx: flush(tx, [news])) == set()

    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NOT NULL") == 0
    assert value(ledger, "SELECT status FROM attempts") == "open"
    assert value(ledger, "SELECT count(*) FROM refs WHERE system = 'erp'") == 0
    assert column_of(ledger, frozen.id, "owner") == "another"


def test_an_expired_lease_that_nobody_took_is_still_ours(ledger: Ledger) -> None:
    held = claim_new(ledger)
    lapse(ledger, [held.id])

    assert end(ledger, done(held)) == {held.id}
    assert not is_due(ledger, held.id)


def test_a_person_who_requeues_while_the_last_try_fails_is_not_overwritten(ledger: Ledger) -> None:
    """S4: 'dead' of a run that began before the requeue must not stick."""
    end(ledger, dead(claim_new(ledger)))
    arrive(ledger, "1", source="poll")
    [held] = claim(ledger, [1])

    def requeue(tx: Tx) -> None:
        tx.execute("UPDATE records SET state = 'open', failures = 0, forced = true WHERE id = %s", (held.id,))
        touch(tx, [held.id], "person", "mended")

    ledger.run(requeue)
    end(ledger, dead(held, facts="other"))

    assert column_of(ledger, held.id, "state") == "open"
    assert column_of(ledger, held.id, "failures") == 0
    assert column_of(ledger, held.id, "forced") is True
    assert is_due(ledger, held.id)
    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NULL") == 2


def test_a_retry_waits_and_spends_budget_only_when_it_counts(ledger: Ledger) -> None:
    held = claim_new(ledger)
    end(ledger, retry(held, 0.0))
    [held] = claim(ledger, [held.id])
    assert (held.failures, held.first_failed_at) == (0, None)
    end(ledger, retry(held, 0.0, counts=True))
    [held] = claim(ledger, [held.id])
    first = held.first_failed_at
    assert (held.failures, first is None) == (1, False)
    end(ledger, retry(held, 600, counts=True, stale=True))

    assert rows(ledger, "SELECT failures, stale_reads, first_failed_at FROM records") == [(2, 1, first)]
    assert not is_due(ledger, held.id)
    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NULL") == 1


def test_a_record_that_asks_for_another_look_stays_due_though_all_is_settled(ledger: Ledger) -> None:
    held = claim_new(ledger)
    end(ledger, done(held, again=True))

    assert is_due(ledger, held.id)
    assert value(ledger, "SELECT outcome FROM events") == "applied"


def test_a_release_changes_nothing_but_the_lease(ledger: Ledger) -> None:
    held = claim_new(ledger)
    lapse(ledger, [held.id])
    [held] = claim(ledger, [held.id])
    end(ledger, Settlement(held, "release"))

    assert rows(ledger, "SELECT owner, lapses, failures, settled FROM records") == [(None, 1, 0, 0)]
    assert is_due(ledger, held.id)


def test_a_batch_settles_every_ending_at_once(ledger: Ledger) -> None:
    one, two, three, four, five = claim(ledger, [each.record_id for each in arrive(ledger, *"12345")])

    took = end(ledger, done(one), hold(two), dead(three), retry(four), park(five, one.id))

    assert took == {one.id, two.id, three.id, four.id, five.id}
    assert rows(ledger, "SELECT state, owner, due_at IS NULL FROM records ORDER BY id") == [
        ("open", None, True),
        ("held", None, True),
        ("dead", None, True),
        ("open", None, False),
        ("open", None, False),
    ]
