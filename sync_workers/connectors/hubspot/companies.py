"""What makes a HubSpot company a customer: its addresses and its contacts, which are records of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import ListChange, NativeWrite
from sync_workers.connectors.hubspot import addresses, batches, contacts
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.objects import COMPANIES, CONTACTS, HubspotObject
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError

Lists = Mapping[str, Sequence[Json]]


class Companies:
    """Reads and writes what lies outside a company's properties."""

    def __init__(self, wire: Wire, homes: Homes, in_use: PropertiesInUse, links: Associations) -> None:
        self._wire = wire
        self._homes = homes
        self._in_use = in_use
        self._links = links

    def inline(self) -> list[HubspotObject]:
        """Return the objects whose links are asked for with a single company."""
        found = [CONTACTS] if self._in_use.uses("customer", "contacts") else []
        places = self._places()
        return [*found, places] if places else found

    def complete(self, documents: Sequence[Json], *, inline: bool) -> list[Json]:
        """Return the native fields of companies; lists that no sheet uses are not read."""
        place = self._places()
        found: dict[str, Lists] = {}
        if self._in_use.uses("customer", "contacts"):
            found["contacts"] = self._linked(CONTACTS, documents, inline, contacts.read)
        if place is not None:
            found["addresses"] = self._linked(place, documents, inline, self._records(place))
        return [self._native(document, found) for document in documents]

    def _native(self, document: Json, found: Mapping[str, Lists]) -> Json:
        record_id = str(document["id"])
        fields: Json = {"id": record_id, "properties": document["properties"]}
        if self._in_use.uses("customer", "addresses"):
            records = found.get("addresses", {}).get(record_id, ())
            fields["addresses"] = addresses.items(document["properties"], records)
        if "contacts" in found:
            fields["contacts"] = list(found["contacts"].get(record_id, ()))
        return fields

    def _linked(self, target: HubspotObject, documents: Sequence[Json], inline: bool, read: Any) -> Lists:
        ids = self._links.of(COMPANIES, target, documents, inline=inline)
        found = read(self._wire, [each for mine in ids.values() for each in mine])
        return {company: [found[each] for each in mine if each in found] for company, mine in ids.items()}

    def _records(self, place: HubspotObject) -> Any:
        def read(wire: Wire, ids: Sequence[str]) -> dict[str, Json]:
            rows = wire.read_batch(place.path, list(dict.fromkeys(ids)), addresses.PROPERTIES)
            return {str(row["id"]): row for row in rows}

        return read

    def _places(self) -> HubspotObject | None:
        return self._homes.addresses() if self._in_use.uses("customer", "addresses") else None

    # -- writing

    def prepare(self, write: NativeWrite) -> addresses.Edits:
        """Sort the edits of the addresses. Raises, before anything is sent, when they have nowhere to go."""
        change = write.fields.get("addresses")
        if change is None:
            return addresses.Edits({})
        edits = addresses.sort(change, self._present(write, change), self._wire.system)
        if edits.needs_records and self._homes.addresses() is None:
            raise PermanentError(
                f"{self._wire.system}: company {write.id or 'to be created'} gets a second address, and"
                f' addresses = "own" lets it have one only',
                mend=f'take addresses = "own" out of [systems.{self._wire.system}], or keep one address in the others',
                field="addresses",
            )
        return edits

    def _present(self, write: NativeWrite, change: Any) -> Mapping[str, Any]:
        """Return the company's own address; asked for only where an added one might take its place."""
        adds = isinstance(change, ListChange) and any(fields.get(addresses.MAIN) for _, fields in change.add)
        if write.id is None or not adds:
            return {}
        rows = list(self._wire.read_batch(COMPANIES.path, [write.id], addresses.OWN_PROPERTIES))
        return rows[0]["properties"] if rows else {}

    def write(self, company_id: str, edits: addresses.Edits, budget_s: float) -> None:
        """Add, change and archive address records. Deals may be linked to one, so none is ever purged."""
        place = self._homes.addresses() if edits.needs_records else None
        if place is None:
            return
        link = self._links.at_birth(place, COMPANIES, [company_id]) if edits.add else []
        added = [
            {"properties": each, "associations": link, "objectWriteTraceId": f"add-{at}"}
            for at, each in enumerate(edits.add)
        ]
        batches.send(self._wire, place, "create", added, budget_s)
        changed = [{"id": record_id, "properties": each} for record_id, each in edits.change]
        batches.send(self._wire, place, "update", changed, budget_s)
        batches.send(self._wire, place, "archive", [{"id": each} for each in edits.remove], budget_s)
