"""The shapes that plain sends, checked at the edge, and those that it takes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from sync_workers.connectors.contract import ListChange, Native
from sync_workers.errors import Malformed, TransientError, Unsure

_AS_THEY_ARE = frozenset({str, Decimal, int, float, bool, type(None)})


class EventSchema(Schema):
    """One entry of a delivery. ``record`` is the whole record as it was when the event was raised."""

    class Meta:
        unknown = EXCLUDE

    id = fields.Str(required=True)
    kind = fields.Str(required=True)
    record_id = fields.Str(required=True)
    version = fields.Int(required=True, strict=True)
    by = fields.Str(load_default="")
    same_as = fields.List(fields.Str(), load_default=list)
    record = fields.Dict(keys=fields.Str(), load_default=None, allow_none=True)


class DeliverySchema(Schema):
    class Meta:
        unknown = EXCLUDE

    events = fields.List(fields.Nested(EventSchema), required=True)


_delivery = DeliverySchema()


def load_events(document: Any) -> list[dict[str, Any]]:
    """Return the events of a delivery; Malformed names the field that is wrong."""
    plainly = _events_plainly(document)
    if plainly is not None:
        return plainly
    try:
        events: list[dict[str, Any]] = _delivery.load(document)["events"]
    except ValidationError as error:
        raise Malformed(f"the delivery has the wrong shape: {error.messages}") from None
    return events


def _events_plainly(document: Any) -> list[dict[str, Any]] | None:
    """Return what the schema would, None for what it must look at: it takes longer than reading the JSON."""
    events = document.get("events") if type(document) is dict else None
    if type(events) is not list:
        return None
    loaded = []
    for event in events:
        if type(event) is not dict:
            return None
        one = {"by": "", "record": None, "same_as": [], **event}
        if not (
            type(one.get("id")) is type(one.get("kind")) is type(one.get("record_id")) is type(one["by"]) is str
            and type(one.get("version")) is int
            and (one["record"] is None or type(one["record"]) is dict)
            and type(one["same_as"]) is list
            and all(type(old) is str for old in one["same_as"])
        ):
            return None
        loaded.append({name: one[name] for name in _NAMES})
    return loaded


_NAMES = tuple(EventSchema().fields)


def as_native(record: dict[str, Any]) -> Native:
    """Read one record of an answer. KeyError or ValueError when it is not one."""
    return Native(
        id=record["id"],
        fields=record["fields"],
        version=str(record["version"]),
        archived=record.get("archived", False),
        changed_at=datetime.fromisoformat(record["changed_at"]).astimezone(UTC),
    )


def path_of(kind: str, external_id: str = "") -> str:
    """Return the place of a kind, or of one of its records."""
    return f"/{quote(kind)}/{quote(external_id, safe='')}" if external_id else f"/{quote(kind)}"


def as_json(fields: Any) -> Any:
    """Copy fields into their JSON form: a ListChange becomes ``{"$list": ...}``, dates and instants ISO 8601."""
    if isinstance(fields, dict):
        return {name: value if type(value) in _AS_THEY_ARE else as_json(value) for name, value in fields.items()}
    if isinstance(fields, date):  # an instant is one, too
        return fields.isoformat()
    if isinstance(fields, ListChange):
        return {
            "$list": {
                "add": [[key, as_json(item)] for key, item in fields.add],
                "change": [[key, as_json(item)] for key, item in fields.change],
                "remove": list(fields.remove),
            }
        }
    return fields


def put(fields: dict[str, Any], path: str, value: str) -> None:
    """Set one value in nested fields."""
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[last] = value


def native_of(system: str, document: Any, *, writes: bool) -> Native:
    """Return a record of an answer. In another shape it leaves a write Unsure, and a read to be repeated."""
    try:
        return as_native(document)
    except (KeyError, TypeError, ValueError) as error:
        message = f"{system}: a record came back in another shape: {type(error).__name__}: {error}"
        raise Unsure(message) if writes else TransientError(message) from None
