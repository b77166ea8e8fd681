"""Protocol section 3: who works on what, and whose fault a lapsed lease is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sync_workers.ledger import inbox, records
from sync_workers.ledger.attempts import Opening, open_attempts
from sync_workers.ledger.claims import CLAIM_SOUND, DUE
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.merging import absorb
from sync_workers.ledger.settle import Closing, RefState, settle
from sync_workers.ledger.statements import Tx
from tests.integration.ledger.steps import (
    VERSIONS,
    arrive,
    claim,
    claim_new,
    dead,
    done,
    end,
    hold,
    is_due,
    lapse,
    load,
    open_one,
    rows,
    value,
)


def test_a_claim_leaves_the_record_due(ledger: Ledger) -> None:
    """Cleared by the claim, a worker's death would leave it stuck for ever (C1)."""
    held = claim_new(ledger)

    assert is_due(ledger, held.id)
    assert (held.gen, held.fence, held.lapses) == (1, 1, 0)


def test_a_held_lease_is_nobody_elses(ledger: Ledger) -> None:
    held = claim_new(ledger)

    assert claim(ledger, [held.id], owner="another") == []


def test_two_workers_at_once_claim_disjoint_sets(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    ids = [one.record_id for one in arrive(ledger, *map(str, range(60)))]
    workers = [another_ledger() for _ in range(4)]
    gate = threading.Barrier(4)

    def grab(number: int) -> list[int]:
        gate.wait()
        return [held.id for held in claim(workers[number], ids, owner=f"w{number}")]

    with ThreadPoolExecutor(4) as pool:
        found = [held for grabbed in pool.map(grab, range(4)) for held in grabbed]

    assert len(found) == len(set(found))
    rest = [held.id for held in claim(ledger, ids)]
    assert sorted(found + rest) == sorted(ids)


def test_a_row_that_another_transaction_holds_is_left_out_and_not_waited_for(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    one, two = (each.record_id for each in arrive(ledger, "1", "2"))
    with another_ledger().transaction() as tx:
        records.lock(tx, [one])
        assert [held.id for held in claim(ledger, [one, two])] == [two]


def test_neighbours_of_a_killer_are_claimed_alone_afterwards_and_only_the_killer_goes_on_lapsing(
    ledger: Ledger,
) -> None:
    """One record of a batch of 50 kills its worker: 49 innocent neighbours must not die too (C3)."""
    ids = [one.record_id for one in arrive(ledger, *map(str, range(50)))]
    killer = ids[20]
    assert len(claim(ledger, ids)) == 50
    lapse(ledger, ids)

    applied: set[int] = set()
    lapses_of_killer = []
    while held := claim(ledger, [each for each in ids if each not in applied]):
        assert len(held) == 1
        if held[0].id == killer:
            lapses_of_killer.append(held[0].lapses)
            lapse(ledger, [killer])
            if len(lapses_of_killer) == 3:
                [held_again] = claim(ledger, [killer])
                end(ledger, dead(held_again, "it killed its worker three times, alone"))
                applied.add(killer)
        else:
            assert held[0].lapses == 1
            applied |= end(ledger, done(held[0]))

    assert lapses_of_killer == [1, 2, 3]
    assert applied == set(ids)
    assert rows(ledger, "SELECT state, count(*) FROM records GROUP BY state ORDER BY state") == [
        ("dead", 1),
        ("open", 49),
    ]


def test_sound_records_go_before_lapsed_ones(ledger: Ledger) -> None:
    lapsed = claim_new(ledger, "1")
    lapse(ledger, [lapsed.id])
    sound = [one.record_id for one in arrive(ledger, "2", "3")]

    assert [held.id for held in claim(ledger, [lapsed.id, *sound])] == sound
    assert [held.id for held in claim(ledger, [lapsed.id, *sound])] == [lapsed.id]


def test_released_records_stay_due_without_failure_or_lapse(ledger: Ledger) -> None:
    ids = [one.record_id for one in arrive(ledger, "1", "2")]
    held = claim(ledger, ids)

    assert ledger.run(lambda tx: records.release(tx, held)) == set(ids)

    again = claim(ledger, ids, owner="another")
    assert [(one.failures, one.lapses, one.fence) for one in again] == [(0, 0, 2), (0, 0, 2)]
    assert ledger.run(lambda tx: records.release(tx, held)) == set()


def test_a_kind_is_claimed_only_by_who_has_loaded_its_active_mapping(ledger: Ledger) -> None:
    """Old and new workers side by side would overwrite each other (C5)."""
    order = arrive(ledger, "1")[0].record_id
    customer = arrive(ledger, "1", kind="customer")[0].record_id
    with ledger.transaction() as tx:
        tx.execute("INSERT INTO mapping_versions (kind, version, digest, who) VALUES ('order', 2, 'x', 'me')")

    assert [one.id for one in claim(ledger, [order, customer], versions={"order": 1, "customer": 1})] == [
        customer
    ]
    assert claim(ledger, [order], versions={"customer": 1}) == []
    assert [one.id for one in claim(ledger, [order], versions={"order": 2})] == [order]


def test_held_and_dead_records_are_claimed_only_when_news_came(ledger: Ledger) -> None:
    for external_id, ending in (("1", hold), ("2", dead)):
        stopped = claim_new(ledger, external_id)
        end(ledger, ending(stopped, facts="as they were"))
        assert claim(ledger, [stopped.id]) == []

        arrive(ledger, external_id, source="poll")
        [again] = claim(ledger, [stopped.id])

        assert again.state in ("held", "dead")
        assert again.facts == "as they were"


def test_a_lease_is_renewed_by_its_holder_alone(ledger: Ledger) -> None:
    held = claim_new(ledger)
    lapse(ledger, [held.id])
    assert ledger.run(lambda tx: records.renew(tx, held, 60))
    lapse(ledger, [held.id])
    [taker] = claim(ledger, [held.id], owner="another")

    assert not ledger.run(lambda tx: records.renew(tx, held, 60))
    end(ledger, done(taker))
    assert not ledger.run(lambda tx: records.renew(tx, taker, 60))


def test_a_claim_carries_everything_the_ledger_knows(ledger: Ledger) -> None:
    held = claim_new(ledger, "1", payload={"a": 1}, version="3")
    other = claim_new(ledger, "2")
    opened = open_one(
        ledger, held, fields={"a": {"before": None, "after": 1, "rule": "crm"}}, request={"u": 1}
    )
    arrive(ledger, "1", source="poll")

    first, second = load(ledger, held, other)

    assert first.claim == held
    assert first.refs["crm"].external_id == "1"
    assert [(event.gen, event.payload, event.version) for event in first.events] == [(1, {"a": 1}, "3")]
    [attempt] = first.attempts
    assert (attempt.id, attempt.op, attempt.sure, attempt.sure_at) == (
        opened.attempt_id,
        "create",
        False,
        opened.sure_at,
    )
    assert attempt.fields["a"]["rule"] == "crm"
    assert (second.attempts, second.letter, len(second.events)) == ([], None, 1)


def test_the_sweep_sees_what_is_due_and_free_the_oldest_first(ledger: Ledger) -> None:
    one, two, three = (each.record_id for each in arrive(ledger, "1", "2", "3"))
    with ledger.transaction() as tx:
        tx.execute("UPDATE records SET due_at = due_at - interval '1 h' WHERE id = %s", (two,))
    claim(ledger, [three])

    with ledger.transaction() as tx:
        assert records.due(tx, limit=10) == [(two, "order", "webhook"), (one, "order", "webhook")]
        assert records.due(tx, limit=10, kinds=["part"]) == []
        oldest = records.oldest_due(tx)
    assert oldest is not None
    assert oldest.total_seconds() >= 3600


def test_pages_of_a_full_sweep_are_in_the_order_of_the_system(ledger: Ledger) -> None:
    arrive(ledger, "9", "10", "100", "b", "a-2")

    with ledger.transaction() as tx:
        assert set(records.held_between(tx, "crm", "order", "", "10")) == {"9", "10"}
        assert set(records.held_between(tx, "crm", "order", "9", "100")) == {"10", "100"}
        assert "b" in records.held_between(tx, "crm", "order", "a", "b")


def test_the_cost_of_work_does_not_grow_with_history(ledger: Ledger) -> None:
    """200,000 settled events, 200,000 closed attempts and 50,000 quiet records later: as few pages as before."""
    ids = [one.record_id for one in arrive(ledger, *map(str, range(50)))]
    asked = {
        "ids": ids,
        "owner": "w",
        "lease_s": 60,
        "kinds": list(VERSIONS),
        "versions": list(VERSIONS.values()),
    }
    everything = {"limit": 100, "kinds": None}
    before, swept = _pages(_plan(ledger, CLAIM_SOUND, asked)), _pages(_plan(ledger, DUE, everything))
    _remember_much(ledger)
    after, sweep = _plan(ledger, CLAIM_SOUND, asked), _plan(ledger, DUE, everything)

    assert value(ledger, "SELECT count(*) FROM events WHERE settled_at IS NOT NULL") == 200_000
    assert _pages(after) < before * 3, (before, after)
    assert _pages(sweep) < swept * 1.5, (swept, sweep)
    assert "records_due" in str(sweep)
    assert not _read_whole(sweep), "only a month in which nothing has happened is"


def test_no_step_of_a_run_reads_a_table_of_history_from_end_to_end(ledger: Ledger) -> None:
    """Each step in a transaction of its own, and what it read without an index, as PostgreSQL counted it."""
    arrive(ledger, *map(str, range(50)))
    _remember_much(ledger)
    read: dict[str, dict[str, int]] = {}

    def read_by(tx: Tx) -> dict[str, int]:
        return dict(tx.rows("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables"))

    def run(step: str, work: Callable[[Tx], Any]) -> Any:
        with ledger.transaction() as tx:
            before = read_by(tx)
            result = work(tx)
            grown = {table: rows - before.get(table, 0) for table, rows in read_by(tx).items()}
            read[step] = {table: rows for table, rows in grown.items() if rows > 1000}
        return result

    due = [record_id for record_id, *_ in run("sweep", lambda tx: records.due(tx, limit=50))]
    run("arrive", lambda tx: inbox.record_arrivals(tx, [inbox.Arrival("crm", "order", "7", "poll")]))
    held = run("claim", lambda tx: records.claim(tx, due, owner="w", lease_s=60, versions=VERSIONS))
    assert len(held) == 50
    assert sum(len(work.events) for work in run("load", lambda tx: records.load(tx, held))) == 51
    opening = Opening(held[0], "erp", "order", "create", "", "crm-order-1", 1, {}, None, 0.0)
    [opened] = run("open", lambda tx: open_attempts(tx, [opening], call_s=1, margin_s=1, modes={}, versions=VERSIONS))
    ref = RefState("erp", "order", "new", "1", {}, {}, {})
    first = done(held[0], refs=[ref], closings=[Closing(opened.attempt_id, "done", {}, 1.0)], linked=True)
    assert len(run("settle", lambda tx: settle(tx, [first, *map(done, held[1:])]))) == 50
    [other] = run("claim again", lambda tx: inbox.record_arrivals(tx, [inbox.Arrival("erp", "order", "0", "webhook")]))
    assert run("join", lambda tx: absorb(tx, held[1].id, other.record_id)) is True

    assert {step: tables for step, tables in read.items() if tables} == {}


def _remember_much(ledger: Ledger) -> None:
    """Fill the ledger with what was settled long ago."""
    with ledger.transaction() as tx:
        tx.execute(
            "INSERT INTO records (kind, origin_system, origin_id, asked, settled)"
            " SELECT 'order', 'crm', 'q' || n, 4, 4 FROM generate_series(1, 50000) n"
        )
        tx.execute(
            "INSERT INTO events (record_id, gen, system, kind, external_id, source, settled_at, outcome)"
            " SELECT r.id, g, 'crm', 'order', r.origin_id, 'poll', clock_timestamp(), 'applied'"
            " FROM records r, generate_series(1, 4) g WHERE r.origin_id LIKE 'q%'"
        )
        tx.execute(
            "INSERT INTO attempts (record_id, system, kind, op, action, key, mapping_version, fence, fields, status,"
            " sure_at) SELECT r.id, 'erp', 'order', 'update', '', r.origin_id, 1, g, '{}', 'done', clock_timestamp()"
            " FROM records r, generate_series(1, 4) g WHERE r.origin_id LIKE 'q%'"
        )
        tx.execute(
            "INSERT INTO refs (record_id, system, kind, external_id) SELECT id, 'crm', 'order', origin_id"
            " FROM records WHERE origin_id LIKE 'q%'"
        )
        tx.execute("ANALYZE")


def _read_whole(plan: Any) -> list[tuple[str, float]]:
    """Return the tables that a plan reads from end to end, and how many rows it read there."""
    found = []
    if plan["Node Type"] == "Seq Scan":
        rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
        found = [(str(plan["Relation Name"]), rows)] if rows else []
    return found + [one for inner in plan.get("Plans", ()) for one in _read_whole(inner)]


def _pages(plan: dict[str, Any]) -> int:
    """Return the pages that a statement touches: what it costs, whatever else the machine does."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _plan(ledger: Ledger, sql: str, parameters: Any) -> dict[str, Any]:
    with ledger.transaction() as tx:
        tx.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql, parameters)
        row = tx.fetchone()
        assert row is not None
        plan: dict[str, Any] = row[0][0]["Plan"]
        tx.roll_back()
    return plan
