"""An order that is taken back in several steps of the real ERP, its worker killed after each of them (W10).

The ERP has no cancel for a confirmed order: its shipments and invoices are cancelled, and two wizards, each of
several calls, are told that nothing comes instead. What was begun is finished, and nothing is planned anew.
"""

from __future__ import annotations

import signal
from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import warehouse
from tests.acceptance.conftest import distributor, module_broker_url
from tests.acceptance.distributor import Distributor, line
from tests.crash.workers import start_worker

__all__ = ["distributor", "module_broker_url"]

pytestmark = pytest.mark.tryton

BEARING, FREIGHT = "BRG-6206-2RS", "FRT-1"
NUMBERS = {"lease_s": 90.0, "call_s": 8.0, "margin_s": 1.0}
CALLS = {
    1: "the shipment was cancelled",
    2: "the draft invoice was cancelled",
    7: "the invoice was given up",
    13: "the goods were given up",
    14: "all was done and not answered",
}


@pytest.fixture(scope="module")
def trade(distributor: Distributor) -> Distributor:
    """Return the company with all that its people may order: goods, and freight, which is billed at once."""
    clerk = distributor.clerk
    unit = clerk.data_id("product", "uom_unit")
    (category,) = clerk.find("product.category", [["name", "=", "Parts"]])
    clerk.create("product.template", {
        "name": "Freight", "type": "service", "default_uom": unit, "sale_uom": unit, "salable": True,
        "list_price": Decimal(25), "account_category": category,
        "products": [["create", [{"suffix_code": FREIGHT}]]],
    })  # fmt: skip
    distributor.settle()
    return distributor


def states(at: Distributor, deal: str) -> dict[str, list[str]]:
    """Return the states of the order's shipments and invoices."""
    (sale,) = at.clerk.read("sale.sale", [at.sale(deal)["id"]], "shipments", "invoices")
    return {name: [row["state"] for row in at.clerk.read(model, sale[name], "state")]
            for name, model in (("shipments", "stock.shipment.out"), ("invoices", "account.invoice"))}  # fmt: skip


def lose_and_kill(at: Distributor, deal: str, calls: int) -> int:
    """Let the deal be lost, and a worker die when the ERP has answered so many calls that write."""
    at.crm.person(7).move(deal, "closedlost")
    assert at.crm.delivery.wait_until_idle(30)
    order = at.record("order", deal)
    worker = start_worker(at, "wrote", order, system="erp", calls=calls, **NUMBERS)
    assert worker.wait(60) == -signal.SIGKILL
    assert at.attempts("order", deal, "erp")[-1][:3] == ("action", "cancel", "open")
    return order


@pytest.mark.parametrize("calls", CALLS, ids=[text.replace(" ", "-") for text in CALLS.values()])
def test_a_cancel_killed_when(calls: int, trade: Distributor) -> None:
    at = trade
    free = warehouse.read_stock(at.clerk, BEARING).forecast
    lines = [line(BEARING, str(calls), "7.85"), line(FREIGHT, "1", "25.00")]  # no two are worth the same
    deal = at.win(at.company("C1006")["id"], lines)
    at.settle()
    assert states(at, deal) == {"shipments": ["waiting"], "invoices": ["draft"]}

    order = lose_and_kill(at, deal, calls)
    at.rows("UPDATE records SET lease_until = clock_timestamp() WHERE id = %s RETURNING id", order)
    at.rows("UPDATE attempts SET sure_at = clock_timestamp() WHERE record_id = %s AND status = 'open' RETURNING id",
            order)
    at.settle()

    assert len(at.sales(deal)) == 1
    assert states(at, deal) == {"shipments": ["cancelled"], "invoices": ["cancelled"]}, "nothing was planned anew"
    assert warehouse.read_stock(at.clerk, BEARING).forecast == free
    assert at.deal(deal)["erp_order_state"] == "cancelled"
    assert {status for _, _, status, _ in at.attempts("order", deal, "erp")} == {"done"}
    assert at.letters() == []
    with at.written() as writes:
        at.look_again("order", deal)
        at.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(trade: Distributor) -> None:
    assert trade.broken_laws() == []
