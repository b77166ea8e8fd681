"""Orders that are taken back, before and after a part of them has left, and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from sync_workers.errors import Hold, PermanentError
from sync_workers.sandbox.tryton import accounts, warehouse
from sync_workers.sandbox.tryton.rpc import TrytonError
from tests.integration.tryton.bench import Erp, line

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"


@pytest.fixture
def part(erp: Erp) -> str:
    warehouse.receive_goods(erp.clerk, BEARING, 20)
    return BEARING


@pytest.fixture(scope="module")
def freight(erp: Erp) -> str:
    """Return the number of a service that is billed when the order is processed."""
    unit = erp.clerk.data_id("product", "uom_unit")
    (category,) = erp.clerk.find("product.category", [["name", "=", "Parts"]])
    erp.clerk.create("product.template", {
        "name": "Freight", "type": "service", "default_uom": unit, "sale_uom": unit, "salable": True,
        "list_price": Decimal(25), "account_category": category,
        "products": [["create", [{"suffix_code": "FRT-1"}]]],
    })  # fmt: skip
    return "FRT-1"


def forecast(erp: Erp, part: str) -> float:
    return warehouse.read_stock(erp.clerk, part).forecast


def states(erp: Erp, order: object, name: str, model: str) -> list[str]:
    (sale,) = erp.clerk.read("sale.sale", [int(order.id)], name)
    return [row["state"] for row in erp.clerk.read(model, sale[name], "state")]


@pytest.mark.parametrize("state", ["draft", "quotation"])
def test_an_order_that_was_not_confirmed_is_cancelled_and_reopened_as_a_draft(erp, part, state):
    order = erp.order(erp.customer(), line(part))
    if state == "quotation":
        erp.step(order, "quote")
    cancelled = erp.step(order, "cancel")
    assert (cancelled.fields["state"], cancelled.fields["open"]) == ("cancelled", False)
    assert erp.step(order, "cancel") == cancelled
    reopened = erp.step(order, "reopen")
    assert (reopened.fields["state"], reopened.fields["open"]) == ("draft", True)
    assert erp.step(order, "reopen") == reopened
    erp.step(order, "quote")
    assert erp.step(order, "confirm").fields["state"] == "processing"


@pytest.mark.parametrize("until", ["waiting", "assigned"])
def test_an_order_under_way_is_taken_back_while_nothing_is_picked(erp, part, freight, until):
    free = forecast(erp, part)
    order = erp.placed(line(part, "5"), line(freight, "1"))
    assert forecast(erp, part) == free - 5
    assert states(erp, order, "invoices", "account.invoice") == ["draft"]
    if until == "assigned":
        erp.handle(order, "assign_try")
    cancelled = erp.step(order, "cancel")
    assert cancelled.fields["state"] == "cancelled"
    assert cancelled.fields["open"] is False
    assert [one["backordered"] for one in cancelled.fields["lines"]] == [0, 0]
    assert states(erp, order, "shipments", "stock.shipment.out") == ["cancelled"]
    assert states(erp, order, "invoices", "account.invoice") == ["cancelled"]
    assert forecast(erp, part) == free
    assert erp.read(order) == cancelled
    assert erp.step(order, "cancel") == cancelled


def test_what_was_taken_back_is_taken_up_again_and_ships(erp, part, freight):
    order = erp.placed(line(part, "5"), line(freight, "1"))
    erp.step(order, "cancel")
    again = erp.step(order, "reopen")
    assert (again.fields["state"], again.fields["open"]) == ("processing", True)
    assert [one["backordered"] for one in again.fields["lines"]] == [5, 0]
    assert states(erp, order, "shipments", "stock.shipment.out") == ["cancelled", "waiting"]
    assert states(erp, order, "invoices", "account.invoice") == ["cancelled", "draft"]
    assert erp.step(order, "reopen") == again
    erp.ship(order)
    shown = erp.read(order).fields
    assert (shown["shipment_state"], shown["lines"][0]["shipped"]) == ("sent", 5)
    for _ in range(2):  # and it can be taken back for good only once
        assert erp.step(order, "cancel").fields["state"] == "processing"


def test_it_is_not_taken_up_again_past_a_credit_limit_that_stopped_it_now(erp, part):
    customer = erp.customer()
    order = erp.placed(line(part, "2", unit_price=Decimal(50)), customer=customer)
    erp.step(order, "cancel")
    erp.limit(customer, "99")
    with pytest.raises(Hold) as caught:
        erp.step(order, "reopen")
    assert caught.value.code == "credit_hold"
    assert erp.read(order).fields["state"] == "cancelled"
    erp.limit(customer, "100")
    erp.hold(customer)
    with pytest.raises(Hold) as caught:
        erp.step(order, "reopen")
    assert caught.value.code == "customer_hold"
    erp.hold(customer, off=True)
    assert erp.step(order, "reopen").fields["state"] == "processing"


def test_what_has_left_stays_to_be_invoiced_and_the_rest_is_closed_short(erp, part):
    free = forecast(erp, part)
    order = erp.placed(line(part, "10"))
    erp.ship(order, {part: 4})
    closed = erp.step(order, "cancel")
    assert closed.fields["state"] == "processing"
    assert closed.fields["open"] is False
    assert closed.fields["shipment_state"] == "sent"
    (one,) = closed.fields["lines"]
    assert (one["quantity"], one["shipped"], one["backordered"], one["expected"]) == (10, 4, 0, None)
    assert states(erp, order, "shipments", "stock.shipment.out") == ["done", "cancelled"]
    assert states(erp, order, "invoices", "account.invoice") == ["draft"]
    assert forecast(erp, part) == free - 4
    accounts.post_invoices(erp.clerk, int(order.id))
    assert erp.step(order, "cancel").fields["invoice_state"] == "awaiting payment"


@pytest.mark.parametrize("buttons", [("assign_try", "pick"), ("assign_try", "pick", "pack")], ids=["picked", "packed"])
def test_what_the_warehouse_has_in_hand_is_not_taken_back(erp, part, buttons):
    order = erp.placed(line(part, "5"))
    erp.handle(order, *buttons)
    (shipment,) = erp.clerk.read("stock.shipment.out", warehouse.open_shipments(erp.clerk, int(order.id)), "number")
    with pytest.raises(Hold, match=f"shipment {shipment['number']} ") as caught:
        erp.step(order, "cancel")
    assert caught.value.code == "cancel_needs_warehouse"
    assert caught.value.recheck is not None
    shown = erp.read(order).fields
    assert (shown["state"], shown["open"], shown["shipment_state"]) == ("processing", True, "waiting")
    erp.handle(order, "cancel")  # the warehouse puts it back
    assert erp.step(order, "cancel").fields["state"] == "cancelled"


def test_a_parcel_in_hand_holds_up_the_cancel_of_its_back_order_too(erp, part):
    order = erp.placed(line(part, "10"))
    erp.ship(order, {part: 4})
    erp.handle(order, "assign_try", "pick")
    with pytest.raises(Hold):
        erp.step(order, "cancel")
    assert states(erp, order, "shipments", "stock.shipment.out") == ["done", "picked"]


def test_an_invoice_of_the_whole_order_goes_to_accounting_when_a_part_has_left(erp, part):
    customer = erp.customer()
    erp.clerk.write("party.party", [int(customer.id)], {"sale_invoice_method": "order"})
    order = erp.placed(line(part, "10"), customer=customer)
    erp.ship(order, {part: 4})
    with pytest.raises(Hold, match="bills all of it") as caught:
        erp.step(order, "cancel")
    assert caught.value.code == "cancel_needs_accounting"
    assert states(erp, order, "shipments", "stock.shipment.out") == ["done", "waiting"]
    accounts.post_invoices(erp.clerk, int(order.id))
    assert erp.step(order, "cancel").fields["open"] is False


def test_a_cancel_that_was_interrupted_is_finished_by_the_next(erp, part):
    order = erp.placed(line(part, "5"))
    erp.handle(order, "cancel")  # as far as a first try came
    assert erp.read(order).fields["open"] is True
    assert erp.step(order, "cancel").fields["state"] == "cancelled"


def test_a_reopening_that_was_interrupted_is_finished_by_the_next(erp, part):
    order = erp.placed(line(part, "5"))
    erp.step(order, "cancel")
    (sale,) = erp.clerk.read("sale.sale", [int(order.id)], "lines", "moves")
    ignored = [["remove", sale["moves"]]]
    erp.clerk.write("sale.line", sale["lines"], {"moves_ignored": ignored})  # as far as a first try came
    assert erp.read(order).fields["state"] == "cancelled"
    assert erp.step(order, "reopen").fields["state"] == "processing"


@pytest.fixture
def ordinary(erp: Erp) -> Iterator[None]:
    """Take the group that may take up ignored moves from our user."""
    user = erp.admin.find("res.user", [["login", "=", erp.settings.options["user"]]])
    group = erp.admin.data_id("sale", "group_sale_admin")
    erp.admin.write("res.user", user, {"groups": [["remove", [group]]]})
    yield
    erp.admin.write("res.user", user, {"groups": [["add", [group]]]})


def test_a_user_who_may_not_take_orders_up_again_is_told_which_group_may(erp, part, ordinary):
    order = erp.placed(line(part, "5"))
    assert erp.step(order, "cancel").fields["state"] == "cancelled"
    with pytest.raises(PermanentError) as caught:
        erp.step(order, "reopen")
    assert "Sales Administrator" in caught.value.mend
    findings = {one.what: one for one in erp.connector.examine({"order": ["state"]})}
    assert not findings["Tryton: sync may take up again an order that was taken back"].ok


def test_tryton_itself_has_no_cancel_for_a_confirmed_order(erp, part):
    """Why it is done by hand: see ``docs/decisions/tryton-seen.rst``."""
    order = erp.placed(line(part, "5"))
    with pytest.raises(TrytonError, match='can not call "cancel"'):
        erp.clerk.press("sale.sale", "cancel", int(order.id))
    erp.step(order, "cancel")
    (sale,) = erp.clerk.read("sale.sale", [int(order.id)], "state", "shipment_state")
    assert (sale["state"], sale["shipment_state"]) == ("done", "none")


def test_an_unknown_step_is_refused_with_those_that_there_are(erp, part):
    with pytest.raises(PermanentError, match="no step 'dance'") as caught:
        erp.step(erp.order(erp.customer(), line(part)), "dance")
    assert caught.value.mend == "use one of quote, confirm, cancel, reopen"
