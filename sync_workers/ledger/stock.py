"""Stock in bulk: readings are staged with COPY, compared in SQL, and only what moved becomes news.

However many readings come in, no more than a few thousand are in memory. What a figure means, and who
gets it, is the mapping's and the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from unicodedata import category

import psycopg2

from sync_workers.ledger import inbox
from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.connection import Tx

NEWS_CHUNK = 2000
KEPT_REFUSALS = 100
LARGEST = Decimal(10) ** 18
LONGEST = 200
QUIET_S = 3600.0


@dataclass(frozen=True)
class Reading:
    """One part's figures in one system, in base units, and when (its clock) they were read."""

    external_id: str
    part_number: str
    on_hand: Decimal
    allocated: Decimal
    available: Decimal
    at: datetime


@dataclass(frozen=True)
class Refusal:
    """A reading that cannot be kept, and why; all others go through."""

    external_id: str
    reason: str


@dataclass
class Staged:
    """What one staging did. ``due`` are the stock records to wake; ``refused`` the first of ``refusals``."""

    seen: int = 0
    changed: int = 0
    older: int = 0
    refusals: int = 0
    refused: list[Refusal] = field(default_factory=list)
    due: list[int] = field(default_factory=list)


STAGE = """
DROP TABLE IF EXISTS pg_temp.stock_staged, pg_temp.stock_moved;
CREATE TEMP TABLE stock_staged (external_id text COLLATE "C", part_number text, on_hand numeric, allocated numeric,
                                available numeric, read_at timestamptz) ON COMMIT DROP
"""
COPY = "COPY stock_staged FROM STDIN"
# A reading twice in one staging: the newest counts.
MOVED = """
CREATE TEMP TABLE stock_moved ON COMMIT DROP AS
WITH newest AS (
    SELECT DISTINCT ON (external_id) * FROM stock_staged ORDER BY external_id, read_at DESC)
SELECT row_number() OVER (ORDER BY n.external_id) AS n, n.*
  FROM newest n LEFT JOIN stock_levels l ON l.system = %(system)s AND l.external_id = n.external_id
 WHERE l.external_id IS NULL OR (n.read_at > l.read_at AND
       (n.part_number, n.on_hand, n.allocated, n.available)
           IS DISTINCT FROM (l.part_number, l.on_hand, l.allocated, l.available))
"""
OLDER = """
SELECT count(*) FROM stock_staged s JOIN stock_levels l ON l.system = %(system)s AND l.external_id = s.external_id
 WHERE s.read_at < l.read_at
"""
KEEP = """
INSERT INTO stock_levels AS l (system, external_id, part_number, on_hand, allocated, available, read_at)
SELECT %(system)s, external_id, part_number, on_hand, allocated, available, read_at FROM stock_moved ORDER BY n
ON CONFLICT (system, external_id) DO UPDATE
   SET part_number = excluded.part_number, on_hand = excluded.on_hand, allocated = excluded.allocated,
       available = excluded.available, read_at = excluded.read_at
 WHERE excluded.read_at > l.read_at
"""
# What stayed equal was seen at that time all the same: a slower, older reading must not overwrite it later.
SEEN = """
UPDATE stock_levels l SET read_at = s.read_at
  FROM (SELECT external_id, max(read_at) AS read_at FROM stock_staged GROUP BY 1) AS s
 WHERE l.system = %(system)s AND l.external_id = s.external_id AND s.read_at > l.read_at
"""
NEWS = "SELECT external_id FROM stock_moved WHERE n > %s AND n <= %s ORDER BY n"


def stage(tx: Tx, system: str, rows: Iterator[Reading]) -> Staged:
    """Compare readings with the last ones known, keep those that moved and raise an event for each.

    Safe to repeat with the same readings: they are equal then. Whatever ``rows`` raises goes up, and
    nothing was changed.
    """
    staged = Staged()
    tx.execute(STAGE)
    source = _CopySource(rows, staged)
    try:
        tx.cursor.copy_expert(COPY, source)
    except psycopg2.Error:
        if source.error is not None:
            raise source.error from None
        raise
    asked = {"system": system}
    tx.execute("ANALYZE stock_staged")
    tx.execute(MOVED, asked)
    staged.changed = max(tx.rowcount, 0)
    row = tx.execute(OLDER, asked).fetchone()
    staged.older = int(row[0]) if row else 0
    tx.execute(KEEP, asked)
    tx.execute(SEEN, asked)
    for start in range(0, staged.changed, NEWS_CHUNK):
        moved = [found[0] for found in tx.rows(NEWS, (start, start + NEWS_CHUNK))]
        arrivals = [inbox.Arrival(system, "stock", external_id, "poll") for external_id in moved]
        staged.due += [one.record_id for one in inbox.record_arrivals(tx, arrivals) if one.due]
    _tell(tx, system, staged)
    return staged


def _tell(tx: Tx, system: str, staged: Staged) -> None:
    incident = f"stock readings:{system}"
    if not staged.refusals:
        if staged.seen:
            close_incident(tx, incident)
        return
    lines = [f"{one.external_id}: {one.reason}" for one in staged.refused[:5]]
    raise_alert(
        tx, incident, "error", f"{system} shows stock figures that cannot be right",
        f"{staged.refusals} of {staged.seen} readings were left out, all others went through:\n" + "\n".join(lines)
        + f"\nWhat to do: correct these parts in {system}; the next poll or sweep takes them.",
        quiet_s=QUIET_S,
    )


def fault_of(reading: Reading) -> str | None:
    """Say what makes a reading impossible to keep, None when it is fine."""
    for name in ("external_id", "part_number"):
        text = getattr(reading, name)
        if not isinstance(text, str) or (name == "external_id" and not text):
            return f"{name} is {text!r}"
        if len(text) > LONGEST or any(category(letter) in ("Cc", "Cs") for letter in text):
            return f"{name} holds control characters or is longer than {LONGEST}"
    for name in ("on_hand", "allocated", "available"):
        figure = getattr(reading, name)
        if not isinstance(figure, Decimal) or not figure.is_finite() or abs(figure) >= LARGEST:
            return f"{name} is {figure!s:.40}"
    if not isinstance(reading.at, datetime) or reading.at.tzinfo is None:
        return "it has no time with a zone"
    return None


class _CopySource:
    """A file of COPY's text format that is written while it is read; impossible readings are left out."""

    def __init__(self, rows: Iterator[Reading], staged: Staged) -> None:
        self._rows = rows
        self._staged = staged
        self.error: BaseException | None = None

    def read(self, size: int) -> str:
        """Return whole lines of about ``size`` characters together; empty only at the end."""
        lines: list[str] = []
        length = 0
        try:
            while length < size and (reading := next(self._rows, None)) is not None:
                lines.append(self._line(reading))
                length += len(lines[-1])
        except BaseException as error:  # psycopg2 would turn it into a database error
            self.error = error
            raise
        return "".join(lines)

    def _line(self, reading: Reading) -> str:
        self._staged.seen += 1
        fault = fault_of(reading)
        if fault is not None:
            self._staged.refusals += 1
            if len(self._staged.refused) < KEPT_REFUSALS:
                shown = str(reading.external_id)[:200].replace("\x00", "\ufffd")
                self._staged.refused.append(Refusal(shown, fault))
            return ""
        texts = [reading.external_id, reading.part_number]
        figures = [format(figure, "f") for figure in (reading.on_hand, reading.allocated, reading.available)]
        escaped = [text.replace("\\", "\\\\") for text in texts]
        return "\t".join([*escaped, *figures, reading.at.isoformat()]) + "\n"
