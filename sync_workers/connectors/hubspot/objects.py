"""Which HubSpot object each kind lives in, and which of its properties the sheets use.

Native shape: ``{"id", "properties": {...strings...}}``; an order (a deal) has besides
``associations.companies`` (ids, the primary one first), ``line_items`` (``{"id", "properties"}``) and
``won``. Source: developers.hubspot.com, "Object APIs"; type ids and association types from
"Associations API v4", "Association type IDs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sync_workers.connectors.contract import Traits, Variant
from sync_workers.domain.native import plain
from sync_workers.errors import PermanentError

SEARCH_LAG = timedelta(seconds=60)
"""How late search may be: documented only as "a few moments" (CRM search API, "Limits")."""

BUSY_AFTER = timedelta(seconds=120)
"""Undocumented for HubSpot, so the protocol's value for the unknown."""

ORDER_LINE = "order_line"
BATCH = 100  # inputs per batch call (Object APIs, "Batch")
LINE_PROPERTIES = ("name", "hs_sku", "quantity", "price", "amount", "hs_product_id", "description")
LINE_TO_DEAL = 20
DEAL_TO_COMPANY = 341
DEAL_TO_COMPANY_PRIMARY = 5
NOTE_TO_DEAL = 214


@dataclass(frozen=True)
class HubspotObject:
    """One object type: its name in paths and in webhook types."""

    name: str
    singular: str
    unique: bool
    """Whether the object may have properties with unique values; products may not."""


COMPANIES = HubspotObject("companies", "company", unique=True)
PRODUCTS = HubspotObject("products", "product", unique=False)
DEALS = HubspotObject("deals", "deal", unique=True)
LINE_ITEMS = HubspotObject("line_items", "line_item", unique=False)

KINDS: Mapping[str, HubspotObject] = {
    "customer": COMPANIES,
    "part": PRODUCTS,
    "stock": PRODUCTS,
    "order": DEALS,
    ORDER_LINE: LINE_ITEMS,
}
TYPE_IDS = {"0-2": "company", "0-3": "deal", "0-7": "product", "0-8": "line_item"}


def object_of(kind: str) -> HubspotObject:
    try:
        return KINDS[kind]
    except KeyError:
        raise PermanentError(
            f"HubSpot holds no {kind}",
            mend=f"take it out of the sheet of {kind}, or choose a kind of {list(KINDS)}",
        ) from None


def traits_of(kind: str) -> Traits:
    """T1 where a unique property can carry our reference; products have hs_sku and the lagging search."""
    if object_of(kind).unique:
        return Traits(Variant.T1, busy_after=BUSY_AFTER, batch=BATCH)
    return Traits(Variant.T3, find_lag=SEARCH_LAG, busy_after=BUSY_AFTER, batch=BATCH)


class PropertiesInUse:
    """The property names to ask for: HubSpot returns a handful of defaults unless asked."""

    def __init__(self, paths: Mapping[str, Sequence[str]]) -> None:
        self.kinds = tuple(kind for kind in paths if kind in KINDS) or tuple(KINDS)
        self._of: dict[str, tuple[str, ...]] = {}
        lines = list(LINE_PROPERTIES)
        for kind, used in paths.items():
            names = []
            for path in map(plain, used):
                head, _, rest = path.partition(".")
                if head == "properties" and rest:
                    names.append(rest)
                elif head == "line_items" and rest.startswith("properties."):
                    lines.append(rest.removeprefix("properties."))
            self._of[kind] = tuple(dict.fromkeys(names))
        self._of["order"] = tuple(dict.fromkeys([*self._of.get("order", ()), "dealstage", "pipeline"]))
        self._of[ORDER_LINE] = tuple(dict.fromkeys(lines))

    def of(self, kind: str) -> tuple[str, ...]:
        return self._of.get(kind, ())

    def kinds_of(self, singular: str) -> tuple[str, ...]:
        """Return the kinds in use that live in one object, as webhooks name it."""
        found = tuple(kind for kind in self.kinds if KINDS[kind].singular == singular)
        return found or ((ORDER_LINE,) if singular == "line_item" else ())
