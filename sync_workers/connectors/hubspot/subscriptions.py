"""The webhook subscriptions that the sheets need, and where the account delivers to.

The older event types name companies, contacts, deals, products and line items; other objects are subscribed
to by generic events with an object type id, custom objects by a private app's settings alone. Source:
developers.hubspot.com, "Webhooks API", "Subscriptions"; "Create generic webhook subscriptions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sync_workers.connectors.contract import Finding
from sync_workers.connectors.hubspot import contacts
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.objects import CONTACTS, DEALS, LINE_ITEMS, HubspotObject
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import SyncError

LIFE = ("creation", "deletion", "merge", "restore")
NOT_SUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "hs_object_id"})


class Wanted(NamedTuple):
    """One subscription; ``type_id`` for the generic events only."""

    event: str
    property: str | None = None
    type_id: str | None = None

    def __str__(self) -> str:
        of = f" of {self.property}" if self.property else ""
        return f"{self.event}{of}" + (f" for object type {self.type_id}" if self.type_id else "")


class Subscriptions:
    """The subscriptions of one app; looked after only with a developer key."""

    def __init__(self, wire: Wire, homes: Homes, in_use: PropertiesInUse, *, fix: bool) -> None:
        self._wire = wire
        self._homes = homes
        self._in_use = in_use
        self._fix = fix
        self._root = f"/webhooks/v3/{wire.options.get('app_id')}"
        self._key = {"hapikey": str(wire.options.get("developer_key"))}

    def examine(self, public_url: str | None) -> list[Finding]:
        if not (self._wire.options.get("developer_key") and self._wire.options.get("app_id")):
            return []
        try:
            document = self._wire.get(f"{self._root}/subscriptions", self._key) or {}
            settings = self._wire.get(f"{self._root}/settings", self._key) or {}
        except SyncError as error:
            return [
                Finding("HubSpot lists our webhook subscriptions", ok=False, mend=error.mend or error.message)
            ]
        active = {_subject(each) for each in document.get("results", ()) if each.get("active")}
        findings = [self._target(public_url)] if public_url and settings.get("targetUrl") != public_url else []
        findings += [self._subscribe(each) for each in dict.fromkeys(self._wanted()) if each not in active]
        return findings or [Finding("every event that the sheets need is subscribed", ok=True)]

    def _wanted(self) -> Iterator[Wanted]:
        """Yield life events and one subscription per property in use, of every object that can be subscribed to."""
        for kind in self._in_use.kinds:
            home = self._homes.native(kind)
            if home is not None:
                yield from _of(home, self._in_use.of(kind), LIFE)
        if "order" in self._in_use.kinds:
            yield Wanted("deal.associationChange")
            yield from _of(LINE_ITEMS, self._in_use.line_items, ("creation", "deletion", "restore"))
            if self._in_use.labels_addresses and not self._homes.own_addresses:
                yield Wanted("object.associationChange", None, DEALS.type_id)
        if self._in_use.uses("customer", "contacts"):
            yield Wanted("company.associationChange")
            yield from _of(CONTACTS, contacts.PROPERTIES, ("deletion", "merge", "restore"))

    def _target(self, public_url: str) -> Finding:
        if self._fix:
            target = {
                "targetUrl": public_url,
                "throttling": {"period": "SECONDLY", "maxConcurrentRequests": 10},
            }
            self._wire.call("PUT", f"{self._root}/settings", json=target, params=self._key, writes=True)
        return Finding(
            "HubSpot delivers to public_url",
            ok=self._fix,
            fix="" if self._fix else "target URL",
            mend="" if self._fix else f"set the app's target URL to {public_url}",
        )

    def _subscribe(self, wanted: Wanted) -> Finding:
        what = f"subscribed to {wanted}"
        if not self._fix:
            return Finding(
                what, ok=False, mend="subscribe in the app's settings, or run doctor --fix", fix=what
            )
        body: Json = {"eventType": wanted.event, "active": True}
        body |= {"propertyName": wanted.property} if wanted.property else {}
        body |= {"objectTypeId": wanted.type_id} if wanted.type_id else {}
        try:
            self._wire.call("POST", f"{self._root}/subscriptions", json=body, params=self._key, writes=True)
        except SyncError as error:
            return Finding(what, ok=False, mend=error.message, fix=what)
        return Finding(f"{what} (created)", ok=True)


def _of(home: HubspotObject, properties: tuple[str, ...], life: tuple[str, ...]) -> Iterator[Wanted]:
    head, type_id = (home.singular, None) if home.singular else ("object", home.type_id)
    for event in life:
        yield Wanted(f"{head}.{event}", None, type_id)
    for name in properties:
        if name not in NOT_SUBSCRIBABLE:
            yield Wanted(f"{head}.propertyChange", name, type_id)


def _subject(row: Mapping[str, object]) -> Wanted:
    type_id = row.get("objectTypeId")
    event = str(row.get("eventType"))
    name = str(row["propertyName"]) if row.get("propertyName") else None
    return Wanted(event, name, str(type_id) if type_id and event.startswith("object.") else None)
