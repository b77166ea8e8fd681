"""Protocol A5 and R5: ids that were merged keep leading to the record."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.inbox import Arrival, record_arrivals
from sync_workers.ledger.merging import absorb
from sync_workers.ledger.records import ids_of, records_of
from sync_workers.ledger.statements import Tx
from tests.integration.ledger.steps import (
    arrive,
    claim,
    claim_new,
    column_of,
    done,
    end,
    load,
    pid_of,
    ref,
    rows,
    value,
    wait_until_blocked,
)


def test_news_of_a_merged_record_reach_its_survivor(ledger: Ledger) -> None:
    survivor, other = arrive(ledger, "1")[0].record_id, _foreign(ledger, "erp", "55")
    assert ledger.run(lambda tx: absorb(tx, survivor, other))

    assert arrive(ledger, "55", system="erp")[0].record_id == survivor


def test_one_delivery_may_tell_of_a_record_and_of_its_merging_away(ledger: Ledger) -> None:
    survivor = arrive(ledger, "1")[0].record_id
    news = [Arrival("crm", "order", "2", "webhook"), Arrival("crm", "order", "3", "webhook", same_as=("1", "2"))]
    arrived = ledger.run(lambda tx: record_arrivals(tx, news))

    assert [one.record_id for one in arrived] == [survivor, survivor]
    assert rows(ledger, "SELECT DISTINCT record_id FROM events WHERE settled_at IS NULL") == [(survivor,)]
    gens = [gen for (gen,) in rows(ledger, "SELECT gen FROM events WHERE record_id = %s ORDER BY id", survivor)]
    assert len(set(gens)) == len(gens) == 3


def test_an_arrival_that_finds_its_record_merged_while_it_waited_reaches_the_survivor(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    survivor = arrive(ledger, "1")[0].record_id
    other = _foreign(ledger, "erp", "55")
    receiver = another_ledger()
    with ledger.transaction() as tx, ThreadPoolExecutor(1) as pool:
        assert absorb(tx, survivor, other)
        pids: list[int] = []

        def deliver() -> int:
            def work(inner: Tx) -> int:
                pids.append(pid_of(inner))
                return record_arrivals(inner, [Arrival("erp", "order", "55", "poll")])[0].record_id

            return receiver.run(work)

        waiting = pool.submit(deliver)
        while not pids:
            pass
        wait_until_blocked(another_ledger(), pids[0])
        tx.commit()
        assert waiting.result() == survivor
    assert column_of(ledger, survivor, "asked") == 3


def test_an_older_id_that_a_system_merged_leads_to_the_record_it_had(ledger: Ledger) -> None:
    held = claim_new(ledger, "old")
    end(ledger, done(held, refs=[ref("E1")]))

    [arrived] = arrive(ledger, "new", same_as=("old", "older"))
    [late] = arrive(ledger, "older")

    assert arrived.record_id == late.record_id == held.id
    with ledger.transaction() as tx:
        assert ids_of(tx, [held.id]) == {(held.id, "crm"): "new", (held.id, "erp"): "E1"}
        assert records_of(tx, [("crm", "order", "old"), ("crm", "order", "none")]) == {
            ("crm", "order", "old"): held.id
        }
    [again] = claim(ledger, [held.id])
    assert load(ledger, again)[0].refs["crm"].aliases == ("old", "older")


def test_two_records_that_their_system_merged_are_joined_while_only_one_has_a_counterpart(
    ledger: Ledger,
) -> None:
    held = claim_new(ledger, "stays")
    end(ledger, done(held, refs=[ref("E1")]))
    [loser] = arrive(ledger, "goes")

    arrive(ledger, "stays", same_as=("goes",))

    assert column_of(ledger, loser.record_id, "merged_into") == held.id
    assert arrive(ledger, "goes")[0].record_id == held.id


def test_two_records_that_their_system_merged_are_both_looked_at_when_each_has_one(ledger: Ledger) -> None:
    """The run of the one that went sees its twin, and unites their counterparts or is held for a person."""
    for external_id in ("stays", "goes"):
        end(ledger, done(claim_new(ledger, external_id), refs=[ref(f"E-{external_id}")]))

    arrive(ledger, "stays", same_as=("goes",))

    due = "SELECT origin_id FROM records WHERE due_at <= clock_timestamp() AND asked > settled ORDER BY id"
    assert rows(ledger, due) == [("stays",), ("goes",)]
    assert value(ledger, "SELECT count(*) FROM records WHERE state = 'merged'") == 0


def _foreign(ledger: Ledger, system: str, external_id: str) -> int:
    return arrive(ledger, external_id, system=system)[0].record_id
