"""Prices per list, currency and quantity: the ERP's own, all of them, and nothing beyond what is named."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, Native, NativeWrite, SystemSettings
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.connectors.tryton.session import Session
from sync_workers.errors import SettingsError, TransientError
from sync_workers.flows.polling import READ_PAGE
from sync_workers.sandbox.tryton import assortment, catalogue, warehouse
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer

pytestmark = pytest.mark.tryton

ITEMS = 1001
SILVER, SECRET = "Silver", "Staff only"
LISTS = [catalogue.STANDARD, catalogue.GOLD, SILVER]
CURRENCIES = ["USD", "EUR"]
BEARING = "BRG-6204-2RS"
BELT = "vB-A30"


class Shop:
    """The connector under test with prices in scope, and the people who set them."""

    def __init__(self, settings: SystemSettings, clerk: Rpc) -> None:
        self.settings = settings
        self.connector = TrytonConnector(settings, {})
        self.clerk = clerk

    def with_prices(self, **table: Any) -> TrytonConnector:
        return TrytonConnector(replace(self.settings, options={**self.settings.options, "prices": table}), {})

    def part(self, code: str, connector: TrytonConnector | None = None) -> Native:
        (found,) = (connector or self.connector).find("part", "code", code)
        return found

    def asked(self, price_list: str, currency: str, quantity: float) -> dict[str, Decimal | None]:
        """Return what the ERP itself asks per piece, by part number."""
        context = {
            "price_list": self.clerk.one("product.price_list", [["name", "=", price_list]]),
            "currency": self.clerk.one("currency.currency", [["code", "=", currency]]),
            "quantity": quantity,
            "uom": self.clerk.data_id("product", "uom_unit"),
        }
        parts = self.clerk.find("product.product", [["salable", "=", True], ["active", "in", [True, False]]])
        rows = self.clerk.read("product.product", parts, "code", "sale_price_uom", **context)
        return {row["code"]: row["sale_price_uom"] for row in rows}


@pytest.fixture(scope="module")
def shop(tryton: TrytonServer) -> Iterator[Shop]:
    database = tryton.fresh_database(f"prices_{secrets.token_hex(6)}")
    clerk = tryton.login(CLERK, database)
    for name, formula in ((SILVER, "unit_price * 0.93"), (SECRET, "unit_price * 0.3")):
        clerk.create("product.price_list", {
            "name": name, "company": clerk.context["company"], "price": "list_price", "unit": "product_default",
            "tax_included": False, "lines": [["create", [{"sequence": 10, "formula": formula}]]],
        })  # fmt: skip
    options = {
        "database": database, "user": tryton.user, "password": tryton.password, "longest_transaction_s": 0,
        "warehouse": catalogue.MAIN_WAREHOUSE, "prices": {"lists": LISTS, "currencies": CURRENCIES},
    }  # fmt: skip
    yield Shop(SystemSettings("erp", "tryton", tryton.url, options), clerk)
    clerk.close()
    tryton.drop_database(database)


def prices(part: Native) -> dict[str, Decimal | None]:
    return {one["key"]: one["price"] for one in part.fields["prices"]}


def drained(connector: TrytonConnector, cursor: Cursor | None = None) -> tuple[list[str], Cursor]:
    """Return what the polls of parts name until nothing more waits, and the position after it."""
    named: list[str] = []
    page = connector.changes("part", cursor or Cursor())
    while True:
        named += [notice.external_id for notice in page.notices]
        if not page.more:
            return named, page.cursor
        page = connector.changes("part", page.cursor)


def all_parts(connector: TrytonConnector) -> list[str]:
    found: list[str] = []
    while page := connector.ids("part", found[-1] if found else ""):
        found += page
    return found


def test_each_price_is_named_by_list_currency_and_quantity(shop):
    connector = shop.with_prices(lists=[catalogue.GOLD], currencies=["USD", "JPY"], quantities=[1, 12, 2.5])
    part = shop.part(BEARING, connector)
    assert list(prices(part)) == [f"Gold/{code}/{number}" for code in ("USD", "JPY") for number in ("1", "12", "2.5")]
    listed = part.fields["list_price"]
    assert prices(part)["Gold/USD/12"] == (listed * Decimal("0.85")).quantize(Decimal("0.0001"))
    assert prices(part)["Gold/JPY/1"] == shop.asked(catalogue.GOLD, "JPY", 1)[BEARING]


def test_a_price_is_per_base_unit_also_of_a_part_that_is_sold_in_boxes(shop):
    part = shop.part(BELT)
    assert (part.fields["unit"]["symbol"], part.fields["sale_unit"]["symbol"]) == ("u", "bx12")
    assert prices(part)["Standard/USD/1"] == part.fields["list_price"]


def test_many_parts_are_looked_up_with_their_prices_in_as_many_calls_as_one(shop, monkeypatch):
    counted: list[str] = []
    search_read = Session.search_read

    def count(session: Session, model: str, *args: Any, **options: Any) -> Any:
        counted.append(model)
        return search_read(session, model, *args, **options)

    singly = {code: shop.connector.find("part", "code", code) for code in (BEARING, BELT, "brg-6205-2rs", "NONE")}
    assert [len(found) for found in singly.values()] == [1, 1, 0, 0]
    monkeypatch.setattr(Session, "search_read", count)
    assert shop.connector.find_many("part", "code", list(singly)) == singly
    together = len(counted)
    shop.connector.find("part", "code", BEARING)
    assert together == len(counted) - together == 1 + len(LISTS) * len(CURRENCIES)


def test_without_a_table_there_are_no_prices(shop):
    options = {name: value for name, value in shop.settings.options.items() if name != "prices"}
    plain = TrytonConnector(replace(shop.settings, options=options), {})
    assert "prices" not in shop.part(BEARING, plain).fields
    assert "prices.price" not in plain.describe("part")
    assert "prices.price" in shop.connector.describe("part")


def test_a_part_that_is_not_for_sale_has_no_prices_and_spoils_no_page(shop):
    product = warehouse.find_part(shop.clerk, "RC40/1R")
    (row,) = shop.clerk.read("product.product", [product], "template")
    shop.clerk.write("product.template", [row["template"]], {"salable": False, "sale_uom": None})
    other = warehouse.find_part(shop.clerk, BEARING)
    found = shop.connector.read_many("part", [str(product), str(other)])
    assert found[str(product)].fields["prices"] == []
    assert len(found[str(other)].fields["prices"]) == len(LISTS) * len(CURRENCIES)
    shop.clerk.write("product.template", [row["template"]], {
        "salable": True, "sale_uom": shop.clerk.data_id("product", "uom_unit"),
    })  # fmt: skip


@pytest.mark.parametrize("what", ["the formula of a list", "a line of a list", "the end of that line", "a rate"])
def test_a_change_that_concerns_prices_is_news_of_every_part(shop, what):
    _, cursor = drained(shop.connector)
    before = shop.part(BEARING)
    if what == "the formula of a list":
        assortment.set_formula(shop.clerk, catalogue.GOLD, 0, f"unit_price * 0.{secrets.randbelow(100) + 800}")
    elif what == "a line of a list":
        assortment.add_special_price(shop.clerk, SILVER, BEARING, "unit_price * 0.5")
    elif what == "the end of that line":
        (line,) = shop.clerk.find("product.price_list.line", [["product", "!=", None]])
        assortment.drop_special_price(shop.clerk, line)
    else:
        assortment.set_rate(shop.clerk, "EUR", Decimal("0.77"))
    named, after = drained(shop.connector, cursor)
    assert sorted(named, key=int) == all_parts(shop.connector)
    changed = shop.part(BEARING)
    assert prices(changed) != prices(before)
    assert changed.version != before.version  # else the poll would take it for a repeat
    assert drained(shop.connector, after)[0] == []


def test_a_change_outside_the_scope_is_no_news(shop):
    _, cursor = drained(shop.connector)
    before = shop.part(BEARING)
    assortment.set_formula(shop.clerk, SECRET, 0, "unit_price * 0.25")
    assortment.set_rate(shop.clerk, "KWD", Decimal("0.31"))
    assert drained(shop.connector, cursor)[0] == []
    assert shop.part(BEARING) == before


def test_a_write_of_a_part_is_compared_with_its_stamps_and_not_with_its_prices(shop):
    part = shop.part("RC41/1R")
    assortment.set_formula(shop.clerk, SILVER, 0, "unit_price * 0.92")
    connector = shop.connector
    written = connector.write(NativeWrite("part", part.id, {"description": "new"}, "", version=part.version))
    assert written.fields["description"] == "new"
    with pytest.raises(TransientError):
        connector.write(NativeWrite("part", part.id, {"description": "older"}, "", version=part.version))


def test_a_telling_that_was_interrupted_goes_on_where_it_was(shop, monkeypatch):
    monkeypatch.setattr("sync_workers.connectors.tryton.telling.PAGE", 40)
    _, cursor = drained(shop.connector)
    assortment.set_formula(shop.clerk, catalogue.GOLD, 100, "unit_price * 0.79")
    first = shop.connector.changes("part", cursor)
    assert (len(first.notices), first.more, first.cursor.at) == (40, True, cursor.at)
    another = shop.with_prices(lists=LISTS, currencies=CURRENCIES)
    part = warehouse.find_part(shop.clerk, BEARING)
    shop.clerk.write("product.product", [part], {"description": "edited meanwhile"})
    rest, after = drained(another, first.cursor)
    named = [notice.external_id for notice in first.notices] + rest
    assert set(named) == set(all_parts(another))
    assert str(part) in rest  # came up by itself too, whatever page the telling names it on
    assert drained(another, after)[0] == []


def test_the_doctor_names_a_list_that_the_erp_has_not(shop):
    lost = shop.with_prices(lists=[catalogue.GOLD, "Platinum"], currencies=["USD"])
    (finding,) = [one for one in lost.examine({"part": ["code", "prices.price"]}) if not one.ok]
    assert "Platinum" in finding.what
    assert [one for one in shop.connector.examine({"part": ["prices.price"]}) if not one.ok] == []


@pytest.mark.parametrize(
    ("table", "field"),
    [
        pytest.param({"lists": "Gold", "currencies": ["USD"]}, "lists", id="a list that is none"),
        pytest.param({"lists": ["Gold"]}, "currencies", id="no currency"),
        pytest.param({"lists": ["Gold"], "currencies": ["USD"], "quantities": [0]}, "quantities", id="no quantity"),
        pytest.param({"lists": ["Gold"], "currencies": ["USD"], "tiers": [1]}, "prices", id="an unknown key"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(shop, table: Mapping[str, Any], field):
    with pytest.raises(SettingsError) as caught:
        shop.with_prices(**table)
    assert field in str(caught.value.field)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_and_one_items_have_the_prices_of_the_erp_in_three_tiers_and_two_currencies(shop):
    unit, category = shop.clerk.data_id("product", "uom_unit"), shop.clerk.find("product.category", [])[0]
    shop.clerk.create("product.template", *(
        {"name": f"Part {number}", "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True,
         "list_price": Decimal(number * 7919 % 100_000) / 10_000, "account_category": category,
         "products": [["create", [{"suffix_code": f"P-{number:05d}"}]]]}
        for number in range(ITEMS - len(all_parts(shop.connector)))
    ))  # fmt: skip
    untouched = erp_lists(shop.clerk)
    ids = all_parts(shop.connector)
    pages = [shop.connector.read_many("part", ids[at : at + READ_PAGE]) for at in range(0, len(ids), READ_PAGE)]
    found = {native.fields["code"]: prices(native) for page in pages for native in page.values()}
    assert len(found) == ITEMS
    for name in LISTS:
        for code in CURRENCIES:
            shown = {part: found[part][f"{name}/{code}/1"] for part in found}
            assert shown == shop.asked(name, code, 1)
    assert not [key for part in found.values() for key in part if SECRET in key]
    assert erp_lists(shop.clerk) == untouched


def erp_lists(clerk: Rpc) -> str:
    """Return everything that the ERP keeps of price lists and their lines, as text."""
    lists = clerk.call("model.product.price_list.search_read", [], 0, None, [["id", "ASC"]],
                       ["name", "price", "unit", "tax_included", "write_date", "_timestamp"])  # fmt: skip
    fields = ["price_list", "product", "category", "quantity", "formula", "sequence", "_timestamp"]
    lines = clerk.call("model.product.price_list.line.search_read", [], 0, None, [["id", "ASC"]], fields)
    return json.dumps([lists, lines], default=str)
