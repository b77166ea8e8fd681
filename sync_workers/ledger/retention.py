"""What is kept how long (protocol K3): rows stay, what they carry is emptied, whole old months may go.

Each step is a short transaction of its own, and safe to repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.partitions import PARTITIONED, ensure_partitions
from sync_workers.ledger.statements import Tx

CHUNK = 5000
SENDERS_GO_ON_DAYS = 14  # no platform that we know repeats a delivery after more than this


@dataclass(frozen=True)
class Policy:
    """Ages in days. ``months`` None: no month is ever dropped."""

    payload_days: int = 30
    call_days: int = 400
    delivery_days: int = 30
    housekeeping_days: int = 14
    months: int | None = None

    def __post_init__(self) -> None:
        if self.delivery_days < SENDERS_GO_ON_DAYS:
            raise ValueError(f"delivery keys must be kept {SENDERS_GO_ON_DAYS} days: senders repeat that long")
        if self.months is not None and self.months < 1:
            raise ValueError("the month that runs cannot be dropped")


@dataclass
class Cleaned:
    """What one round emptied or dropped; ``kept`` are old months that still have work in them."""

    payloads: int = 0
    calls: int = 0
    deliveries: int = 0
    housekeeping: int = 0
    dropped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)


PAYLOADS = """
UPDATE events e SET payload = NULL FROM (
    SELECT id, received_at FROM events WHERE received_at < clock_timestamp() - make_interval(days => %s)
       AND payload IS NOT NULL AND settled_at IS NOT NULL LIMIT %s) AS old
 WHERE e.id = old.id AND e.received_at = old.received_at
"""
CALLS = """
UPDATE attempts a SET late_answer = CASE WHEN late_answer IS NOT NULL THEN '{"emptied": true}'::jsonb END,
       request = '{"emptied": true}', response = '{"emptied": true}' FROM (
    SELECT id, started_at FROM attempts WHERE started_at < clock_timestamp() - make_interval(days => %s)
       AND status NOT IN ('open', 'shadow') AND request::text IS DISTINCT FROM '{"emptied": true}' LIMIT %s) AS old
 WHERE a.id = old.id AND a.started_at = old.started_at
"""
DELIVERIES = """
DELETE FROM deliveries WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries WHERE received_at < clock_timestamp() - make_interval(days => %s) LIMIT %s))
"""
HOUSEKEEPING = """
WITH beats AS (DELETE FROM heartbeats WHERE seen_at < clock_timestamp() - make_interval(days => %(days)s))
DELETE FROM slots WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM slots WHERE slot < clock_timestamp() - make_interval(days => %(days)s) LIMIT %(chunk)s))
"""
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
AT_WORK = {"events": "settled_at IS NULL OR outcome = 'dead'", "attempts": "status = 'open'"}


def clean(ledger: Ledger, policy: Policy | None = None, *, today: date | None = None) -> Cleaned:
    """Empty and drop what is old enough, and make the months to come."""
    asked = policy or Policy()
    cleaned = Cleaned()
    cleaned.payloads = _all_of(ledger, PAYLOADS, (asked.payload_days, CHUNK))
    cleaned.calls = _all_of(ledger, CALLS, (asked.call_days, CHUNK))
    cleaned.deliveries = _all_of(ledger, DELIVERIES, (asked.delivery_days, CHUNK))
    cleaned.housekeeping = _all_of(ledger, HOUSEKEEPING, {"days": asked.housekeeping_days, "chunk": CHUNK})
    if asked.months is not None:
        for table in PARTITIONED:
            ledger.run(lambda tx, table=table: _drop(  # type: ignore[misc]
                tx, table, asked.months or 1, cleaned, today))
    cleaned.made = ledger.run(ensure_partitions)
    return cleaned


def _all_of(ledger: Ledger, sql: str, parameters: tuple[int, ...] | dict[str, int]) -> int:
    total = 0
    while count := ledger.run(lambda tx: tx.execute(sql, parameters).rowcount):
        total += count
    return total


def _drop(tx: Tx, table: str, months: int, cleaned: Cleaned, today: date | None) -> None:
    """Drop partitions of months that lie ``months`` back and have nothing left to do in them."""
    first = _first_kept(tx, months, today)
    tx.execute("SET LOCAL lock_timeout = '5s'")
    for (name,) in sorted(tx.rows(PARTITIONS, (table,))):
        year, _, month = name.removeprefix(f"{table}_").partition("_")
        if not (year.isdigit() and month.isdigit()) or date(int(year), int(month), 1) >= first:
            continue
        busy = tx.execute(f"SELECT EXISTS (SELECT FROM {name} WHERE {AT_WORK[table]})").fetchone()  # noqa: S608
        if busy and busy[0]:
            cleaned.kept.append(name)
            continue
        tx.execute(f"DROP TABLE {name}")
        cleaned.dropped.append(name)


def _first_kept(tx: Tx, months: int, today: date | None) -> date:
    if today is None:
        row = tx.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date").fetchone()
        assert row is not None
        today = row[0]
    number = today.year * 12 + today.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)
