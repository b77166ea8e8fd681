"""The months' partitions of events and attempts, made ahead of time; and which revision the schema has.

Alembic stays out of here: workers and the receiver need this and not that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import structlog

from sync_workers.ledger.statements import Tx

log = structlog.get_logger(__name__)

PARTITIONED = {"events": "received_at", "attempts": "started_at"}
LOCK = 7_316_402_118  # any number, ours alone: one migration at a time
LOCK_TIMEOUT = "5s"  # rather fail than let every receiver queue behind us


def newest_revision() -> str:
    """Return the revision that this release wants; the files under ``migrations/versions`` begin with theirs."""
    versions = resources.files("sync_workers.ledger") / "migrations" / "versions"
    return max(file.name.partition("_")[0] for file in versions.iterdir() if file.name.endswith(".py"))


def applied_revision(tx: Tx) -> str:
    """Return the revision that the ledger has, '' when it was never migrated."""
    if tx.rows("SELECT to_regclass('alembic_version')") == [(None,)]:
        return ""
    row = tx.execute("SELECT max(version_num) FROM alembic_version").fetchone()
    return row[0] if row and row[0] else ""


def ensure_partitions(tx: Tx, months_ahead: int = 3) -> list[str]:
    """Make this month's partitions and those of ``months_ahead`` more; return the names of new ones.

    Rows that already lie in a default partition (nobody made their month in time) are moved into
    the partition of their month.
    """
    tx.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    tx.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    made = []
    for table, column in PARTITIONED.items():
        now = datetime.now(UTC)
        months = {_month(now.year, now.month + ahead) for ahead in range(months_ahead + 1)}
        months |= {
            _month(row[0].year, row[0].month)
            for row in tx.rows(f"SELECT DISTINCT date_trunc('month', {column}, 'UTC') FROM {table}_default")  # noqa: S608
        }
        standing = {row[0] for row in tx.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", (table,))}
        for first in sorted(months):
            name = f"{table}_{first:%Y_%m}"
            if name not in standing:
                _make(tx, table, column, name, first, _month(first.year, first.month + 1))
                made.append(name)
    return made


def _make(tx: Tx, table: str, column: str, name: str, first: datetime, end: datetime) -> None:
    """Fill a free-standing table and attach it: unlike CREATE ... PARTITION OF this locks out no reader."""
    default = f"{table}_default"
    tx.execute(f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
    tx.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    tx.execute(
        f"WITH moved AS (DELETE FROM {default} WHERE {column} >= %s AND {column} < %s RETURNING *)"  # noqa: S608
        f" INSERT INTO {name} SELECT * FROM moved", (first, end),
    )
    if tx.rowcount:
        log.warning("Rows were waiting in a default partition", table=table, moved=tx.rowcount)
    tx.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)", (first, end))


def _month(year: int, month: int) -> datetime:
    return datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
