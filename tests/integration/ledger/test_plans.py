"""Every prepared statement finds its rows by key, in a young ledger and in one full of what is settled.

A statement that reads the whole of an index costs nothing as long as that is empty, and PostgreSQL's statistics say
so until long after a backlog has come: then each batch of thirty would read all hundred thousand that wait.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sync_workers import ledger as rooms
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.statements import Prepared, Tx

SHORT = {"circuits", "contracts", "modes_pkey", "mapping_versions_pkey"}  # a row for each system, kind or flow
WHOLE = {"links.UNDECIDED", "switchboard.READ"}  # ask of all calls that are under way
BY_AGE = {"doorstep_pkey"}  # the oldest of it, up to a limit
HISTORY = """
INSERT INTO records (kind, origin_system, origin_id, asked, settled)
SELECT 'order', 'crm', 'o' || n, 1, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO refs (record_id, system, kind, external_id)
SELECT id, system, 'order', origin_id FROM records, unnest(ARRAY['crm', 'erp']) AS system;
INSERT INTO events (record_id, gen, system, kind, external_id, source, received_at, settled_at, outcome)
SELECT id, 1, 'crm', 'order', origin_id, 'webhook', now() + (id % 5 - 1) * interval '1 month', now(), 'applied'
  FROM records;
INSERT INTO attempts (record_id, system, kind, op, key, mapping_version, fence, status, started_at, sure_at)
SELECT id, 'erp', 'order', 'create', origin_id, 1, 1, 'done', now() + (id % 5 - 1) * interval '1 month', now()
  FROM records;
INSERT INTO dead_letters (record_id, kind, error, message, incident, state)
SELECT id, 'order', 'PermanentError', 'it failed', 'an incident', 'handled' FROM records LIMIT 2000;
INSERT INTO deliveries (system, key) SELECT 'crm', origin_id FROM records;
"""


def statements() -> Iterator[tuple[str, Prepared]]:
    for module in pkgutil.iter_modules(rooms.__path__):
        if not module.ispkg:
            for name, value in vars(importlib.import_module(f"{rooms.__name__}.{module.name}")).items():
                if isinstance(value, Prepared):
                    yield f"{module.name}.{name}", value


@pytest.mark.parametrize("history", ["", f"{HISTORY}; ANALYZE"], ids=["young", "full of what is settled"])
def test_every_prepared_statement_looks_up_by_key(ledger: Ledger, history: str) -> None:
    if history:
        with ledger.transaction() as tx:
            tx.cursor.execute(history)
    known = {name: statement for name, statement in statements() if name not in WHOLE}
    assert len(known) > 30
    found = {}
    with ledger.transaction() as tx:
        tx.cursor.execute("SET LOCAL enable_seqscan = off")  # as the connections of workers have it
        for name, statement in known.items():
            read = whole_reads(plan(tx, statement)) - SHORT - BY_AGE
            if read:
                found[name] = read
    assert found == {}


def plan(tx: Tx, statement: Prepared) -> dict[str, Any]:
    count = max([int(number) for number in re.findall(r"\$(\d+)", statement.preparation)], default=0)
    nothing = f" ({', '.join(['NULL'] * count)})" if count else ""
    tx.cursor.execute(statement.preparation)
    tx.cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {statement.name}{nothing}")
    [[[answer]]] = tx.cursor.fetchall()
    tx.cursor.execute(f"DEALLOCATE {statement.name}")
    top: dict[str, Any] = answer["Plan"]
    return top


def whole_reads(node: dict[str, Any]) -> set[str]:
    """Return the tables and indexes that a plan reads from end to end."""
    read: set[str] = set()
    if node["Node Type"] == "Seq Scan":
        read.add(node["Relation Name"])
    if node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Index Scan") and "Index Cond" not in node:
        read.add(node["Index Name"])
    for inner in node.get("Plans", ()):
        read |= whole_reads(inner)
    return read
