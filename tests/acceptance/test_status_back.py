"""What the ERP decides about an order stands on its deal: number, state, total, and why nothing ships yet."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.connectors.tryton.holds import RECHECK
from sync_workers.sandbox.tryton import accounts, sales, warehouse
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

BEYOND_500 = line("RC40/1R", "20", "35.4150")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle()
    return distributor


@pytest.fixture(scope="module")
def held(loaded: Distributor) -> str:
    """Return a deal of a customer whose credit limit of 500 it exceeds."""
    deal = loaded.win(loaded.company("C1019")["id"], [BEYOND_500])
    loaded.settle()
    return deal


def test_an_order_over_the_credit_limit_stays_a_quotation_and_the_deal_says_why(
    loaded: Distributor, held: str
) -> None:
    sale, shown = loaded.sale(held), loaded.deal(held)
    assert sale["state"] == shown["erp_order_state"] == "quotation"
    assert shown["erp_hold_reason"].startswith("on credit hold: ")
    assert shown["erp_order_number"] == sale["number"]
    assert money(shown["erp_total"]) == sale["total_amount"]


def test_the_held_record_names_limit_balance_and_customer(loaded: Distributor, held: str) -> None:
    ((kind, origin, code, reason),) = loaded.held()
    assert (kind, origin, code) == ("order", held, "credit_hold")
    assert "exceed the limit of 500.00 by" in reason
    assert "Small Orders Ltd." in reason
    assert not loaded.letters(), "a hold is no error"


def test_looking_again_at_a_held_order_asks_but_writes_nothing_into_the_crm(
    loaded: Distributor, held: str
) -> None:
    """Only trying tells whether Tryton would let it pass by now."""
    loaded.let_time_pass("order", held, RECHECK)
    with loaded.written() as writes:
        loaded.settle()
    assert writes["crm"] == 0
    assert loaded.sale(held)["state"] == "quotation"
    assert len(loaded.held()) == 1


def test_it_confirms_by_itself_once_the_limit_is_raised(loaded: Distributor, held: str) -> None:
    accounts.set_credit_limit(loaded.clerk, "C1019", Decimal(5000))
    loaded.let_time_pass("order", held, RECHECK)
    loaded.settle()
    shown = loaded.deal(held)
    assert loaded.sale(held)["state"] == shown["erp_order_state"] == "processing"
    assert not shown.get("erp_hold_reason")
    assert not loaded.held()


def test_an_order_that_finance_releases_in_the_erp_shows_so_in_the_crm(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1020")["id"], [line("RC41/1R", "200", "38.7480")])
    loaded.settle()
    assert loaded.deal(deal)["erp_hold_reason"].startswith("on credit hold: ")
    sales.release_order(loaded.clerk, loaded.sale(deal)["id"])
    loaded.settle()
    assert loaded.deal(deal)["erp_order_state"] == "processing"
    assert not loaded.deal(deal).get("erp_hold_reason")
    assert not loaded.held()


def test_an_order_that_is_cancelled_in_the_erp_shows_so_and_is_not_made_again(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1020")["id"], [line("RC41/1R", "200", "38.7480")])
    loaded.settle()
    sales.cancel_order(loaded.clerk, loaded.sale(deal)["id"])
    loaded.settle()
    assert loaded.deal(deal)["erp_order_state"] == "cancelled"
    assert loaded.sale(deal)["state"] == "cancelled"
    assert not loaded.held()


def test_an_order_number_typed_into_the_crm_is_put_back_and_recorded(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], [line("BRG-6205-2RS", "4", "7.2881")])
    loaded.settle()
    loaded.crm.person(7).edit("deals", deal, {"erp_order_number": "MINE-1", "erp_total": "1"})
    with loaded.written() as writes:
        loaded.settle()
    assert loaded.deal(deal)["erp_order_number"] == loaded.sale(deal)["number"]
    assert sorted(loaded.overrules("order", deal)) == [("erp_number", "crm", "owner erp"),
                                                       ("total", "crm", "owner erp")]  # fmt: skip
    assert writes == {"crm": 1, "erp": 0}


def test_what_may_still_change_after_the_order_is_confirmed_flows(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], [line("BRG-6206-2RS", "4", "7.8488")])
    loaded.settle()
    loaded.crm.person(7).edit("deals", deal, {"customer_note": "Deliver to gate 4"})
    loaded.settle()
    assert loaded.sale(deal)["comment"] == "Deliver to gate 4"


def test_a_shipped_order_shows_its_state(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [line("BRG-6208-2RS", "4", "8.97")])
    loaded.settle()
    number = loaded.sale(deal)["id"]
    warehouse.ship(loaded.clerk, number)
    accounts.post_invoices(loaded.clerk, number)
    loaded.settle()
    assert loaded.deal(deal)["erp_order_state"] == loaded.sale(deal)["state"]
    assert not loaded.letters()


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
