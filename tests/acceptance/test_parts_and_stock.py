"""Parts and their stock: the ERP owns both, sales sees them in the CRM, and only what changed is written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import catalogue, warehouse
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

FIGURES = ("stock_on_hand", "stock_allocated", "stock_available")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    """Return a distributor after the first load of everything."""
    distributor.kinds = ("customer", "part", "stock", "order")
    distributor.settle(within_s=240)
    distributor.sweep_stock()  # parts that never moved have no move that a poll could find
    distributor.settle()
    return distributor


def figures(distributor: Distributor, code: str) -> tuple[Decimal, ...]:
    product = distributor.products()[code]
    return tuple(money(product[name]) for name in FIGURES)


def edit_template(distributor: Distributor, code: str, **values: object) -> None:
    (row,) = distributor.clerk.read("product.product", [warehouse.find_part(distributor.clerk, code)], "template")
    distributor.clerk.write("product.template", [row["template"]], values)


def test_the_first_load_brings_every_part_once_with_its_exact_number_and_price(loaded: Distributor) -> None:
    products, parts = loaded.products(), catalogue.parts()
    assert set(products) == {part.code for part in parts} | {catalogue.FREIGHT, catalogue.SUPERSEDED[0]}
    for part in parts:
        assert products[part.code]["name"] == part.name
        assert money(products[part.code]["price"]) == part.price, part.code


def test_the_first_load_brings_the_stock_of_every_part_none_in_stock_included(loaded: Distributor) -> None:
    products = loaded.products()
    for part in catalogue.parts():
        shown = [products[part.code].get(name) for name in FIGURES]
        assert shown == [f"{part.on_hand}.000", "0.000", f"{part.on_hand}.000"], part.code
    assert not loaded.held()
    assert not loaded.letters()


def test_a_second_look_at_everything_writes_nothing(loaded: Distributor) -> None:
    loaded.look_at_everything()
    loaded.sweep_stock()
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_goods_that_are_received_reach_the_crm_in_one_batch_and_nothing_else_is_written(
    loaded: Distributor,
) -> None:
    received = [part for part in catalogue.parts() if part.on_hand][:20]
    for part in received:
        warehouse.receive_goods(loaded.clerk, part.code, 250)
    before = loaded.crm.requests.copy()
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 20, "erp": 0}
    calls = loaded.crm.requests - before
    assert sum(n for call, n in calls.items() if "batch/update" in call) == 1, calls
    for part in received:
        assert figures(loaded, part.code) == (part.on_hand + 250, 0, part.on_hand + 250)


def test_an_order_allocates_and_its_shipment_takes_from_the_shelf(loaded: Distributor) -> None:
    code = "RC40/1R"
    on_hand, *_ = figures(loaded, code)
    deal = loaded.win(loaded.company("C1002")["id"], [line(code, "5", "35.4150")])
    loaded.settle()
    assert figures(loaded, code) == (on_hand, 5, on_hand - 5)
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
    loaded.settle()
    assert figures(loaded, code) == (on_hand - 5, 0, on_hand - 5)


def test_a_count_typed_into_the_crm_is_put_back_and_reported_as_overruled(loaded: Distributor) -> None:
    product = loaded.products()["BRG-6210-2RS"]
    typed = product["stock_on_hand"]
    loaded.crm.person(7).edit("products", product["id"], {"stock_on_hand": "9999"})
    with loaded.written() as writes:
        loaded.settle()
    assert loaded.products()["BRG-6210-2RS"]["stock_on_hand"] == typed
    assert writes == {"crm": 1, "erp": 0}
    assert loaded.overrules("stock", product["id"]) == [("on_hand", "crm", "owner erp")]


def test_a_price_typed_into_the_crm_is_put_back_and_reported_as_overruled(loaded: Distributor) -> None:
    product = loaded.products()["RC41/1R"]
    loaded.crm.person(7).edit("products", product["id"], {"price": "1"})
    loaded.settle()
    assert loaded.products()["RC41/1R"]["price"] == product["price"]
    assert loaded.overrules("part", product["id"]) == [("list_price", "crm", "owner erp")]


def test_one_product_that_the_crm_refuses_does_not_stop_the_others(loaded: Distributor) -> None:
    """HubSpot takes no negative price; the ERP does."""
    changed = [part for part in catalogue.parts() if part.code.startswith("SEAL")]
    poison = changed[7]
    for part in changed:
        edit_template(loaded, part.code, list_price=part.price + 1)
    edit_template(loaded, poison.code, list_price=Decimal("-0.01"))
    with loaded.written() as writes:
        loaded.settle()
    products = loaded.products()
    for part in changed:
        wanted = part.price if part is poison else part.price + 1
        assert money(products[part.code]["price"]) == wanted, part.code
    assert writes == {"crm": len(changed) - 1, "erp": 0}
    letter = loaded.letter("part", products[poison.code]["id"])
    assert "price" in letter.message
    edit_template(loaded, poison.code, list_price=poison.price)
    loaded.settle()
    assert not loaded.letters()


def test_a_new_part_of_the_erp_becomes_a_product_with_its_stock(loaded: Distributor) -> None:
    unit = loaded.clerk.data_id("product", "uom_unit")
    loaded.clerk.create("product.template", {
        "name": "Coupling half", "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True,
        "list_price": Decimal("17.5"), "products": [["create", [{"suffix_code": "CPL 7/a"}]]],
    })  # fmt: skip
    loaded.settle()
    assert money(loaded.products()["CPL 7/a"]["price"]) == Decimal("17.5")
    warehouse.receive_goods(loaded.clerk, "CPL 7/a", 12)
    loaded.settle()
    assert figures(loaded, "CPL 7/a") == (12, 0, 12)


def test_a_product_that_only_the_crm_knows_stays_there_and_stops_nothing(loaded: Distributor) -> None:
    loaded.crm.person(7).create("products", {"name": "A service", "hs_sku": "INSTALL-1", "price": "90"})
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}
    assert not loaded.held()
    assert not loaded.letters()
    assert loaded.rows("SELECT kind, external_id FROM events WHERE settled_at IS NULL") == []


def test_a_product_that_sales_entered_first_becomes_the_erps_when_the_part_is_made(loaded: Distributor) -> None:
    """They meet by their number: nothing is entered twice."""
    product = str(loaded.crm.person(7).create("products", {"name": "Soon", "hs_sku": "SOON-1"})["id"])
    loaded.settle()
    unit = loaded.clerk.data_id("product", "uom_unit")
    loaded.clerk.create("product.template", {
        "name": "Pillow block", "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True,
        "list_price": Decimal("31.2"), "products": [["create", [{"suffix_code": "SOON-1"}]]],
    })  # fmt: skip
    loaded.settle()
    warehouse.receive_goods(loaded.clerk, "SOON-1", 7)
    loaded.settle()
    shown = loaded.products()["SOON-1"]
    assert (shown["id"], shown["name"], money(shown["price"])) == (product, "Pillow block", Decimal("31.2"))
    assert figures(loaded, "SOON-1") == (7, 0, 7)


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
