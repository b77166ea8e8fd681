"""Every price of the catalogue is the ERP's: three tiers, two currencies and a quantity break, to the digit with the
real ERP's formulas, rates and rounding, and nothing else is touched (complaint 12). ``test_many_prices`` has the
numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sync_workers.sandbox.hubspot.properties import GROUP
from sync_workers.sandbox.tryton import assortment, catalogue
from tests.acceptance.distributor import Distributor, money

pytestmark = pytest.mark.tryton

SILVER, SECRET = "Silver", "Staff only"
LISTS = (catalogue.STANDARD, SILVER, catalogue.GOLD)
CURRENCIES = ("USD", "EUR")
BREAKS = (1, 100)
COLUMNS = {f"price_{name}_{code}_{quantity}".lower(): (name, code, quantity)
           for name, code, quantity in product(LISTS, CURRENCIES, BREAKS)}  # fmt: skip
# some of each kind, in each unit of sale, and one that was switched off; the rest is not sold
SOLD = [catalogue.SUPERSEDED[0], *(part.code for part in catalogue.parts()[::25])]
ADDED = {f"P-{number:05d}": Decimal(number * 7919 % 100_000) / 10_000 for number in range(1, 9)}
BOTH = "P-00007"  # a rep has entered it already
SERVICES = ("SRV-0", "SRV-1")
FOREIGN = {"price_partner": "11.1111", "hs_cost_of_goods_sold": "3.30"}
OURS = {*COLUMNS, "name", "hs_sku", "price", "sale_unit", "erp_active", "hs_lastmodifieddate"}
FIELD = """
[[field]]
name = "{name}"
owner = "erp"
why = "sales quotes each customer from its own tier, in its own currency"
as = "decimal"
crm = {{ path = "properties.{name}", digits = 4 }}
erp = {{ path = "prices[key={key}].price", digits = 4, read_only = true }}
"""
IS_SOLD = """
[[field]]
name = "salable"
owner = "erp"
why = "what is not sold is no product in the CRM"
as = "bool"
erp = { path = "salable", read_only = true }
"""


def prepare(folder: Path) -> None:
    """Put twelve prices of every part that is sold into scope, and leave stock out of it."""
    shutil.rmtree(folder / "mappings" / "stock")
    settings = folder / "systems.toml"
    scope = {"lists": LISTS, "currencies": CURRENCIES, "quantities": BREAKS}
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in scope.items())
    settings.write_text(f"{settings.read_text(encoding='utf-8')}\n[systems.erp.prices]\n{table}", encoding="utf-8")
    sheet = folder / "mappings" / "part" / "v1.toml"
    text = sheet.read_text(encoding="utf-8")
    born = 'created_by = ["erp"]\n'
    text = text.replace(born, f'{born}created_when = {{ field = "salable", is = true }}\n') + IS_SOLD
    prices = [FIELD.format(name=name, key="/".join(map(str, of))) for name, of in COLUMNS.items()]
    sheet.write_text(text + "".join(prices), encoding="utf-8")


@pytest.fixture(scope="module")
def shop(distributor: Distributor) -> Distributor:
    """Return a distributor with some more parts and one more tier, and a list that nobody may see."""
    clerk = distributor.clerk
    for name, formulas in ((SILVER, {100: "unit_price * 0.913", 0: "unit_price * 0.93"}),
                           (SECRET, {0: "unit_price * 0.3"})):  # fmt: skip
        lines = [{"sequence": place, "quantity": quantity or None, "formula": formula}
                 for place, (quantity, formula) in enumerate(formulas.items())]  # fmt: skip
        clerk.create("product.price_list", {
            "name": name, "company": clerk.context["company"], "price": "list_price", "unit": "product_default",
            "tax_included": False, "lines": [["create", lines]],
        })  # fmt: skip
    others = {part.code for part in catalogue.parts()} - set(SOLD)
    unsold = clerk.find("product.template", [["products.code", "in", [*others, catalogue.FREIGHT]]])
    clerk.write("product.template", unsold, {"salable": False})
    unit = clerk.data_id("product", "uom_unit")
    clerk.create("product.template", *(
        {"name": f"Part {code}", "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True,
         "list_price": price, "products": [["create", [{"suffix_code": code}]]]}
        for code, price in ADDED.items()
    ))  # fmt: skip
    distributor.kinds = ("part",)
    return distributor


@pytest.fixture(scope="module")
def bystanders(shop: Distributor) -> dict[str, Any]:
    """Return what stood in both systems, out of our scope, before the first price was carried over."""
    rep = shop.crm.person(7)
    shop.crm.definitions.create("0-7", {"name": "price_partner", "label": "Partner price", "type": "number",
                                        "fieldType": "number", "groupName": GROUP}, shop.crm.now_ms())
    for code in (*SERVICES, BOTH):
        rep.create("products", {"name": f"The CRM's {code}", "hs_sku": code, "price": "90", **FOREIGN})
    return out_of_scope(shop)


def out_of_scope(shop: Distributor) -> dict[str, Any]:
    """Return, byte for byte, what is not ours: products of the CRM alone, its own figures, the ERP's price lists."""
    seen = {each["properties"]["hs_sku"]: each for each in shop.crm.person().see_all("products")}
    figures = {name: value for name, value in seen[BOTH]["properties"].items() if name not in OURS}
    return {**{code: _text(seen[code]) for code in SERVICES}, "figures": figures, "lists": price_lists(shop)}


def price_lists(shop: Distributor) -> str:
    """Return everything that the ERP keeps of price lists and their lines."""
    lists = shop.clerk.call("model.product.price_list.search_read", [], 0, None, [["id", "ASC"]],
                            ["name", "price", "unit", "tax_included", "write_date", "_timestamp"])  # fmt: skip
    lines = shop.clerk.call("model.product.price_list.line.search_read", [], 0, None, [["id", "ASC"]], [
        "price_list", "product", "category", "quantity", "formula", "sequence", "_timestamp"])  # fmt: skip
    return _text([lists, lines])


def _text(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True)


def asked(shop: Distributor, price_list: str, currency: str, quantity: int) -> Mapping[str, Decimal]:
    """Return what the ERP itself asks per piece, by part number."""
    context = {
        "price_list": shop.clerk.one("product.price_list", [["name", "=", price_list]]),
        "currency": shop.clerk.one("currency.currency", [["code", "=", currency]]),
        "quantity": float(quantity), "uom": shop.clerk.data_id("product", "uom_unit"),
    }  # fmt: skip
    parts = shop.clerk.find("product.product", [["salable", "=", True], ["active", "in", [True, False]]])
    return {row["code"]: row["sale_price_uom"]
            for row in shop.clerk.read("product.product", parts, "code", "sale_price_uom", **context)}


def assert_every_price_is_the_erps(shop: Distributor) -> None:
    products = {code: one for code, one in shop.products().items() if code not in SERVICES}
    assert sorted(products) == sorted([*SOLD, *ADDED])
    for name, of in COLUMNS.items():
        assert {code: money(one[name]) for code, one in products.items()} == asked(shop, *of), of


def test_every_part_shows_the_erps_price_in_each_tier_currency_and_quantity(
    shop: Distributor, bystanders: dict[str, Any]
) -> None:
    shop.settle()
    assert not shop.letters()
    assert_every_price_is_the_erps(shop)
    assert out_of_scope(shop) == bystanders
    different = {code: len({money(one[name]) for name in COLUMNS}) for code, one in shop.products().items()
                 if code in ADDED}  # fmt: skip
    assert max(different.values()) == len(COLUMNS), "no price stands for another"


def test_a_formula_that_finance_changes_reaches_its_own_tier_and_quantity_alone_in_both_currencies(
    shop: Distributor, bystanders: dict[str, Any]
) -> None:
    before = shop.products()
    assortment.set_formula(shop.clerk, catalogue.GOLD, 0, "unit_price * 0.87")
    lists = price_lists(shop)
    shop.settle()
    assert_every_price_is_the_erps(shop)
    for code, one in shop.products().items():
        changed = {name for name, value in one.items() if before[code].get(name) != value}
        assert changed == (set() if code in SERVICES else {"price_gold_usd_1", "price_gold_eur_1",
                                                           "hs_lastmodifieddate"}), code  # fmt: skip
    assert out_of_scope(shop) == {**bystanders, "lists": lists}


def test_a_second_look_at_everything_writes_nothing(shop: Distributor) -> None:
    shop.look_at_everything()
    with shop.written() as writes:
        shop.settle()
    assert writes["crm"] == 0
    assert shop.erp_writes() == [], "prices are the ERP's; nothing of ours was ever written there"
    assert shop.broken_laws() == []
