"""What the real server has of a part, in each warehouse and in all: on hand, promised, and on its way."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, SystemSettings
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.domain.native import look
from sync_workers.errors import PermanentError
from sync_workers.sandbox.tryton import catalogue, sales, warehouse
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE, SECOND_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer

pytestmark = pytest.mark.tryton

FIGURES = ("on_hand", "allocated", "available", "on_order", "on_order_date")
BOTH = (MAIN_WAREHOUSE, SECOND_WAREHOUSE)


@dataclass
class Erp:
    """The server, somebody at its screen, and connectors with their own settings."""

    server: TrytonServer
    database: str
    clerk: Rpc

    def connector(self, **options: Any) -> TrytonConnector:
        known = {"database": self.database, "user": self.server.user,
                 "password": self.server.passwords[self.server.user], **options}
        return TrytonConnector(SystemSettings("erp", "tryton", self.server.url, known), {})

    def shows(self, code: str, houses: Sequence[str] = BOTH) -> dict[str, Any]:
        (found,) = self.connector(warehouses=list(houses)).find("stock", "code", code)
        return found.fields


@pytest.fixture(scope="module")
def erp(tryton: TrytonServer) -> Iterator[Erp]:
    database = tryton.fresh_database(f"stock_{secrets.token_hex(6)}")
    clerk = tryton.login(CLERK, database)
    yield Erp(tryton, database, clerk)
    clerk.close()
    tryton.drop_database(database)


def figures(fields: dict[str, Any], house: str = "") -> tuple[Any, ...]:
    start = f"warehouses[name={house}]." if house else ""
    return tuple(look(fields, start + name) for name in FIGURES)


def part(erp: Erp, main: int, west: int) -> str:
    """Enter a part of which so many are in each warehouse; return its number."""
    code = f"P-{secrets.token_hex(4)}"
    unit = erp.clerk.data_id("product", "uom_unit")
    (category,) = erp.clerk.find("product.category", [["accounting", "=", True]])[:1]
    erp.clerk.create("product.template", {
        "name": code, "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True,
        "list_price": Decimal(3), "account_category": category, "products": [["create", [{"suffix_code": code}]]],
    })  # fmt: skip
    for house, pieces in ((MAIN_WAREHOUSE, main), (SECOND_WAREHOUSE, west)):
        if pieces:
            warehouse.receive_goods(erp.clerk, code, pieces, house)
    return code


def test_each_warehouse_and_all_of_them(erp: Erp) -> None:
    shown = erp.shows(part(erp, 7, 5))
    assert figures(shown) == (12, 0, 12, 0, None)
    assert figures(shown, MAIN_WAREHOUSE) == (7, 0, 7, 0, None)
    assert figures(shown, SECOND_WAREHOUSE) == (5, 0, 5, 0, None)
    assert [house["name"] for house in shown["warehouses"]] == list(BOTH)
    assert {house["code"] for house in shown["warehouses"]} == {"MAIN", "WEST"}


def test_a_warehouse_that_is_not_named_does_not_count(erp: Erp) -> None:
    code = part(erp, 7, 5)
    assert figures(erp.shows(code, [MAIN_WAREHOUSE])) == (7, 0, 7, 0, None)
    assert figures(erp.shows(code, ["WEST"]), SECOND_WAREHOUSE) == (5, 0, 5, 0, None)
    (one,) = erp.connector(warehouse=SECOND_WAREHOUSE).find("stock", "code", code)
    assert (figures(one.fields), len(one.fields["warehouses"])) == ((5, 0, 5, 0, None), 1)


def test_what_an_order_takes_is_promised_in_its_own_warehouse(erp: Erp) -> None:
    code = part(erp, 7, 5)
    sale = sales.place_order(erp.clerk, catalogue.customers()[0].code, {code: 3}, f"S-{code}")
    sales.release_order(erp.clerk, sale)
    shown = erp.shows(code)
    assert figures(shown) == (12, 3, 9, 0, None)
    assert figures(shown, MAIN_WAREHOUSE) == (7, 3, 4, 0, None)
    assert figures(shown, SECOND_WAREHOUSE) == (5, 0, 5, 0, None)


def test_what_a_supplier_will_deliver_is_expected_on_the_first_of_its_days(erp: Erp) -> None:
    code, today = part(erp, 7, 0), warehouse.today()
    soon, later = today + timedelta(days=3), today + timedelta(days=9)
    warehouse.plan_delivery(erp.clerk, code, 20, later)
    warehouse.plan_delivery(erp.clerk, code, 30, later + timedelta(days=1))
    warehouse.plan_delivery(erp.clerk, code, 4, soon, SECOND_WAREHOUSE)
    shown = erp.shows(code)
    assert figures(shown) == (7, 0, 7, 54, soon)
    assert figures(shown, MAIN_WAREHOUSE) == (7, 0, 7, 50, later)
    assert figures(shown, SECOND_WAREHOUSE) == (0, 0, 0, 4, soon)


def test_a_planned_delivery_is_news_and_so_is_another_day_for_it(erp: Erp) -> None:
    code, day = part(erp, 7, 0), warehouse.today() + timedelta(days=3)
    connector = erp.connector(warehouses=list(BOTH), longest_transaction_s=0)
    (known,) = connector.find("stock", "code", code)
    start = connector.changes("stock", Cursor()).cursor
    shipment = warehouse.plan_delivery(erp.clerk, code, 20, day)
    page = connector.changes("stock", start)
    assert known.id in {notice.external_id for notice in page.notices}
    erp.clerk.write("stock.shipment.in", [shipment], {"planned_date": day + timedelta(days=1)})
    assert known.id in {notice.external_id for notice in connector.changes("stock", page.cursor).notices}
    assert figures(erp.shows(code))[4] == day + timedelta(days=1)


def test_what_has_arrived_is_expected_until_it_is_put_away(erp: Erp) -> None:
    code, day = part(erp, 7, 0), warehouse.today()
    shipment = warehouse.plan_delivery(erp.clerk, code, 20, day)
    erp.clerk.press("stock.shipment.in", "receive", shipment)
    assert figures(erp.shows(code)) == (7, 0, 7, 20, day)
    erp.clerk.press("stock.shipment.in", "do", shipment)
    assert figures(erp.shows(code)) == (27, 0, 27, 0, None)


def test_a_delivery_that_is_cancelled_is_not_expected_any_more(erp: Erp) -> None:
    code = part(erp, 7, 0)
    shipment = warehouse.plan_delivery(erp.clerk, code, 20, warehouse.today())
    erp.clerk.press("stock.shipment.in", "cancel", shipment)
    assert figures(erp.shows(code)) == (7, 0, 7, 0, None)


def test_goods_that_go_from_one_warehouse_to_the_other_leave_the_one_and_are_expected_in_the_other(erp: Erp) -> None:
    code, day = part(erp, 7, 0), warehouse.today()
    (main, west) = (erp.clerk.one("stock.location", [["type", "=", "warehouse"], ["name", "=", name]]) for name in BOTH)
    rows = erp.clerk.read("stock.location", [main, west], "storage_location")
    unit, company = erp.clerk.data_id("product", "uom_unit"), erp.clerk.context["company"]
    (start, end) = (row["storage_location"] for row in rows)
    (shipment,) = erp.clerk.create("stock.shipment.internal", {
        "company": company, "from_location": start, "to_location": end, "planned_date": day,
        "planned_start_date": day,
        "moves": [["create", [{"product": warehouse.find_part(erp.clerk, code), "quantity": 2.0, "unit": unit,
                               "from_location": start, "to_location": end, "company": company}]]],
    })  # fmt: skip
    erp.clerk.press("stock.shipment.internal", "wait", shipment)
    shown = erp.shows(code)
    assert figures(shown, MAIN_WAREHOUSE)[:4] == (7, 2, 5, 0)
    assert figures(shown, SECOND_WAREHOUSE)[:4] == (0, 0, 0, 2)
    assert figures(shown)[0] == 7
    assert figures(shown)[2] + figures(shown)[3] == 7


def test_the_paths_are_known_to_whoever_checks_a_sheet(erp: Erp) -> None:
    paths = erp.connector(warehouses=list(BOTH)).describe("stock")
    for name in ("code", "forecast", *FIGURES, "warehouses.name", "warehouses.code",
                 *(f"warehouses.{name}" for name in FIGURES)):
        assert name in paths, name
    assert (paths["on_order_date"].type, paths["warehouses.on_order_date"].type) == ("date", "date")


def test_doctor_names_a_warehouse_that_is_not_there(erp: Erp) -> None:
    used = {"stock": ["code", "warehouses.available", "warehouses.name", "on_order_date"]}
    assert [each.what for each in erp.connector(warehouses=list(BOTH)).examine(used) if not each.ok] == []
    found = erp.connector(warehouses=[MAIN_WAREHOUSE, "North"]).examine(used)
    assert [each.what for each in found if not each.ok] == ["Tryton: Tryton has 0 warehouses called 'North'"]


def test_a_warehouse_that_is_named_twice_is_refused(erp: Erp) -> None:
    with pytest.raises(PermanentError, match="twice"):
        erp.shows("0", [MAIN_WAREHOUSE, "MAIN"])


def test_one_page_costs_a_call_more_for_each_warehouse_and_not_one_for_each_part(erp: Erp) -> None:
    ids = [str(number) for number in erp.clerk.find("product.product", [])]
    found = erp.connector(warehouses=list(BOTH)).read_many("stock", ids)
    assert len(found) == len(ids) > 200
    for native in found.values():
        assert native.fields["on_hand"] == sum(house["on_hand"] for house in native.fields["warehouses"])
