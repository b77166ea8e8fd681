"""What ``doctor`` asks of a HubSpot account: token, objects, fields, the unique reference, labels.

With ``fix`` it creates what is missing. Source: developers.hubspot.com, "Properties API", "Custom objects" and
"Associations API v4"; a unique property cannot be made of one that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sync_workers.connectors.contract import FieldType, Finding, Types, ValueType
from sync_workers.connectors.hubspot import addresses, definitions, description, lines
from sync_workers.connectors.hubspot.associations import PLAIN, Associations
from sync_workers.connectors.hubspot.custom_objects import CustomObjects
from sync_workers.connectors.hubspot.deal_addresses import LABELS
from sync_workers.connectors.hubspot.definitions import GROUP, REFERENCE
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PROPERTIES, PropertiesInUse
from sync_workers.connectors.hubspot.objects import (
    ADDRESSES,
    COMPANIES,
    CONTACTS,
    DEALS,
    LINE_ITEMS,
    HubspotObject,
)
from sync_workers.connectors.hubspot.schemas import Schemas
from sync_workers.connectors.hubspot.subscriptions import Subscriptions
from sync_workers.connectors.hubspot.wire import Wire
from sync_workers.domain.native import plain
from sync_workers.errors import SyncError

Known = Mapping[str, FieldType]
OWN_ADDRESS_TYPES = {addresses.OWN[role]: ValueType.TRUTH for role in addresses.ROLES}
ADDRESS_TYPES = {
    name: ValueType.TRUTH if name in addresses.ROLES else definitions.type_of(name, None)
    for name in addresses.PROPERTIES
}


class Examination:
    """One examination of one account; ``types`` say what a missing field has to hold."""

    def __init__(
        self, wire: Wire, homes: Homes, schemas: Schemas, links: Associations, types: Types, *, fix: bool
    ) -> None:
        self._wire = wire
        self._homes = homes
        self._schemas = schemas
        self._links = links
        self._types = types
        self._fix = fix
        self._objects = CustomObjects(wire, schemas, links, fix=fix)

    def run(self, paths: Mapping[str, Sequence[str]], public_url: str | None) -> list[Finding]:
        in_use = PropertiesInUse(paths, self._homes)
        try:
            self._schemas.look()
        except SyncError as error:
            return [Finding("HubSpot lists the custom objects", ok=False, mend=error.mend or error.message)]
        findings: list[Finding] = []
        for kind, used in sorted(paths.items()):
            findings += self._kind(kind, [plain(path) for path in used])
        if in_use.uses_addresses and not self._homes.own_addresses:
            findings += self._addresses(in_use)
        if in_use.uses("customer", "contacts"):
            findings.append(self._shown("contacts", lambda: description.properties_of(self._wire, CONTACTS, "")))
        subscriptions = Subscriptions(self._wire, self._homes, in_use, fix=self._fix)
        return [*findings, *subscriptions.examine(public_url)]

    def _kind(self, kind: str, used: Sequence[str]) -> Iterator[Finding]:
        types = self._types.get(kind, {})
        name = self._homes.custom.get(kind)
        if name is not None:
            wanted = {
                path.removeprefix(PROPERTIES): definitions.type_of(path.removeprefix(PROPERTIES), types.get(path))
                for path in used
                if path.startswith(PROPERTIES)
            }
            advice = f"take [object] and the places in {self._wire.system} out of the sheet of {kind}: the deal"
            advice += " then carries erp_shipments and erp_credit_notes, and with note = true there a note of each one"
            yield from self._objects.examine(name, wanted, advice)
        try:
            home = self._homes.of(kind)
            known = description.describe(self._wire, home)
        except SyncError as error:
            if name is None or self._schemas.find(name) is not None:
                yield Finding(f"HubSpot shows the fields of {kind}", ok=False, mend=error.mend or error.message)
            return
        yield Finding(f"HubSpot shows the fields of {kind}", ok=True)
        for path in dict.fromkeys(used):
            yield from self._path(kind, home, path, known, types.get(path))

    def _path(
        self, kind: str, home: HubspotObject, path: str, known: Known, told: ValueType | None
    ) -> Iterator[Finding]:
        """Look at one path of a sheet, and at the properties that it is made of."""
        if path.startswith(f"line_items.{PROPERTIES}"):
            yield self._property(kind, LINE_ITEMS, path, known, told)
        elif path.startswith(PROPERTIES):
            yield self._property(kind, home, path, known, told)
        else:
            yield Finding(
                f"{kind}: {path} exists",
                ok=path in known,
                mend="" if path in known else f"correct the sheet of {kind}: HubSpot has no {path}",
            )
        for name in lines.BEHIND.get(path, ()):
            yield self._property(kind, LINE_ITEMS, f"line_items.{PROPERTIES}{name}", known, None)
        own = addresses.OWN.get(path.removeprefix("addresses.")) if path.startswith("addresses.") else None
        if own is not None:
            yield self._property(kind, COMPANIES, f"{PROPERTIES}{own}", known, OWN_ADDRESS_TYPES.get(own))

    def _property(
        self, kind: str, home: HubspotObject, path: str, known: Known, told: ValueType | None
    ) -> Finding:
        name = path.rpartition(PROPERTIES)[2]
        is_reference = name == REFERENCE and home.unique
        what = f"{kind}: {path} exists" + (" and takes a value once" if is_reference else "")
        field = known.get(path)
        if field is not None and is_reference and not field.unique:
            return Finding(
                what,
                ok=False,
                mend=f"{name} of {home.name} is not unique and cannot become so: archive it, "
                "then let doctor --fix create it anew",
            )
        if field is not None:
            return Finding(what, ok=True)
        if not self._fix:
            mend = f"create the property {name} on {home.name}, or run doctor --fix"
            return Finding(what, ok=False, mend=mend, fix=path)
        definition = definitions.property_definition(name, definitions.type_of(name, told), unique=is_reference)
        try:
            self._ensure_group(home)
            body = {**definition, "groupName": GROUP}
            self._wire.post(f"/crm/v3/properties/{home.path}", body, writes=True)
        except SyncError as error:
            return Finding(what, ok=False, mend=error.message, fix=path)
        return Finding(f"{what} (created)", ok=True)

    def _ensure_group(self, home: HubspotObject) -> None:
        """Our properties stand together in a group of their own; every property must be in one."""
        path = f"/crm/v3/properties/{home.path}/groups"
        if self._wire.get(f"{path}/{GROUP}") is None:
            self._wire.post(path, {"name": GROUP, "label": "Sync with the ERP"}, writes=True)

    # -- what hangs on companies and deals

    def _addresses(self, in_use: PropertiesInUse) -> Iterator[Finding]:
        advice = f'set addresses = "own" in [systems.{self._wire.system}]: each company then has its one address'
        yield from self._objects.examine(ADDRESSES, ADDRESS_TYPES, advice)
        place = self._schemas.find(ADDRESSES)
        if place is None:
            return
        known = description.properties_of(self._wire, place, PROPERTIES)
        for name, type_ in ADDRESS_TYPES.items():
            yield self._property(ADDRESSES, place, f"{PROPERTIES}{name}", known, type_)
        for path, label in LABELS.items():
            if in_use.uses("order", path):
                yield self._label(place, label)

    def _label(self, place: HubspotObject, label: str) -> Finding:
        what = f"a deal can be linked to an address as {label!r}"
        known = self._links.ask(DEALS, place)
        if label.casefold() in known:
            return Finding(what, ok=True)
        if PLAIN not in known or not self._fix:
            mend = f"create the association label {label} between deals and addresses, or run doctor --fix"
            return Finding(what, ok=False, mend=mend, fix=label)
        path = f"/crm/v4/associations/{DEALS.path}/{place.path}/labels"
        try:
            self._wire.post(path, definitions.label_definition(label), writes=True)
        except SyncError as error:
            return Finding(what, ok=False, mend=f"labels need a Professional edition: {error.message}", fix=label)
        self._links.ask(DEALS, place)
        return Finding(f"{what} (created)", ok=True)

    def _shown(self, what: str, ask: Callable[[], Known]) -> Finding:
        try:
            ask()
        except SyncError as error:
            return Finding(f"HubSpot shows {what}", ok=False, mend=error.mend or error.message)
        return Finding(f"HubSpot shows {what}", ok=True)
