"""What changed, and what there is: paging through HubSpot's search and lists.

Search sorts by one property, pages to 10,000 and lags; so the position is a stamp, never a page:
each call starts at the stamp where the last one ended. Many records with one stamp are paged by
their id. Source: developers.hubspot.com, "CRM search API", "Limits" and "Paging through results".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.connectors.hubspot.objects import SEARCH_LAG, object_of
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


def changes(wire: Wire, kind: str, cursor: Cursor) -> Page:
    """Return the changes at or after ``cursor``; it stays a search lag behind HubSpot's clock (Q3)."""
    return follow(lambda position: _step(wire, kind, position), cursor, SEARCH_LAG)


def _step(wire: Wire, kind: str, position: Cursor) -> Step:
    at = position.at or BEGINNING
    if position.id:
        # Inside one stamp that fills pages: by id until it is through, then on to the next millisecond.
        tests = [_test(CHANGED, "EQ", _ms(at)), _test("hs_object_id", "GT", position.id)]
        rows, now = _search(wire, kind, tests, "hs_object_id")
        following = Cursor(at, str(rows[-1]["id"])) if len(rows) == PAGE else Cursor(at + MILLISECOND)
        return Step(_notices(kind, rows), now, at, following, following)
    rows, now = _search(wire, kind, [_test(CHANGED, "GTE", _ms(at))], CHANGED)
    if not rows:
        return Step([], now, None, position, None)
    last = _stamp(rows[-1])
    # Nothing but one stamp: its order within the search is anybody's guess, so start it over by id.
    following = Cursor(last) if last > at else Cursor(at, "0")
    return Step(
        _notices(kind, rows), now, last, Cursor(last + MILLISECOND), following if len(rows) == PAGE else None
    )


def _notices(kind: str, rows: list[Json]) -> list[Notice]:
    return [Notice(kind, str(row["id"])) for row in rows]


def find_live(wire: Wire, kind: str, name: str, value: str, properties: list[str]) -> list[Json]:
    """Return the live records whose property equals ``value``, as far as the index has come."""
    rows, _ = _search(wire, kind, [_test(name, "EQ", value)], "hs_object_id", [name, *properties])
    # EQ ignores case, a reference does not.
    return [row for row in rows if row["properties"].get(name) == value]


def find_many(wire: Wire, kind: str, name: str, values: list[str], properties: list[str]) -> list[Json]:
    """Return the live records whose property is one of ``values``, case ignored, as far as the index has come.

    IN takes lower-case values on text properties. Source: developers.hubspot.com, "Search the CRM".
    """
    rows: list[Json] = []
    for start in range(0, len(values), IN_VALUES):
        asked = sorted({value.lower() for value in values[start : start + IN_VALUES]})
        test = {"propertyName": name, "operator": "IN", "values": asked}
        found, _ = _search(wire, kind, [test], "hs_object_id", properties)
        rows += found
    return rows


def ids(wire: Wire, kind: str, after: str) -> list[str]:
    params: dict[str, Any] = {"limit": LIST_PAGE, "archived": "false"}
    if after:
        params["after"] = after
    document = wire.get(f"/crm/v3/objects/{object_of(kind).name}", params) or {}
    return [str(row["id"]) for row in document.get("results", ())]


def archived(wire: Wire, kind: str, properties: list[str], pages: int) -> list[Json]:
    """Return what was archived (HubSpot keeps it 90 days), up to ``pages`` pages: search never shows it."""
    found: list[Json] = []
    after = ""
    for _ in range(pages):
        params: dict[str, Any] = {"limit": LIST_PAGE, "archived": "true", "properties": ",".join(properties)}
        if after:
            params["after"] = after
        document = wire.get(f"/crm/v3/objects/{object_of(kind).name}", params) or {}
        found += document.get("results", ())
        after = str(document.get("paging", {}).get("next", {}).get("after", ""))
        if not after:
            return found
    return found


def _search(
    wire: Wire, kind: str, filters: list[Json], sort: str, properties: list[str] | None = None
) -> tuple[list[Json], datetime]:
    """Return one page in ascending order, and HubSpot's own time."""
    body = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
        "properties": properties or [CHANGED],
        "limit": PAGE,
        "after": "0",
    }
    reply = wire.call("POST", f"/crm/v3/objects/{object_of(kind).name}/search", json=body, writes=False)
    try:
        rows = [load_record(row) for row in wire.table(reply, writes=False)["results"]]
    except (KeyError, ValueError) as error:
        raise TransientError(
            f"{wire.system}: a search of {kind} came back in another shape: {error}"
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
