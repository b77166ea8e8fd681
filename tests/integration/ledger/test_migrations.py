"""The schema comes into being once, and every month has its partition before it begins."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command

from sync_workers.ledger.connection import Ledger, LedgerDown
from sync_workers.ledger.migrate import _config, _connection, migrate, pending
from sync_workers.ledger.partitions import PARTITIONED, applied_revision, ensure_partitions, newest_revision
from tests.integration.ledger.steps import arrive, rows, value


def test_several_processes_may_migrate_an_empty_database_at_once(database_url: str) -> None:
    assert pending(database_url)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, [database_url] * 3))

    assert pending(database_url) == []
    migrate(database_url)


def test_the_files_say_which_revision_the_ledger_should_have(ledger: Ledger) -> None:
    assert ledger.run(applied_revision) == newest_revision()


def test_bases_and_requests_of_a_ledger_in_use_come_through_the_change_of_their_type(
    ledger: Ledger, ledger_url: str
) -> None:
    [one] = arrive(ledger, "1")
    kept = {"po_number": "PO-1", "total": {"$decimal": "12.50"}, "lines": {"b": {}, "a": {}}}
    with ledger.transaction() as tx:
        tx.execute("UPDATE refs SET held = %s WHERE record_id = %s", (json.dumps(kept), one.record_id))
        tx.execute("INSERT INTO attempts (record_id, system, kind, op, key, mapping_version, fence, sure_at, request)"
                   " VALUES (%s, 'erp', 'order', 'create', 'k', 1, 1, clock_timestamp(), %s)",
                   (one.record_id, json.dumps(kept)))
    ledger.dispose(close=True)
    with _connection(ledger_url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        connection.commit()
    before = "SELECT pg_typeof(held)::text, held, sent, item_ids, request FROM refs JOIN attempts USING (record_id)"
    assert rows(ledger, before) == [("jsonb", kept, {}, {}, kept)]
    ledger.dispose(close=True)

    migrate(ledger_url)

    assert rows(ledger, before) == [("json", kept, {}, {}, kept)]
    arrive(ledger, "2")
    assert value(ledger, "SELECT count(*) FROM refs WHERE held::text = '{}'") == 1


def test_a_ledger_that_was_never_migrated_has_no_revision(database_url: str) -> None:
    empty = Ledger(database_url)
    assert empty.run(applied_revision) == ""
    empty.dispose()


def test_what_arrives_does_not_fall_into_the_default_partition(ledger: Ledger) -> None:
    arrive(ledger, "1")

    assert value(ledger, "SELECT count(*) FROM events_default") == 0
    assert len(rows(ledger, "SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass")) == 1 + 4


def test_partitions_are_made_ahead_once(ledger: Ledger) -> None:
    made = ledger.run(lambda tx: ensure_partitions(tx, months_ahead=5))

    assert len(made) == 2 * len(PARTITIONED)
    assert ledger.run(lambda tx: ensure_partitions(tx, months_ahead=5)) == []


def test_rows_that_lie_in_the_default_partition_move_to_the_month_they_belong_to(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        tx.execute(
            "INSERT INTO events (record_id, gen, system, kind, external_id, source, received_at)"
            " SELECT 1, n, 'crm', 'order', '1', 'poll', '2031-03-31 23:59:59+00'::timestamptz"
            " + make_interval(secs => n) FROM generate_series(0, 1) n"
        )
    before = rows(ledger, "SELECT id, gen, received_at FROM events ORDER BY gen")

    made = ledger.run(ensure_partitions)

    assert made == ["events_2031_03", "events_2031_04"]
    assert rows(ledger, "SELECT id, gen, received_at FROM events ORDER BY gen") == before
    assert value(ledger, "SELECT count(*) FROM events_default") == 0
    assert value(ledger, "SELECT count(*) FROM events_2031_03") == 1


def test_a_database_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(LedgerDown) as caught:
        pending("postgresql://nobody@127.0.0.1:1/none")

    assert "SYNC_DATABASE_URL" in caught.value.mend
    ledger = Ledger("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(LedgerDown), ledger.transaction():
        pass
