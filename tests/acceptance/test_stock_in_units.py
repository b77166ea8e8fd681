"""Stock in the units that people sell, in each warehouse and in all, with what is on its way (complaint 9).

The company packs one part in boxes of six; its stock lies in two warehouses, and sales promises in boxes.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_workers.mappings import check
from sync_workers.sandbox.tryton import catalogue, sales, warehouse
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE, SECOND_WAREHOUSE
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

PART, SYMBOL = "CLAMP 6", "bx6"
WAREHOUSES = f'warehouses = ["{MAIN_WAREHOUSE}", "{SECOND_WAREHOUSE}"]'
BOX = f'"box of 6" = "6 piece"\n"{SYMBOL}" = "6 piece"\n'
FIELD = """
[[field]]
name = "{name}"
owner = "erp"
why = "what sales may promise where it is"
as = "{kind}"
crm = {{ path = "properties.stock_{name}"{options} }}
erp = {{ path = "{path}", read_only = true }}
"""
IN_BOXES = ', count_in = "box of 6", digits = 0, rounding = "down"'
SHOWN = (
    ("each", "quantity", "available", ""),
    ("boxes", "quantity", "available", IN_BOXES),
    ("boxes_on_hand", "quantity", "on_hand", IN_BOXES),
    ("boxes_expected", "quantity", "on_order", IN_BOXES),
    *((f"{house.lower()}_{name}", kind, f"warehouses[name={house}].{path}", options)
      for house in (MAIN_WAREHOUSE, SECOND_WAREHOUSE)
      for name, kind, path, options in (
          ("each", "quantity", "available", ""), ("boxes", "quantity", "available", IN_BOXES),
          ("expected", "quantity", "on_order", ""), ("day_on", "date", "on_order_date", ""))),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Let the company sell in boxes of six, and count both of its warehouses."""
    settings = folder / "systems.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("[systems.erp]\n", f"[systems.erp]\n{WAREHOUSES}\n"), encoding="utf-8")
    order, stock = (folder / "mappings" / kind / "v1.toml" for kind in ("order", "stock"))
    text = order.read_text(encoding="utf-8")
    for system in ("crm", "erp"):
        text = text.replace(f"[units.{system}]\n", f"[units.{system}]\n{BOX}")
    order.write_text(text, encoding="utf-8")
    fields = "".join(FIELD.format(name=name, kind=kind, path=path, options=options)
                     for name, kind, path, options in SHOWN)
    with stock.open("a", encoding="utf-8") as sheet:
        sheet.write(f'{fields}\n[units.crm]\n"box of 6" = "6 piece"\n')


@pytest.fixture(scope="module")
def shop(distributor: Distributor) -> Distributor:
    """Return a distributor with its parts and their stock in the CRM, and a part in boxes of six."""
    clerk = distributor.clerk
    piece = clerk.data_id("product", "uom_unit")
    (row,) = clerk.read("product.uom", [piece], "category")
    (box,) = clerk.create("product.uom", {
        "name": "Box of 6", "symbol": SYMBOL, "category": row["category"], "factor": 6.0, "rate": round(1 / 6, 12),
        "rounding": 1.0, "digits": 0,
    })  # fmt: skip
    sample = warehouse.find_part(clerk, "BRG-6210-2RS")
    (known,) = clerk.read("product.product", [sample], "account_category")
    clerk.create("product.template", {
        "name": "Hose clamp", "type": "goods", "default_uom": piece, "sale_uom": box, "salable": True,
        "list_price": Decimal("2.5"), "account_category": known["account_category"],
        "products": [["create", [{"suffix_code": PART}]]],
    })  # fmt: skip
    distributor.kinds = ("customer", "part", "stock", "order")
    distributor.settle(within_s=240)
    distributor.sweep_stock()
    distributor.settle(within_s=120)
    return distributor


def shown(shop: Distributor, *names: str, code: str = PART) -> tuple[Any, ...]:
    product = shop.products()[code]
    return tuple(money(product[f"stock_{name}"]) for name in names)


def day(shop: Distributor, name: str) -> date | None:
    text = shop.products()[PART].get(f"stock_{name}")
    return date.fromisoformat(text[:10]) if text else None


def test_the_sheet_fits_both_systems_with_its_boxes_and_warehouses(shop: Distributor) -> None:
    sheet = shop.runtime.sheets["stock"]
    found = check(sheet, {name: each.describe("stock") for name, each in shop.runtime.connectors.items()})
    assert [str(problem) for problem in found] == []


def test_seven_pieces_are_seven_each_and_one_box(shop: Distributor) -> None:
    warehouse.adjust_count(shop.clerk, PART, 7)
    shop.settle()
    assert shown(shop, "on_hand", "each", "boxes") == (7, 7, 1)
    shop.look_again("stock", shop.products()[PART]["id"])
    with shop.written() as writes:
        shop.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_after_a_sale_of_one_box_there_is_one_each_and_no_box(shop: Distributor) -> None:
    deal = shop.win(shop.company("C1002")["id"], [line(PART, "1", "15.00", "box of 6")])
    shop.settle()
    assert [(row["product."]["code"], row["quantity"]) for row in shop.sale_lines(deal)] == [(PART, 6)]
    assert shown(shop, "on_hand", "allocated", "each", "boxes", "boxes_on_hand") == (7, 6, 1, 0, 1)
    warehouse.ship(shop.clerk, shop.sale(deal)["id"])
    shop.settle()
    assert shown(shop, "on_hand", "allocated", "each", "boxes", "boxes_on_hand") == (1, 0, 1, 0, 0)


def test_one_piece_less_than_a_box_is_no_box_and_one_more_makes_it(shop: Distributor) -> None:
    for pieces, boxes in ((5, 0), (6, 1), (11, 1), (12, 2)):
        warehouse.adjust_count(shop.clerk, PART, pieces)
        shop.settle()
        assert shown(shop, "each", "boxes") == (pieces, boxes)


def test_what_is_promised_twice_shows_as_too_few_boxes_and_is_not_hidden(shop: Distributor) -> None:
    """Six on the shelf, thirteen promised: seven too few are two boxes too few."""
    warehouse.adjust_count(shop.clerk, PART, 6)
    sale = sales.place_order(shop.clerk, "C1002", {PART: 13}, "by-phone-1")
    sales.release_order(shop.clerk, sale)
    shop.settle()
    assert shown(shop, "each", "boxes") == (-7, -2)
    warehouse.receive_goods(shop.clerk, PART, 30)
    warehouse.ship(shop.clerk, sale)
    shop.settle()
    assert shown(shop, "each", "boxes") == (23, 3)


def test_each_warehouse_shows_what_it_has_and_the_total_is_of_both(shop: Distributor) -> None:
    """Boxes are counted where the goods are: five and eight are thirteen, two boxes in all and one in one place."""
    warehouse.adjust_count(shop.clerk, PART, 5, MAIN_WAREHOUSE)
    warehouse.adjust_count(shop.clerk, PART, 8, SECOND_WAREHOUSE)
    shop.settle()
    assert shown(shop, "each", "main_each", "west_each") == (13, 5, 8)
    assert shown(shop, "boxes", "main_boxes", "west_boxes") == (2, 0, 1)


def test_goods_that_change_places_change_both_and_not_the_total(shop: Distributor) -> None:
    before = shown(shop, "each", "boxes")
    warehouse.adjust_count(shop.clerk, PART, 6, MAIN_WAREHOUSE)
    warehouse.adjust_count(shop.clerk, PART, 7, SECOND_WAREHOUSE)
    with shop.written() as writes:
        shop.settle()
    assert (shown(shop, "each", "boxes"), shown(shop, "main_boxes", "west_boxes")) == (before, (1, 1))
    assert writes == {"crm": 1, "erp": 0}


def test_what_a_supplier_will_deliver_is_expected_with_its_day(shop: Distributor) -> None:
    soon, later = warehouse.today() + timedelta(days=4), warehouse.today() + timedelta(days=11)
    assert (shown(shop, "expected"), day(shop, "expected_on")) == ((0,), None)
    warehouse.plan_delivery(shop.clerk, PART, 20, later)
    delivery = warehouse.plan_delivery(shop.clerk, PART, 9, soon, SECOND_WAREHOUSE)
    shop.settle()
    assert shown(shop, "expected", "boxes_expected", "main_expected", "west_expected") == (29, 4, 20, 9)
    assert [day(shop, name) for name in ("expected_on", "main_day_on", "west_day_on")] == [soon, later, soon]

    shop.clerk.write("stock.shipment.in", [delivery], {"planned_date": later + timedelta(days=1)})
    shop.settle()
    assert [day(shop, name) for name in ("expected_on", "west_day_on")] == [later, later + timedelta(days=1)]

    each, west = shown(shop, "each", "west_each")
    for button in ("receive", "do"):
        shop.clerk.press("stock.shipment.in", button, delivery)
        shop.settle()
    assert shown(shop, "expected", "each", "west_each", "west_expected") == (20, each + 9, west + 9, 0)
    assert (day(shop, "expected_on"), day(shop, "west_day_on")) == (later, None)


@pytest.mark.parametrize(
    ("name", "field", "typed"),
    [("on_hand", "on_hand", "9999"), ("boxes", "boxes", "50"), ("west_boxes", "west_boxes", "1.5"),
     ("expected_on", "expected_on", "2030-01-01")],
)  # fmt: skip
def test_a_figure_typed_into_the_crm_is_put_back_and_reported(
    shop: Distributor, name: str, field: str, typed: str
) -> None:
    product = shop.products()[PART]
    shop.crm.person(7).edit("products", product["id"], {f"stock_{name}": typed})
    with shop.written() as writes:
        shop.settle()
    assert shop.products()[PART][f"stock_{name}"] == product[f"stock_{name}"]
    assert writes == {"crm": 1, "erp": 0}
    assert shop.overrules("stock", product["id"])[-1] == (field, "crm", "owner erp")


def test_boxes_of_other_parts_are_counted_all_the_same(shop: Distributor) -> None:
    stocked = [part for part in catalogue.parts() if part.on_hand]
    west = {part.code: part.on_hand // 4 for part in stocked[::10]}
    for part in (*stocked[:30], *(part for part in catalogue.parts() if not part.on_hand)):
        total = part.on_hand + west.get(part.code, 0)
        assert shown(shop, "each", "boxes", code=part.code) == (total, total // 6), part.code


def test_at_the_end_every_law_holds(shop: Distributor) -> None:
    assert not shop.letters()
    assert shop.broken_laws() == []
