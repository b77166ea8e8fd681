"""The HubSpot objects that records live in, and what the engine must know of them.

Native shape: ``{"id", "properties": {...strings...}}``. An order (a deal) has besides
``associations.companies`` (ids, the primary one first), ``line_items``, ``won``, ``outcome``, ``bill_to`` and
``ship_to``; a customer (a company) ``addresses`` and ``contacts``; what belongs to an order
``associations.deals`` and ``associations.companies``. Source: developers.hubspot.com, "Object APIs"; type ids
from "Understanding the CRM", "Object type IDs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sync_workers.connectors.contract import Traits, Variant

SEARCH_LAG = timedelta(seconds=60)
"""How late search may be: documented only as "a few moments" (CRM search API, "Limits")."""

BUSY_AFTER = timedelta(seconds=120)
"""Undocumented for HubSpot, so the protocol's value for the unknown."""

RECHECK = timedelta(minutes=10)
"""How soon to look again whether somebody has run doctor --fix."""

BATCH = 100  # inputs per batch call (Object APIs, "Batch")
CUSTOM = "custom:"

# Pointers: they lead to an order, or to the customer, and nothing of them is kept.
ORDER_LINE = "order_line"
CONTACT = "customer_contact"
CUSTOM_RECORD = "custom_record"
"""A record of any custom object, as ``<object type id>/<id>``: which object that is only the account knows."""


@dataclass(frozen=True)
class HubspotObject:
    """One object type. ``path`` is its name in URLs: of a custom object its type id, which never changes.

    ``singular`` is its name in the older webhook types, "" where it has none. ``unique``: it may have
    properties that take a value once; products may not. ``full_name`` of a custom object.
    """

    name: str
    singular: str
    type_id: str
    unique: bool = True
    full_name: str = ""

    @property
    def path(self) -> str:
        return self.type_id if self.full_name else self.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """The keys under which a record may list its links to this object; line items also with a space."""
        return (self.name, self.name.replace("_", " "), self.full_name, self.type_id)


COMPANIES = HubspotObject("companies", "company", "0-2")
CONTACTS = HubspotObject("contacts", "contact", "0-1")
DEALS = HubspotObject("deals", "deal", "0-3")
PRODUCTS = HubspotObject("products", "product", "0-7", unique=False)
LINE_ITEMS = HubspotObject("line_items", "line_item", "0-8", unique=False)
NOTES = HubspotObject("notes", "", "0-46")
INVOICES = HubspotObject("invoices", "", "0-53")

USUAL: Mapping[str, HubspotObject] = {
    "customer": COMPANIES,
    "part": PRODUCTS,
    "stock": PRODUCTS,
    "order": DEALS,
    "invoice": INVOICES,
    ORDER_LINE: LINE_ITEMS,
}
"""Where a kind lives unless its sheet says otherwise."""

NATIVE: Mapping[str, HubspotObject] = {each.name: each for each in (COMPANIES, PRODUCTS, DEALS, INVOICES)}
"""What ``[object]`` may name besides ``custom:<name>``."""

TYPE_IDS: Mapping[str, str] = {
    each.singular: each.type_id for each in (COMPANIES, CONTACTS, DEALS, PRODUCTS, LINE_ITEMS)
}
"""The objects that the older webhook types name in words."""

ADDRESSES = "addresses"
"""The custom object with the further addresses of companies."""


def traits_of(kind: str, *, unique: bool) -> Traits:
    """T1 where a unique property can carry our reference; products have hs_sku and the lagging search."""
    notes = kind == "order"
    if unique:
        return Traits(Variant.T1, busy_after=BUSY_AFTER, batch=BATCH, notes=notes)
    return Traits(Variant.T3, find_lag=SEARCH_LAG, busy_after=BUSY_AFTER, batch=BATCH, notes=notes)
