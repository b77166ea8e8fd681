"""How far a poller may move its cursor, whatever the platform pages by (protocol Q3).

Rows appear behind a position that was passed too early: a stamp is taken when a transaction starts
or an index lags. So the cursor stays ``behind`` the system's own clock, and the rows in between are
told again by the next poll. Fetching a page belongs to the connectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync_workers.connectors.contract import Cursor, Notice, Page

MOST_PAGES = 50


@dataclass(frozen=True)
class Step:
    """One page as fetched: ``last`` is its newest stamp (None: no rows), ``now`` the system's time.

    ``end`` is the position after all its rows, ``next`` where the following page starts (None: none).
    """

    notices: list[Notice]
    now: datetime
    last: datetime | None
    end: Cursor
    next: Cursor | None


def follow(fetch: Callable[[Cursor], Step], cursor: Cursor, behind: timedelta) -> Page:
    """Return the page at ``cursor``, and all that is younger than ``behind`` if it reaches so far.

    Pages of young rows are fetched on at once, up to MOST_PAGES: the cursor that we return lies
    before them, so the next call could not go on from there.
    """
    notices: list[Notice] = []
    position = cursor
    last: datetime | None = None
    held = cursor
    horizon: datetime | None = None
    for _ in range(MOST_PAGES):
        step = fetch(position)
        if horizon is None:
            horizon = step.now - behind
            held = cursor if cursor.at is not None and cursor.at >= horizon else Cursor(horizon)
        notices += step.notices
        last = step.last or last
        is_settled = last is not None and last < horizon
        if step.next is None:
            if last is None:
                return Page(notices, cursor)
            return Page(notices, step.end if is_settled else held)
        if is_settled:
            return Page(notices, step.next, more=True)
        position = step.next
    return Page(notices, held)
