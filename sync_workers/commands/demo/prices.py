"""The prices of a part: those that reps read in the CRM's catalogue, and those that the ERP asks.

The ERP is asked as its own clerk, with the formulas, rates and rounding of its price lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING

from sync_workers.commands.demo.configuration import PRICES, price_property
from sync_workers.sandbox.tryton.catalogue import PRICE_LISTS
from sync_workers.sandbox.tryton.warehouse import find_part

if TYPE_CHECKING:
    from sync_workers.commands.demo.crm import Crm, Json
    from sync_workers.sandbox.tryton.rpc import Rpc

COLUMNS = {price_property(*each): each for each in PRICES}
CURRENCIES = tuple(dict.fromkeys(currency for _, currency, _ in PRICES))
BREAKS = sorted({int(quantity) or 1 for lines in PRICE_LISTS.values() for quantity, _ in lines})
TYPED_BY_REPS = "hs_cost_of_goods_sold"


def catalogue(crm: Crm) -> dict[str, Json]:
    """Return all that each product shows of prices, by part number; what is blank is left out."""
    return {
        str(each["properties"].get("hs_sku")): {
            name: value for name, value in each["properties"].items() if value and name.startswith("price")
        }
        for each in crm.records("products")
    }


def ask(clerk: Rpc, code: str, price_list: str, currency: str, quantity: int) -> Decimal:
    """Return what the ERP asks for a piece of a part."""
    context = {
        "price_list": clerk.one("product.price_list", [["name", "=", price_list]]),
        "currency": clerk.one("currency.currency", [["code", "=", currency]]),
        "quantity": float(quantity), "uom": clerk.data_id("product", "uom_unit"),
    }  # fmt: skip
    (row,) = clerk.read("product.product", [find_part(clerk, code)], "sale_price_uom", **context)
    return Decimal(row["sale_price_uom"])


def of_product(crm: Crm, code: str) -> Iterator[str]:
    """Tell every price on a product, and the cost that reps keep there for themselves."""
    for each in crm.records("products"):
        shows = each["properties"]
        if shows.get("hs_sku") == code:
            for name in ("price", *COLUMNS, TYPED_BY_REPS):
                if shows.get(name):
                    yield f"{_words(name)}: {shows[name]}"


def of_part(clerk: Rpc, code: str) -> Iterator[str]:
    """Tell what each price list asks from each of its quantities on, and which of it no sheet names."""
    if not clerk.find("product.product", [["code", "=", code]]):
        return
    for name, currency, quantity in product(PRICE_LISTS, CURRENCIES, BREAKS):
        aside = "" if (name, currency, quantity) in PRICES else " (in no sheet)"
        yield f"{name} {currency} from {quantity} on: {ask(clerk, code, name, currency, quantity):f}{aside}"


def _words(name: str) -> str:
    if name not in COLUMNS:
        return "list price" if name == "price" else name.removeprefix("hs_").replace("_", " ")
    tier, currency, quantity = COLUMNS[name]
    return f"{tier} {currency} from {quantity} on"
