"""Which properties of which objects the sheets use: HubSpot returns a handful of defaults unless asked.

Also which news of an object matter to which kinds, for the receiver, which asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync_workers.connectors.hubspot import addresses, contacts, lines
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.objects import (
    COMPANIES,
    CONTACT,
    CONTACTS,
    CUSTOM_RECORD,
    DEALS,
    INVOICES,
    LINE_ITEMS,
    ORDER_LINE,
)
from sync_workers.domain.native import plain

PROPERTIES = "properties."


class PropertiesInUse:
    """The property names per kind, and per object that only hangs on a kind's."""

    def __init__(self, paths: Mapping[str, Sequence[str]], homes: Homes) -> None:
        self._homes = homes
        self.kinds = tuple(kind for kind in paths if kind in homes.kinds) or homes.kinds
        self._paths = {kind: tuple(map(plain, used)) for kind, used in paths.items()}
        self._of = {kind: list(_below(PROPERTIES, self._paths.get(kind, ()))) for kind in self.kinds}
        self._of.setdefault("order", []).extend(("dealstage", "pipeline"))
        if self.uses("customer", "addresses"):
            self._of.setdefault("customer", []).extend(addresses.OWN_PROPERTIES)
        self.line_items = _once(
            (*lines.PROPERTIES, *_below(f"line_items.{PROPERTIES}", self._paths.get("order", ())))
        )
        self.addresses = addresses.PROPERTIES
        self.contacts = contacts.PROPERTIES

    def of(self, kind: str) -> tuple[str, ...]:
        if kind == ORDER_LINE:
            return self.line_items
        return _once(self._of.get(kind, ()))

    def uses(self, kind: str, head: str) -> bool:
        """Whether a sheet uses ``head`` (``addresses``, ``bill_to``) or anything below it."""
        return any(path == head or path.startswith(f"{head}.") for path in self._paths.get(kind, ()))

    @property
    def uses_addresses(self) -> bool:
        """Whether the custom object with the addresses plays a part at all."""
        return self.uses("customer", "addresses") or self.labels_addresses

    @property
    def labels_addresses(self) -> bool:
        return self.uses("order", "bill_to") or self.uses("order", "ship_to")

    def subjects(self, type_id: str, record_id: str) -> list[tuple[str, str]]:
        """Return (kind, id) of what news of one record are about; a pointer where they lead elsewhere."""
        found = []
        for kind in self.kinds:
            home = self._homes.native(kind)
            if home is not None and home.type_id == type_id:
                found.append((kind, record_id))
        if type_id == LINE_ITEMS.type_id and not found:
            found.append((ORDER_LINE, record_id))
        if type_id == CONTACTS.type_id and self.uses("customer", "contacts"):
            found.append((CONTACT, record_id))
        if type_id.startswith("2-") and (self._homes.custom or self.uses_addresses):
            found.append((CUSTOM_RECORD, f"{type_id}/{record_id}"))
        return found

    def shows_links(self, type_id: str, other: str) -> bool:
        """Whether a record of one type shows which records of another it is linked to."""
        if type_id == DEALS.type_id:
            return other in (COMPANIES.type_id, LINE_ITEMS.type_id) or (
                other.startswith("2-") and self.labels_addresses
            )
        if type_id == COMPANIES.type_id:
            return (other == CONTACTS.type_id and self.uses("customer", "contacts")) or (
                other.startswith("2-") and self.uses("customer", "addresses")
            )
        is_document = type_id == INVOICES.type_id or type_id.startswith("2-")
        return is_document and other in (DEALS.type_id, COMPANIES.type_id)


def _below(head: str, paths: Sequence[str]) -> list[str]:
    return [path.removeprefix(head) for path in paths if path.startswith(head)]


def _once(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
