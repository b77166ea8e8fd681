"""Many records of one object in one call, and the answer sorted per item.

A batch that HubSpot refuses whole has stored nothing, so it is halved until the poison stands alone.
Rows are traced, so that a mixed answer can be told apart.
Source: developers.hubspot.com, "Object APIs", "Batch"; "Error handling", "Multi-status errors".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import Native
from sync_workers.connectors.hubspot import refusals
from sync_workers.connectors.hubspot.objects import BATCH, HubspotObject
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError, SyncError, Unsure

Result = Native | SyncError


def send(wire: Wire, place: HubspotObject, verb: str, rows: Sequence[Json], budget_s: float) -> None:
    """Create, update or archive rows that only hang on another record. A refused row is raised, the others stay."""
    for start in range(0, len(rows), BATCH):
        inputs = list(rows[start : start + BATCH])
        path = f"/crm/v3/objects/{place.path}/batch/{verb}"
        reply = wire.call("POST", path, json={"inputs": inputs}, writes=True, budget_s=budget_s)
        if reply.status != 207:
            continue
        for error in wire.table(reply, writes=True).get("errors", ()):
            raise refusals.sort(400, error, wire.system) or _unsorted(wire, error)


def write_many(
    wire: Wire,
    home: HubspotObject,
    rows: Sequence[Json],
    read: Callable[[list[str]], Mapping[str, Native]],
    budget_s: float,
) -> list[Result]:
    """Store each row (with an ``id``: update, without: create) and return a result per row, in order.

    What was stored is read back by ``read``.
    """
    batch = _Batch(wire, home, rows, budget_s)
    for verb, born in (("create", True), ("update", False)):
        places = [at for at, row in enumerate(rows) if ("id" not in row) is born]
        for start in range(0, len(places), BATCH):
            batch.send(verb, places[start : start + BATCH])
    return batch.results(read)


class _Batch:
    """The rows of one call to ``write_many``: what was stored under which id, what was refused and why."""

    def __init__(self, wire: Wire, home: HubspotObject, rows: Sequence[Json], budget_s: float) -> None:
        self._wire = wire
        self._home = home
        self._rows = rows
        self._budget_s = budget_s
        self._stored: dict[int, str] = {}
        self._refused: dict[int, SyncError] = {}

    def send(self, verb: str, places: list[int]) -> None:
        inputs = [{**self._rows[at], "objectWriteTraceId": str(at)} for at in places]
        path = f"/crm/v3/objects/{self._home.path}/batch/{verb}"
        try:
            document = self._wire.post(path, {"inputs": inputs}, writes=True, budget_s=self._budget_s)
        except PermanentError as error:
            if len(places) == 1:
                self._refused[places[0]] = error
                return
            half = len(places) // 2
            self.send(verb, places[:half])
            self.send(verb, places[half:])
        except SyncError as error:
            self._refused |= dict.fromkeys(places, error)
        else:
            self._take(document, places)

    def _take(self, document: Json, places: list[int]) -> None:
        by_id = {self._rows[at].get("id"): at for at in places if "id" in self._rows[at]}
        for row in document.get("results", ()):
            place = _traced(row.get("objectWriteTraceId"), places)
            place = by_id.get(str(row.get("id"))) if place is None else place
            if place is not None:
                self._stored[place] = str(row["id"])
        errors = list(document.get("errors") or ())
        for told in errors:
            sorted_error = refusals.sort(400, told, self._wire.system) or _unsorted(self._wire, told)
            self._refused |= dict.fromkeys(_places_of(told, places, by_id), sorted_error)
        left = [at for at in places if at not in self._stored and at not in self._refused]
        if len(left) == 1 and len(errors) == 1:  # an error that names no row can mean this one only
            told = errors[0]
            self._refused[left[0]] = refusals.sort(400, told, self._wire.system) or _unsorted(self._wire, told)

    def results(self, read: Callable[[list[str]], Mapping[str, Native]]) -> list[Result]:
        name = self._home.name
        try:
            shown = read(list(self._stored.values()))
        except (SyncError, ValueError) as error:
            told = f"{self._wire.system}: {len(self._stored)} {name} were written and could not be read back: {error}"
            outage = isinstance(error, SyncError) and error.outage
            return [self._refused.get(at) or Unsure(told, outage=outage) for at in range(len(self._rows))]
        found: list[Result] = []
        for at in range(len(self._rows)):
            record_id = self._stored.get(at)
            if at in self._refused:
                found.append(self._refused[at])
            elif record_id is None:
                found.append(Unsure(f"{self._wire.system}: the answer to a batch of {name} says nothing of this one"))
            else:
                gone = Unsure(f"{self._wire.system}: {name} {record_id} was written and is gone")
                found.append(shown.get(record_id) or gone)
        return found


def _unsorted(wire: Wire, error: Mapping[str, Any]) -> PermanentError:
    return PermanentError(f"{wire.system}: {error.get('message')}")


def _traced(trace: Any, places: Sequence[int]) -> int | None:
    text = str(trace)
    return int(text) if text.isdecimal() and int(text) in places else None


def _places_of(error: Mapping[str, Any], places: Sequence[int], by_id: Mapping[str | None, int]) -> list[int]:
    context = error.get("context") or {}
    found = [_traced(trace, places) for trace in context.get("objectWriteTraceId") or ()]
    found += [by_id.get(str(each)) for each in context.get("ids") or ()]
    return [place for place in dict.fromkeys(found) if place is not None]
