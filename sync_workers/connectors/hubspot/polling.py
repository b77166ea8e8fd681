"""What changed, and what there is: paging through HubSpot's search and lists.

Search sorts by one property, pages to 10,000 and lags; so the position is a stamp, never a page:
each call starts at the stamp where the last one ended. Many records with one stamp are paged by
their id. News of a kind may come from several objects: an address that is edited does not touch its
company. Source: developers.hubspot.com, "CRM search API", "Limits" and "Paging through results".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.connectors.hubspot.objects import SEARCH_LAG, HubspotObject
from sync_workers.connectors.hubspot.payloads import load_record
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.connectors.positions import Step, follow
from sync_workers.errors import TransientError

PAGE = 200  # the largest page of a search
LIST_PAGE = 100
IN_VALUES = 50  # keeps a search below its 3,000 characters
CHANGED = "hs_lastmodifieddate"
MILLISECOND = timedelta(milliseconds=1)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """One object whose changes are news; ``lead`` turns its ids into those of the records they are about."""

    home: HubspotObject
    lead: Callable[[Sequence[str]], list[str]] = list


def changes(wire: Wire, kind: str, sources: Sequence[Source], cursor: Cursor) -> Page:
    """Return the changes at or after ``cursor``; it stays a search lag behind HubSpot's clock (Q3)."""
    return follow(lambda position: _step(wire, kind, sources, position), cursor, SEARCH_LAG)


def _step(wire: Wire, kind: str, sources: Sequence[Source], position: Cursor) -> Step:
    at = position.at or BEGINNING
    if position.id:
        return _step_by_id(wire, kind, sources, at, position.id)
    pages = [_search(wire, each.home, [_test(CHANGED, "GTE", _ms(at))], CHANGED) for each in sources]
    now = pages[0][1]
    full = [_stamp(rows[-1]) for rows, _ in pages if len(rows) == PAGE]
    # Where a page is full, what lies behind its end is unknown: nothing is taken past the nearest such end.
    taken = [[row for row in rows if not full or _stamp(row) <= min(full)] for rows, _ in pages]
    notices = [each for rows, one in zip(taken, sources, strict=True) for each in _notices(kind, one, rows)]
    stamps = [_stamp(row) for rows in taken for row in rows]
    if not stamps:
        return Step([], now, None, position, None)
    last = max(stamps)
    if not full:
        return Step(notices, now, last, Cursor(last + MILLISECOND), None)
    # Nothing but one stamp: its order within the search is anybody's guess, so start it over by id.
    following = Cursor(min(full)) if min(full) > at else Cursor(at, "0:0")
    return Step(notices, now, last, following, following)


def _step_by_id(wire: Wire, kind: str, sources: Sequence[Source], at: datetime, place: str) -> Step:
    """Go on inside one stamp that fills pages: object after object, each by id, then on to the next millisecond."""
    number, _, after = place.rpartition(":")
    source = int(number or 0)
    one = sources[min(source, len(sources) - 1)]
    tests = [_test(CHANGED, "EQ", _ms(at)), _test("hs_object_id", "GT", after)]
    rows, now = _search(wire, one.home, tests, "hs_object_id")
    if len(rows) == PAGE:
        following = Cursor(at, f"{source}:{rows[-1]['id']}")
    elif source + 1 < len(sources):
        following = Cursor(at, f"{source + 1}:0")
    else:
        following = Cursor(at + MILLISECOND)
    return Step(_notices(kind, one, rows), now, at, following, following)


def _notices(kind: str, source: Source, rows: Sequence[Json]) -> list[Notice]:
    ids = source.lead([str(row["id"]) for row in rows]) if rows else []
    return [Notice(kind, each) for each in ids]


def find_live(
    wire: Wire, home: HubspotObject, name: str, value: str, properties: Sequence[str]
) -> list[Json]:
    """Return the live records whose property equals ``value``, as far as the index has come."""
    rows, _ = _search(wire, home, [_test(name, "EQ", value)], "hs_object_id", [name, *properties])
    # EQ ignores case, a reference does not.
    return [row for row in rows if row["properties"].get(name) == value]


def find_many(
    wire: Wire, home: HubspotObject, name: str, values: Sequence[str], properties: Sequence[str]
) -> list[Json]:
    """Return the live records whose property is one of ``values``, case ignored, as far as the index has come.

    IN takes lower-case values on text properties. Source: developers.hubspot.com, "Search the CRM".
    """
    rows: list[Json] = []
    for start in range(0, len(values), IN_VALUES):
        asked = sorted({value.lower() for value in values[start : start + IN_VALUES]})
        test = {"propertyName": name, "operator": "IN", "values": asked}
        found, _ = _search(wire, home, [test], "hs_object_id", properties)
        rows += found
    return rows


def ids(wire: Wire, home: HubspotObject, after: str) -> list[str]:
    params: dict[str, Any] = {"limit": LIST_PAGE, "archived": "false"}
    if after:
        params["after"] = after
    document = wire.get(f"/crm/v3/objects/{home.path}", params) or {}
    return [str(row["id"]) for row in document.get("results", ())]


def archived(wire: Wire, home: HubspotObject, properties: Sequence[str], pages: int) -> list[Json]:
    """Return what was archived (HubSpot keeps it 90 days), up to ``pages`` pages: search never shows it."""
    found: list[Json] = []
    after = ""
    for _ in range(pages):
        params: dict[str, Any] = {"limit": LIST_PAGE, "archived": "true", "properties": ",".join(properties)}
        if after:
            params["after"] = after
        document = wire.get(f"/crm/v3/objects/{home.path}", params) or {}
        found += document.get("results", ())
        after = str(document.get("paging", {}).get("next", {}).get("after", ""))
        if not after:
            return found
    return found


def _search(
    wire: Wire, home: HubspotObject, filters: list[Json], sort: str, properties: Sequence[str] = ()
) -> tuple[list[Json], datetime]:
    """Return one page in ascending order, and HubSpot's own time."""
    body = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
        "properties": list(properties) or [CHANGED],
        "limit": PAGE,
        "after": "0",
    }
    reply = wire.call("POST", f"/crm/v3/objects/{home.path}/search", json=body, writes=False)
    try:
        rows = [load_record(row) for row in wire.table(reply, writes=False)["results"]]
    except (KeyError, ValueError) as error:
        raise TransientError(
            f"{wire.system}: a search of {home.name} came back in another shape: {error}"
        ) from None
    try:
        now = parsedate_to_datetime(reply.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError):
        now = datetime.now(UTC)
    return rows, now


def _test(name: str, operator: str, value: str) -> Json:
    return {"propertyName": name, "operator": operator, "value": value}


def _ms(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))


def _stamp(row: Json) -> datetime:
    text = row["properties"].get(CHANGED)
    if isinstance(text, str):
        return datetime.fromisoformat(text).astimezone(UTC)
    at: datetime = row["updatedAt"]
    return at
