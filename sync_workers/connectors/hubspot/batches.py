"""Many records of one kind in one call, and the answer sorted per item.

A batch that HubSpot refuses whole has stored nothing, so it is halved until the poison stands alone.
Rows are traced, so that a mixed answer can be told apart.
Source: developers.hubspot.com, "Object APIs", "Batch"; "Error handling", "Multi-status errors".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.hubspot import refusals
from sync_workers.connectors.hubspot.objects import BATCH, object_of
from sync_workers.connectors.hubspot.payloads import as_native, as_properties
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError, SyncError, Unsure

Result = Native | SyncError


def write_many(wire: Wire, writes: Sequence[NativeWrite], properties: Sequence[str]) -> list[Result]:
    """Return a result per write, in order; what was stored is read back in one more call."""
    results: list[Result | None] = [None] * len(writes)
    stored: dict[int, str] = {}
    for verb, born in (("create", True), ("update", False)):
        places = [at for at, write in enumerate(writes) if (write.id is None) is born]
        for start in range(0, len(places), BATCH):
            _send(wire, verb, writes, places[start : start + BATCH], results, stored)
    kind = writes[0].kind
    try:
        shown = {
            str(row["id"]): as_native(row)
            for row in wire.read_batch(object_of(kind).name, list(stored.values()), properties)
        }
    except (SyncError, ValueError) as error:
        lost = Unsure(f"{wire.system}: {len(stored)} {kind} were written and could not be read back: {error}")
        return [result or lost for result in results]
    for at, record_id in stored.items():
        results[at] = shown.get(record_id) or Unsure(
            f"{wire.system}: {kind} {record_id} was written and is gone"
        )
    unanswered = f"{wire.system}: the answer to a batch of {kind} says nothing of this one"
    return [result or Unsure(unanswered) for result in results]


def _send(
    wire: Wire,
    verb: str,
    writes: Sequence[NativeWrite],
    places: list[int],
    results: list[Result | None],
    stored: dict[int, str],
) -> None:
    first = writes[places[0]]
    inputs = [_row(writes[at], at) for at in places]
    try:
        document = wire.post(
            f"/crm/v3/objects/{object_of(first.kind).name}/batch/{verb}",
            {"inputs": inputs},
            writes=True,
            budget_s=max(writes[at].budget_s for at in places),
        )
    except PermanentError as error:
        if len(places) == 1:
            results[places[0]] = error
            return
        half = len(places) // 2
        _send(wire, verb, writes, places[:half], results, stored)
        _send(wire, verb, writes, places[half:], results, stored)
        return
    except SyncError as error:
        for at in places:
            results[at] = error
        return
    by_id = {writes[at].id: at for at in places if writes[at].id is not None}
    for row in document.get("results", ()):
        place = _traced(row.get("objectWriteTraceId"), places)
        place = by_id.get(str(row.get("id"))) if place is None else place
        if place is not None:
            stored[place] = str(row["id"])
    errors = document.get("errors") or ()
    for told in errors:
        sorted_error = refusals.sort(400, told, wire.system)
        sorted_error = sorted_error or PermanentError(f"{wire.system}: {told.get('message')}")
        for place in _places_of(told, places, by_id):
            results[place] = sorted_error
    left = [at for at in places if at not in stored and results[at] is None]
    if errors and len(left) == 1 and len(errors) == 1:
        results[left[0]] = refusals.sort(400, errors[0], wire.system)


def _row(write: NativeWrite, at: int) -> Json:
    properties = as_properties(write.fields.get("properties") or {})
    row: Json = {"properties": properties, "objectWriteTraceId": str(at)}
    if write.id is not None:
        row["id"] = write.id
    elif write.reference_path:
        properties[write.reference_path.removeprefix("properties.")] = write.reference
    return row


def _traced(trace: Any, places: Sequence[int]) -> int | None:
    text = str(trace)
    return int(text) if text.isdecimal() and int(text) in places else None


def _places_of(error: Mapping[str, Any], places: Sequence[int], by_id: Mapping[str | None, int]) -> list[int]:
    context = error.get("context") or {}
    found = [_traced(trace, places) for trace in context.get("objectWriteTraceId") or ()]
    found += [by_id.get(str(each)) for each in context.get("ids") or ()]
    return [place for place in dict.fromkeys(found) if place is not None]
