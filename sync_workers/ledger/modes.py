"""Switches at run time: how far each flow may go, and which mapping version is active (protocol K1, C5).

The switch and the opening of an attempt exclude each other by the flow's advisory lock; what was opened
before the switch is waited out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync_workers.ledger import audit, contracts, inbox
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.statements import Tx
from sync_workers.ledger.texts import as_json, storable

MODES = ("off", "shadow", "canary", "live")
MODE_OFF = "mode_off"  # the hold code of records that met a switched-off flow
LOOK_EVERY_S = 0.5
WAKE_CHUNK = 500

SET_MODE = """
INSERT INTO modes AS m (kind, system, mode, canary, who, why) VALUES (%s, %s, %s, %s::jsonb, %s, %s)
ON CONFLICT (kind, system) DO UPDATE SET mode = excluded.mode, canary = excluded.canary, who = excluded.who,
   why = excluded.why, at = clock_timestamp()
"""
SET_VERSION = """
INSERT INTO mapping_versions (kind, version, digest, who) VALUES (%s, %s, %s, %s)
ON CONFLICT (kind) DO UPDATE SET version = excluded.version, digest = excluded.digest, who = excluded.who,
   at = clock_timestamp()
"""
UNDER_WAY = """
SELECT count(*) FROM attempts
 WHERE status = 'open' AND kind = %s AND system = ANY(%s::text[]) AND started_at <= %s AND sure_at > clock_timestamp()
"""
# Held while the flow was off, or shown as a shadow with nothing sent since.
STOPPED_BY_MODE = """
SELECT id FROM records r
 WHERE kind = %(kind)s AND id > %(after)s AND state <> 'merged' AND (
       (state = 'held' AND hold_code = %(code)s)
    OR EXISTS (SELECT FROM attempts s WHERE s.record_id = r.id AND s.system = %(system)s AND s.status = 'shadow'
                  AND NOT EXISTS (SELECT FROM attempts d WHERE d.record_id = r.id AND d.system = s.system
                                     AND d.status <> 'shadow' AND d.started_at > s.started_at)))
 ORDER BY id LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Mode:
    """How far a flow may go. ``canary``: {"ids": [origin ids], "percent": 0-100}."""

    mode: str
    canary: Mapping[str, Any] | None = None
    who: str = ""
    why: str = ""
    at: datetime | None = None


@dataclass
class Switched:
    """A switch that has been made. Iterating waits: it gives how many calls opened before it are still
    under way, until there are none. ``woken`` records were made due by it."""

    woken: int
    under_way: Callable[[], int]
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def __iter__(self) -> Iterator[int]:
        while left := self.under_way():
            yield left
            self.sleep(LOOK_EVERY_S)


def mode_of(tx: Tx) -> dict[tuple[str, str], Mode]:
    """Return every flow that was ever switched, by (kind, system); all others are live."""
    rows = tx.rows("SELECT kind, system, mode, canary, who, why, at FROM modes ORDER BY kind, system")
    return {(row[0], row[1]): Mode(*row[2:]) for row in rows}


def switch(
    ledger: Ledger, kind: str, system: str, mode: str, who: str, why: str = "",
    canary: Mapping[str, Any] | None = None,
) -> Switched:
    """Switch one flow and wake what waited for it. Twice is harmless.

    Committed when this returns: no call is opened under the old mode any more. Iterate over the
    result to wait for those that were: after it, ``off`` means that nothing more is sent.
    """
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no mode: {', '.join(MODES)}")
    if mode == "canary" and not (canary and (canary.get("ids") or canary.get("percent"))):
        raise ValueError("canary needs ids or a percentage: which records may go live")

    def work(tx: Tx) -> datetime:
        _lock(tx, kind, [system])
        before = mode_of(tx).get((kind, system), Mode("live"))
        tx.execute(SET_MODE, (kind, system, mode, as_json(canary), storable(who), storable(why)))
        audit.note(tx, who, "mode", f"{kind}/{system}", why,
                   {"from": before.mode, "to": mode, "canary": dict(canary) if canary else None})
        return _now(tx)

    at = ledger.run(work)
    woken = wake_stopped(ledger, kind, system, f"mode {mode}") if mode in ("canary", "live") else 0
    return Switched(woken, lambda: _under_way(ledger, kind, [system], at))


def wake_stopped(ledger: Ledger, kind: str, system: str, note: str) -> int:
    """Make due what waits only because the flow was off or in shadow; returns how many. Safe to repeat:
    whatever must still wait is held again by the next look."""
    after, woken = 0, 0
    while True:
        with ledger.transaction() as tx:
            asked = {"kind": kind, "system": system, "code": MODE_OFF, "after": after, "limit": WAKE_CHUNK}
            ids = [row[0] for row in tx.rows(STOPPED_BY_MODE, asked)]
        if not ids:
            return woken
        ledger.run(lambda tx, ids=ids: inbox.touch(tx, ids, "wake", note))  # type: ignore[misc]
        after, woken = ids[-1], woken + len(ids)


def active(tx: Tx) -> dict[str, int]:
    """Return the mapping version that was switched on for each kind; a kind nobody switched is not here."""
    return {row[0]: row[1] for row in tx.rows("SELECT kind, version FROM mapping_versions")}


def activate(
    ledger: Ledger, kind: str, version: int, digest: str, who: str, why: str = "", *, systems: Iterable[str]
) -> Switched:
    """Switch a kind to a mapping version. ``systems`` are all that its sheets, old and new, write to.

    As with ``switch``: no call planned under another version is opened once this has returned.
    """
    flows = sorted(set(systems))

    def work(tx: Tx) -> datetime:
        _lock(tx, kind, flows)
        before = active(tx).get(kind)
        tx.execute(SET_VERSION, (kind, version, digest, storable(who)))
        contracts.forget(tx, kind)
        audit.note(tx, who, "mapping", kind, why, {"from": before, "to": version, "digest": digest})
        return _now(tx)

    at = ledger.run(work)
    return Switched(0, lambda: _under_way(ledger, kind, flows, at))


def _lock(tx: Tx, kind: str, systems: Iterable[str]) -> None:
    """Take the flows' locks alone; openings take them shared (``attempts``), in the same order."""
    tx.execute(
        "SELECT pg_advisory_xact_lock(lock) FROM"
        " (SELECT DISTINCT hashtext(flow) AS lock FROM unnest(%s::text[]) AS flow ORDER BY 1) AS locks",
        ([f"{kind}/{system}" for system in systems],),
    )


def _now(tx: Tx) -> datetime:
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _under_way(ledger: Ledger, kind: str, systems: list[str], at: datetime) -> int:
    with ledger.transaction() as tx:
        row = tx.execute(UNDER_WAY, (kind, systems, at)).fetchone()
    return int(row[0]) if row else 0
