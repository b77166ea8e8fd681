"""What changed since a position: the polled tables of one kind, merged oldest first.

A row's stamp is the START of its transaction, so rows turn up behind a position that has passed;
the position therefore stays ``longest_transaction`` behind the database's own clock, and rows younger
than that come again with the next poll. A line, an address or a move does not stamp its parent, so
their tables are read too. All rows of one call share a stamp: pages end at (stamp, table, id).
A row that is news of all records (a price list) has ``telling`` name them, page by page.
Deletes leave no trace (the sweep over ``ids`` finds them). Source: trytond 8.2,
``trytond/model/modelsql.py`` (``create``, ``write``: CURRENT_TIMESTAMP; ``column_last_modified_at``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.lately import Lately
from sync_workers.connectors.tryton.records import EVERY, PAGE, Kind, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.connectors.tryton.telling import Telling

LONGEST_TRANSACTION = timedelta(seconds=60)
"""The default. Ours last under a second; imports and closings by people last longer, and what they hide
is found by the sweep. ``longest_transaction_s`` of the system raises it."""

CLOCK = "stock.products_by_locations"
"""A view without a table of its own: its ``last_modified_at`` is the database's CURRENT_TIMESTAMP
(``column_last_modified_at``), the very clock that stamps the rows. Empty while there are no products."""

CLOCK_S = 2.0
"""How long an answer of the clock will do, or a tenth of the overlap. An old one only makes the overlap longer, and
the view is dear to ask."""


@dataclass(frozen=True, order=True)
class Position:
    """Where a row stands in the merged order."""

    at: datetime
    table: int
    id: int

    @property
    def sign(self) -> str:
        return f"{self.table}:{self.id}:{self.at.isoformat()}"


@dataclass(frozen=True)
class Changed:
    """One changed row and the records that it belongs to; EVERY among them: all of the kind."""

    position: Position
    records: tuple[str, ...]


class Changes:
    """Polls one server."""

    def __init__(self, session: Session, longest: timedelta = LONGEST_TRANSACTION) -> None:
        self._session = session
        self._longest = longest
        self._clock = Lately(self._now, min(CLOCK_S, longest.total_seconds() / 10))

    def after(self, kind: Kind, cursor: Cursor, within: Deadline) -> Page:
        """Return the next changes of ``kind``. See the module for the order and the position."""
        telling = Telling.read(cursor)
        start = telling.start if telling else cursor
        tables = kind.polled(within)
        clock = self._clock.get(within)  # before the rows: what begins after it is stamped later
        position = _read(start)
        found: list[Changed] = []
        while True:
            page, full = self._page(tables, start.at, position, within)
            found += page
            position = page[-1].position if page else position
            # Without the clock the newest stamp seen stands in for it: it is never later.
            now = clock or (position.at if position else None)
            horizon = None if now is None else now - self._longest
            if not full or position is None or horizon is None:
                reached = Page((), _later(start, horizon))
            elif position.at <= horizon:
                reached = Page((), _written(position), more=True)
            else:
                continue
            notices = _notices(kind.name, found, _strangers(kind, found, within))
            # A poll from the very beginning comes past every record anyway.
            if start.at is None or not any(EVERY in one.records for one in found):
                return Page(notices, reached.cursor, reached.more)
            return (telling or Telling(start, reached)).page(kind, notices, within)

    def _now(self, within: Deadline) -> datetime | None:
        rows = self._session.search_read(CLOCK, [], ["last_modified_at"], within=within, limit=1)
        now: datetime | None = rows[0]["last_modified_at"] if rows else None
        return now

    def _page(
        self, tables: Sequence[Table], start: datetime | None, position: Position | None, within: Deadline
    ) -> tuple[list[Changed], bool]:
        """Return the first rows after ``position`` over all tables, and whether more may wait."""
        rows: list[Changed] = []
        full = False
        for number, table in enumerate(tables):
            found = self._session.search_read(
                table.model,
                [*table.domain, _domain(number, start, position)],
                ["id", "last_modified_at", *([table.parent] if table.parent else [])],
                within=within,
                order=[("last_modified_at", "ASC"), ("id", "ASC")],
                limit=PAGE,
            )
            full = full or len(found) == PAGE
            rows += [
                Changed(Position(row["last_modified_at"], number, row["id"]), owners(row, table.parent))
                for row in found
            ]
        rows.sort(key=lambda row: row.position)
        return rows[:PAGE], full or len(rows) > PAGE


def owners(row: Row, parent: str) -> tuple[str, ...]:
    """Return the ids of the records that a row belongs to, by the way that its table names."""
    if parent == EVERY:
        return (EVERY,)
    return tuple(str(one).rpartition(",")[2] for one in _followed(row, parent.split(".")) if one is not None)


def _followed(value: Any, path: Sequence[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _followed(item, path)]
    if not path:
        return [get(value, "id") if isinstance(value, dict) else value]
    return _followed(value.get(path[0]), path[1:]) if isinstance(value, dict) else []


def _domain(number: int, start: datetime | None, position: Position | None) -> list[Any]:
    """Return what selects the rows of table ``number`` after ``position``, or from ``start`` on."""
    if position is None:
        return [] if start is None else [["last_modified_at", ">=", start]]
    if number != position.table:
        later = ">" if number < position.table else ">="
        return [["last_modified_at", later, position.at]]
    same = [["last_modified_at", "=", position.at], ["id", ">", position.id]]
    return ["OR", [["last_modified_at", ">", position.at]], same]


def _strangers(kind: Kind, found: Sequence[Changed], within: Deadline) -> set[str]:
    """Return what the rows lead to that is no record of this kind, EVERY among it."""
    ids = sorted({record for changed in found for record in changed.records} - {EVERY})
    kept: set[str] = set()
    for at in range(0, len(ids), PAGE):
        kept |= kind.members(ids[at : at + PAGE], within)
    return {EVERY, *ids} - kept


def _notices(kind: str, found: Sequence[Changed], left_out: Collection[str]) -> list[Notice]:
    """Return one notice per record, where it changed last: a record with ten new lines is one hint."""
    latest: dict[str, list[str]] = {}
    for changed in found:
        for record in changed.records:
            signs = latest.pop(record, [])
            if record not in left_out:
                latest[record] = [*signs, changed.position.sign]
    return [Notice(kind, record, signs=frozenset(signs)) for record, signs in latest.items()]


def _later(cursor: Cursor, horizon: datetime | None) -> Cursor:
    if horizon is None or (cursor.at is not None and cursor.at >= horizon):
        return cursor
    return Cursor(horizon, "")


def _read(cursor: Cursor) -> Position | None:
    """A position inside a page reads ``table:id``; one that was set to a time has no id."""
    if cursor.at is None or ":" not in cursor.id:
        return None
    table, _, row = cursor.id.partition(":")
    return Position(cursor.at, int(table), int(row))


def _written(position: Position) -> Cursor:
    return Cursor(position.at, f"{position.table}:{position.id}")
