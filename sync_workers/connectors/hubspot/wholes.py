"""A record as the sheets see it, put together from one object and what hangs on it, and taken apart again.

Which parts a kind has follows from the object it lives in: companies have addresses and contacts, deals lines
and labelled addresses, documents links; products have nothing beside their properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.hubspot.addresses import Edits
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.companies import Companies
from sync_workers.connectors.hubspot.deals import Deals
from sync_workers.connectors.hubspot.documents import LINKED, Documents, linked
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, LINE_ITEMS, PRODUCTS, HubspotObject
from sync_workers.connectors.hubspot.payloads import as_native, as_properties, version_showing
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import SyncError, TransientError, Unsure


@dataclass(frozen=True)
class Prepared:
    """One write, taken apart: the body of the record's own call, and what has to be done beside it."""

    body: Json
    edits: Edits = field(default_factory=lambda: Edits({}))
    beside: bool = False
    """Whether anything is left to do once the body is stored."""


class Wholes:
    """The parts of every kind in one account."""

    def __init__(self, wire: Wire, homes: Homes, in_use: PropertiesInUse, links: Associations) -> None:
        self._system = wire.system
        self._homes = homes
        self._in_use = in_use
        self._companies = Companies(wire, homes, in_use, links)
        self._deals = Deals(wire, homes, in_use, links)
        self._documents = Documents(links)

    def inline(self, kind: str) -> list[str]:
        """Return the objects to ask for as ``associations`` when one record of the kind is read."""
        home = self._homes.of(kind)
        if home is COMPANIES:
            return [each.path for each in self._companies.inline()]
        if home is DEALS:
            return [each.path for each in self._deals.inline()]
        return [each.path for each in LINKED] if _is_document(home) else []

    def natives(self, kind: str, documents: Sequence[Json], *, inline: bool) -> list[Native]:
        """Return records with all their parts, in a few calls for all of them.

        ``inline``: the documents were read with the associations that ``inline()`` names.
        """
        try:
            found = [as_native(document) for document in documents]
            fields = self._complete(kind, documents, inline)
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(f"{self._system}: {kind} came back in another shape: {error}") from None
        names = self._in_use.of(kind)
        return [replace(native, fields=each, version=version_showing(each, names))
                for native, each in zip(found, fields, strict=True)]  # fmt: skip

    def _complete(self, kind: str, documents: Sequence[Json], inline: bool) -> list[Json]:
        home = self._homes.of(kind)
        if not documents:
            return []
        if home is COMPANIES:
            return self._companies.complete(documents, inline=inline)
        if home is DEALS:
            return self._deals.complete(documents, inline=inline)
        if _is_document(home):
            return self._documents.complete(home, documents, inline=inline)
        return [{"id": str(each["id"]), "properties": each["properties"]} for each in documents]

    # -- writing

    def prepare(self, write: NativeWrite) -> Prepared:
        """Take a write apart. Raises, before anything is sent, what makes it impossible."""
        home = self._homes.of(write.kind)
        fields = write.fields
        properties = as_properties(fields.get("properties") or {})
        edits, beside = Edits({}), False
        links: list[Json] = []
        if home is COMPANIES:
            edits = self._companies.prepare(write)
            properties |= edits.own
            beside = edits.needs_records
        elif home is DEALS:
            links = self._deals.at_birth(fields) if write.id is None else []
            beside = bool({"line_items", "bill_to", "ship_to"} & set(fields)) or (
                write.id is not None and "associations" in fields
            )
        elif _is_document(home):
            links = self._documents.at_birth(home, fields) if write.id is None else []
            beside = write.id is not None and "associations" in fields
        if write.id is None and write.reference_path:
            properties[write.reference_path.removeprefix("properties.")] = write.reference
        body: Json = {"properties": properties}
        if links:
            body["associations"] = links
        return Prepared(body, edits, beside)

    def finish(self, record_id: str, write: NativeWrite, prepared: Prepared) -> frozenset[str]:
        """Do what is left once the record itself is stored; return the paths whose blank means what was written.

        After a create whatever goes wrong is Unsure: the record exists, so the attempt stays open, it is found
        by its reference, and the next merge adds what is missing (protocol W10).
        """
        if not prepared.beside:
            return frozenset()
        try:
            return self._finish(record_id, write, prepared)
        except SyncError as error:
            if write.id is not None:
                raise
            raise Unsure(
                f"{self._system}: {write.kind} {record_id} was created, its parts were not: {error}",
                outage=error.outage,
            ) from error

    def _finish(self, record_id: str, write: NativeWrite, prepared: Prepared) -> frozenset[str]:
        home, fields, budget_s = self._homes.of(write.kind), write.fields, write.budget_s
        if home is COMPANIES:
            self._companies.write(record_id, prepared.edits, budget_s)
        elif home is not DEALS:
            self._documents.write(home, record_id, fields, budget_s)
        elif write.id is None:
            return self._deals.write_parts(record_id, fields, linked(fields, COMPANIES), budget_s)
        else:
            return self._deals.write(record_id, fields, budget_s)
        return frozenset()


def _is_document(home: HubspotObject) -> bool:
    return home not in (COMPANIES, DEALS, PRODUCTS, LINE_ITEMS)

