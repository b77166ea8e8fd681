"""HubSpot's JSON at the edge: records, batch answers and webhook events, checked before use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from sync_workers.connectors.contract import Native
from sync_workers.errors import Malformed, PermanentError


class _Loose(Schema):
    class Meta:
        unknown = EXCLUDE


class RecordSchema(_Loose):
    """One CRM record. Source: hubspot-api-python, model ``SimplePublicObject``."""

    id = fields.Str(required=True, validate=validate.Length(min=1))
    properties = fields.Dict(keys=fields.Str(), values=fields.Raw(allow_none=True), required=True)
    updatedAt = fields.AwareDateTime(load_default=None, allow_none=True)
    archived = fields.Bool(load_default=False)
    associations = fields.Dict(load_default=dict)


class EventSchema(_Loose):
    """One webhook event. Source: developers.hubspot.com, "Webhooks API", "Payloads"."""

    subscriptionType = fields.Str(load_default="")
    eventType = fields.Str(load_default="")
    subscriptionId = fields.Int(load_default=0)
    portalId = fields.Int(load_default=0)
    occurredAt = fields.Int(required=True)
    objectId = fields.Int(load_default=None, allow_none=True)
    objectTypeId = fields.Str(load_default="")
    propertyName = fields.Str(load_default="", allow_none=True)
    propertyValue = fields.Str(load_default="", allow_none=True)
    changeSource = fields.Str(load_default="", allow_none=True)
    sourceId = fields.Str(load_default="", allow_none=True)
    primaryObjectId = fields.Int(load_default=None, allow_none=True)
    newObjectId = fields.Int(load_default=None, allow_none=True)
    mergedObjectIds = fields.List(fields.Int(), load_default=list)
    associationType = fields.Str(load_default="", allow_none=True)
    fromObjectTypeId = fields.Str(load_default="", allow_none=True)
    toObjectTypeId = fields.Str(load_default="", allow_none=True)
    associationTypeId = fields.Int(load_default=None, allow_none=True)
    associationRemoved = fields.Bool(load_default=None, allow_none=True)
    fromObjectId = fields.Int(load_default=None, allow_none=True)
    toObjectId = fields.Int(load_default=None, allow_none=True)


_record = RecordSchema()
_events = EventSchema(many=True)


def load_events(document: Any) -> list[dict[str, Any]]:
    """Return the events of a delivery; Malformed names what is wrong."""
    if not isinstance(document, list):
        raise Malformed("a HubSpot delivery is a JSON array of events")
    try:
        events: list[dict[str, Any]] = _events.load(document)
    except ValidationError as error:
        raise Malformed(f"the delivery has the wrong shape: {error.messages}") from None
    return events


def load_record(document: Any) -> dict[str, Any]:
    """Return one record, checked; ValueError when it is none."""
    try:
        record: dict[str, Any] = _record.load(document)
    except ValidationError as error:
        raise ValueError(f"a record came back in another shape: {error.messages}") from None
    return record


def as_native(document: Any) -> Native:
    record = load_record(document)
    return Native(
        id=record["id"],
        fields={"id": record["id"], "properties": record["properties"]},
        archived=record["archived"],
        changed_at=record["updatedAt"],
    )


def version_showing(shown: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return a digest of what a record shows, its lists included: that is how a poll knows what comes again.

    ``names`` are the properties that count. HubSpot offers no version, and its stamp says nothing of a company's
    addresses or a deal's lines.
    """
    properties = {name: shown["properties"].get(name) for name in names}
    text = orjson.dumps({**shown, "properties": properties}, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=10).hexdigest()


def as_text(value: Any) -> str:
    """Write a value as HubSpot properties travel: always text, and "" clears.

    Source: developers.hubspot.com, "CRM API: Properties", "Update or clear a property's value".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    raise PermanentError(
        f"a HubSpot property cannot hold {type(value).__name__}", mend="give the field a converter"
    )


def as_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: as_text(value) for name, value in properties.items()}


def linked_ids(record: Mapping[str, Any], spellings: Iterable[str]) -> tuple[list[str], str | None]:
    """Return the ids linked to a record, primary first, and where its next page of links starts.

    The links stand under one of the object's spellings: its plural name, for line items also seen with a
    space, for a custom object its full name.
    """
    associations = record.get("associations") or {}
    group: Mapping[str, Any] = next((associations[each] for each in spellings if associations.get(each)), {})
    rows = group.get("results", ())
    ordered = sorted(rows, key=lambda row: "unlabeled" in str(row.get("type", "")))
    after = group.get("paging", {}).get("next", {}).get("after")
    return list(dict.fromkeys(str(row["id"]) for row in ordered)), after
