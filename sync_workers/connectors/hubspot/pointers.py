"""From a record that only hangs on another to the one that the sheets know.

A line item leads to its deal, a contact or an address to its company, a record of another custom object to
the kind that lives there. Asked by a worker, never by the receiver.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.objects import (
    COMPANIES,
    CONTACT,
    CONTACTS,
    CUSTOM_RECORD,
    DEALS,
    LINE_ITEMS,
    ORDER_LINE,
    HubspotObject,
)
from sync_workers.connectors.hubspot.payloads import linked_ids
from sync_workers.connectors.hubspot.wire import Wire
from sync_workers.errors import PermanentError

PARTS = (ORDER_LINE, CONTACT, CUSTOM_RECORD)


class Pointers:
    """Who belongs to whom in one account."""

    def __init__(self, wire: Wire, homes: Homes, links: Associations) -> None:
        self._wire = wire
        self._homes = homes
        self._links = links

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        """Return (kind, id) of the record that a part belongs to, None when it belongs to nothing we sync.

        A contact of several companies leads to its primary one; the others are found by the reconcile.
        """
        if kind == ORDER_LINE:
            return self._parent(LINE_ITEMS, external_id, DEALS, "order")
        if kind == CONTACT:
            return self._parent(CONTACTS, external_id, COMPANIES, "customer")
        if kind != CUSTOM_RECORD:
            raise PermanentError(f"{self._wire.system}: {kind} is no part of another kind")
        type_id, _, record_id = external_id.partition("/")
        found = self._homes.kind_in(type_id)
        if found is None:
            return None
        place = self._homes.addresses() if not found else None
        if place is not None:
            return self._parent(place, record_id, COMPANIES, "customer")
        return (found, record_id) if found else None

    def companies_of(self, place: HubspotObject, ids: Sequence[str]) -> list[str]:
        """Return the companies that address records belong to, each once."""
        links = self._links.many(place, COMPANIES, ids)
        return list(dict.fromkeys(link.id for mine in links.values() for link in mine))

    def _parent(
        self, part: HubspotObject, record_id: str, whole: HubspotObject, kind: str
    ) -> tuple[str, str] | None:
        """Ask the part, and then the archived: one that was deleted may still show what it hung on."""
        path = f"/crm/v3/objects/{part.path}/{quote(record_id, safe='')}"
        params = {"associations": whole.path}
        document = self._wire.get(path, params) or self._wire.get(path, {**params, "archived": "true"})
        found, _ = linked_ids(document or {}, whole.spellings)
        return (kind, found[0]) if found else None
