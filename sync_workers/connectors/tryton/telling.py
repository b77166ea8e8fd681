"""Naming every record of a kind, a page at a time, because something that concerns them all has changed.

The position stands still meanwhile and carries how far the telling came; so a poll that dies goes on
where it was. Afterwards the position moves to where the first page would have moved it: what changed
during the telling comes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.connectors.tryton.records import PAGE, Kind
from sync_workers.connectors.tryton.session import Deadline

_MARK = "every"
_PART = "|"


@dataclass(frozen=True)
class Telling:
    """``start`` is the position that stands still, ``reached`` the page to end with, ``after`` the last id told."""

    start: Cursor
    reached: Page
    after: int = 0

    @classmethod
    def read(cls, cursor: Cursor) -> Telling | None:
        """Return the telling that ``cursor`` is in the middle of, None when it is a plain position."""
        mark, *parts = cursor.id.split(_PART)
        if mark != _MARK:
            return None
        start_id, after, reached_at, reached_id = parts
        reached = Cursor(datetime.fromisoformat(reached_at), reached_id)
        # More may wait: what came up during the telling.
        return cls(Cursor(cursor.at, start_id), Page((), reached, more=True), int(after))

    def page(self, kind: Kind, news: Sequence[Notice], within: Deadline) -> Page:
        """Return the next records; with the last of them ``news``, which came up by themselves."""
        ids = kind.ids_after(self.after, PAGE, within)
        told = [Notice(kind.name, str(number)) for number in ids]
        if len(ids) == PAGE:
            return Page(told, self._written(ids[-1]), more=True)
        rest = {notice.external_id for notice in told}
        told += [notice for notice in news if notice.external_id not in rest]
        return Page(told, self.reached.cursor, self.reached.more)

    def _written(self, after: int) -> Cursor:
        reached = self.reached.cursor
        assert reached.at is not None  # a poll without a position tells nothing twice
        parts = (_MARK, self.start.id, str(after), reached.at.isoformat(), reached.id)
        return Cursor(self.start.at, _PART.join(parts))
