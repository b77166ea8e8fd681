"""What ``doctor`` asks of a HubSpot account: token, fields, the unique reference, subscriptions.

With ``fix`` it creates what is missing. Source: developers.hubspot.com, "Properties API" and
"Webhooks API", "Subscriptions"; a unique property cannot be made of one that exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import FieldType, Finding
from sync_workers.connectors.hubspot.objects import DEALS, LINE_ITEMS, HubspotObject, object_of
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.domain.native import plain
from sync_workers.errors import SyncError

REFERENCE = "sync_reference"
GROUP = "sync_workers"
EVENTS = ("creation", "deletion", "merge", "restore")
NOT_SUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "hs_object_id"})


def describe(wire: Wire, kind: str) -> dict[str, FieldType]:
    """Return the fields by path, those of line items under ``line_items`` for an order."""
    place = object_of(kind)
    found = {"id": FieldType("id", read_only=True, unique=True)}
    found.update(_properties(wire, place, ""))
    if place is DEALS:
        found["won"] = FieldType("bool", read_only=True)
        found["associations.companies"] = FieldType("list")
        found["line_items"] = FieldType("list")
        found["line_items.id"] = FieldType("id", read_only=True, unique=True)
        found.update(_properties(wire, LINE_ITEMS, "line_items."))
    return found


def _properties(wire: Wire, place: HubspotObject, prefix: str) -> dict[str, FieldType]:
    document = wire.get(f"/crm/v3/properties/{place.name}", {"archived": "false"}) or {}
    return {
        f"{prefix}properties.{each['name']}": FieldType(
            type=str(each.get("type", "")),
            read_only=bool(
                (each.get("modificationMetadata") or {}).get("readOnlyValue") or each.get("calculated")
            ),
            unique=bool(each.get("hasUniqueValue")),
            choices=tuple(str(option.get("value")) for option in each.get("options") or ()),
        )
        for each in document.get("results", ())
    }


def examine(
    wire: Wire, paths: Mapping[str, Sequence[str]], public_url: str | None, *, fix: bool
) -> list[Finding]:
    findings: list[Finding] = []
    for kind, used in sorted(paths.items()):
        try:
            known = describe(wire, kind)
        except SyncError as error:
            findings.append(
                Finding(f"HubSpot shows the fields of {kind}", ok=False, mend=error.mend or error.message)
            )
            continue
        findings.append(Finding(f"HubSpot shows the fields of {kind}", ok=True))
        for path in dict.fromkeys(map(plain, used)):
            findings.append(_field(wire, kind, path, known, fix=fix))
    if wire.options.get("developer_key") and wire.options.get("app_id"):
        findings += _subscriptions(wire, paths, public_url, fix=fix)
    return findings


def _field(wire: Wire, kind: str, path: str, known: Mapping[str, FieldType], *, fix: bool) -> Finding:
    name = path.rpartition("properties.")[2]
    is_line = path.startswith("line_items.")
    place = LINE_ITEMS if is_line else object_of(kind)
    is_reference = name == REFERENCE and place.unique
    what = f"{kind}: {path} exists" + (" and takes a value once" if is_reference else "")
    field = known.get(path)
    if field is not None and is_reference and not field.unique:
        return Finding(
            what,
            ok=False,
            mend=f"{name} of {place.name} is not unique and cannot become so: archive it, "
            "then let doctor --fix create it anew",
        )
    if field is not None:
        return Finding(what, ok=True)
    if "properties." not in path or not fix:
        return Finding(
            what, ok=False, mend=f"create the property {name} on {place.name}, or run doctor --fix", fix=path
        )
    try:
        _ensure_group(wire, place)
        wire.post(
            f"/crm/v3/properties/{place.name}", _definition(kind, name, place, is_reference), writes=True
        )
    except SyncError as error:
        return Finding(what, ok=False, mend=error.message, fix=path)
    return Finding(f"{what} (created)", ok=True)


def _ensure_group(wire: Wire, place: HubspotObject) -> None:
    """Our properties stand together in a group of their own; every property must be in one."""
    path = f"/crm/v3/properties/{place.name}/groups"
    if wire.get(f"{path}/{GROUP}") is None:
        wire.post(path, {"name": GROUP, "label": "Sync with the ERP"}, writes=True)


def _definition(kind: str, name: str, place: HubspotObject, is_reference: bool) -> Json:
    shape = "date" if name.endswith("_on") else "number"
    type_, field = (shape, shape) if kind == "stock" else ("string", "text")
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": type_,
        "fieldType": field,
        "groupName": GROUP,
        "hasUniqueValue": is_reference,
        "description": "Kept by the sync layer between CRM and ERP",
    }


def _wanted(paths: Mapping[str, Sequence[str]]) -> list[tuple[str, str | None]]:
    """Return the subscriptions that the sheets need: life events, and one per property in use."""
    wanted: dict[tuple[str, str | None], None] = {}
    for kind, used in paths.items():
        place = object_of(kind)
        places = [(place, "properties.")]
        if place is DEALS:
            places.append((LINE_ITEMS, "line_items.properties."))
            wanted["deal.associationChange", None] = None
            wanted["deal.propertyChange", "dealstage"] = None
        for each, prefix in places:
            for event in EVENTS if each is not LINE_ITEMS else ("creation", "deletion", "restore"):
                wanted[f"{each.singular}.{event}", None] = None
            for path in map(plain, used):
                name = path.removeprefix(prefix)
                if path.startswith(prefix) and name not in NOT_SUBSCRIBABLE:
                    wanted[f"{each.singular}.propertyChange", name] = None
    return list(wanted)


def _subscriptions(
    wire: Wire, paths: Mapping[str, Sequence[str]], public_url: str | None, *, fix: bool
) -> list[Finding]:
    root, key = f"/webhooks/v3/{wire.options['app_id']}", {"hapikey": str(wire.options["developer_key"])}
    try:
        document = wire.get(f"{root}/subscriptions", key) or {}
        settings = wire.get(f"{root}/settings", key) or {}
    except SyncError as error:
        return [
            Finding("HubSpot lists our webhook subscriptions", ok=False, mend=error.mend or error.message)
        ]
    active = {
        (str(each.get("eventType")), each.get("propertyName") or None)
        for each in document.get("results", ())
        if each.get("active")
    }
    findings = []
    if public_url and settings.get("targetUrl") != public_url:
        if fix:
            target = {
                "targetUrl": public_url,
                "throttling": {"period": "SECONDLY", "maxConcurrentRequests": 10},
            }
            wire.call("PUT", f"{root}/settings", json=target, params=key, writes=True)
        findings.append(
            Finding(
                "HubSpot delivers to public_url",
                ok=fix,
                fix="" if fix else "target URL",
                mend="" if fix else f"set the app's target URL to {public_url}",
            )
        )
    for event, name in _wanted(paths):
        if (event, name) not in active:
            findings.append(_subscribe(wire, root, key, event, name, fix=fix))
    return findings or [Finding("every event that the sheets need is subscribed", ok=True)]


def _subscribe(wire: Wire, root: str, key: Any, event: str, name: str | None, *, fix: bool) -> Finding:
    what = f"subscribed to {event}" + (f" of {name}" if name else "")
    if not fix:
        return Finding(what, ok=False, mend="subscribe in the app's settings, or run doctor --fix", fix=what)
    body: Json = {"eventType": event, "active": True, **({"propertyName": name} if name else {})}
    try:
        wire.call("POST", f"{root}/subscriptions", json=body, params=key, writes=True)
    except SyncError as error:
        return Finding(what, ok=False, mend=error.message, fix=what)
    return Finding(f"{what} (created)", ok=True)
