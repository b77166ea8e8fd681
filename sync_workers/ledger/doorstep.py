"""The doorstep: what was accepted in a burst, as it came, until it is sorted into events.

A row is a group of arrivals in one text. Putting it there costs a fraction of recording it, and recording many
groups together costs half of recording each. Whoever sorts takes a row away in the very transaction that records
its arrivals (protocol A1), so that each is recorded once, whoever dies; and what lies there is due by lying there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import orjson

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.inbox import Arrival, Arrived, quarantine, record_arrivals
from sync_workers.ledger.statements import Prepared, Tx

log = logs.get(__name__)

MOST_AT_ONCE = 100  # arrivals that one transaction records; twice as many cost as much each, and more memory
MOST_ROWS = 32

PUT = "INSERT INTO doorstep (count, arrivals) VALUES (%s, %s)"
LOCK = Prepared("""
SELECT id, count FROM doorstep WHERE received_at <= clock_timestamp() - make_interval(secs => %s::float8)
 ORDER BY id LIMIT %s::int FOR UPDATE SKIP LOCKED
""")
TAKE = Prepared("DELETE FROM doorstep WHERE id = ANY(%s::bigint[]) RETURNING id, received_at, arrivals")
PUT_SINGLY = "INSERT INTO doorstep (received_at, count, arrivals) VALUES %s RETURNING id"
LYING = "SELECT coalesce(sum(count), 0)::int, clock_timestamp() - min(received_at) FROM doorstep"


def as_text(arrival: Arrival) -> str | None:
    """Return an arrival as JSON; None for one that the ledger cannot hold, which must not be put there."""
    try:
        text = orjson.dumps(arrival)
    except orjson.JSONEncodeError:  # a lone surrogate, an integer beyond 64 bits
        return None
    return None if b"\\u0000" in text else text.decode()


def as_row(texts: Sequence[str]) -> tuple[int, str]:
    """Return the parameters of ``PUT`` for arrivals in the form of ``as_text``."""
    return len(texts), f"[{','.join(texts)}]"


def sort_out(ledger: Ledger, *, most: int = MOST_AT_ONCE, older_than_s: float = 0.0) -> list[Arrived] | None:
    """Record the oldest of what lies there, about ``most`` arrivals; None when nothing does.

    What the ledger cannot hold goes into quarantine, alone. Raises TransientError.
    """
    try:
        return ledger.run(lambda tx: _record(tx, _lock(tx, most, older_than_s)))
    except TransientError:
        raise
    except Exception as error:
        log.warning("A group on the doorstep is recorded one by one", error=type(error).__name__)
    return _sort_singly(ledger, ledger.run(lambda tx: _part(tx, _lock(tx, most, older_than_s))))


def lying(tx: Tx) -> tuple[int, timedelta | None]:
    """Return how many arrivals lie there, and for how long the oldest has."""
    row = tx.execute(LYING).fetchone()
    assert row is not None
    return row[0], row[1]


def _lock(tx: Tx, most: int, older_than_s: float) -> list[int]:
    """Return the rows that are ours to sort now; those that another one sorts are left to it."""
    ids: list[int] = []
    left = most
    for row_id, count in tx.rows(LOCK, (older_than_s, MOST_ROWS)):
        if ids and count > left:
            break
        ids.append(row_id)
        left -= count
    return ids


def _take(tx: Tx, ids: Sequence[int]) -> list[tuple[datetime, list[Arrival]]]:
    if not ids:
        return []
    rows = sorted(tx.rows(TAKE, (list(ids),)))
    return [(at, [_arrival(one, at) for one in orjson.loads(text)]) for _, at, text in rows]


def _arrival(one: dict[str, object], at: datetime) -> Arrival:
    one["same_as"] = tuple(one["same_as"])  # type: ignore[arg-type]
    one["received_at"] = at
    return Arrival(**one)  # type: ignore[arg-type]


def _record(tx: Tx, ids: Sequence[int]) -> list[Arrived] | None:
    taken = _take(tx, ids)
    return record_arrivals(tx, [arrival for _, arrivals in taken for arrival in arrivals]) if taken else None


def _part(tx: Tx, ids: Sequence[int]) -> list[int]:
    """Put each arrival back as a row of its own; returns the rows."""
    singles = [
        (at, *as_row([orjson.dumps(arrival).decode()])) for at, arrivals in _take(tx, ids) for arrival in arrivals
    ]
    return [row_id for (row_id,) in tx.values(PUT_SINGLY, singles, fetch=True)]


def _sort_singly(ledger: Ledger, ids: Sequence[int]) -> list[Arrived] | None:
    """Record row by row, and quarantine what cannot be recorded (protocol A3)."""
    arrived: list[Arrived] = []
    for row_id in ids:
        try:
            found: list[Arrived] | None = ledger.run(partial(_record, ids=[row_id]))
            arrived += found or ()
        except TransientError:
            raise
        except Exception as error:
            reason = f"the ledger cannot hold it: {type(error).__name__}"
            ledger.run(partial(_set_aside, row_id=row_id, reason=reason))
            log.error("An accepted arrival went into quarantine", error=type(error).__name__)
    return arrived if ids else None


def _set_aside(tx: Tx, row_id: int, reason: str) -> None:
    for _, arrivals in _take(tx, [row_id]):
        for arrival in arrivals:
            quarantine(tx, arrival.system, f"{arrival.kind}: {reason}", orjson.dumps(arrival))
