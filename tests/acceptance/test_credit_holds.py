"""An order on credit hold: what the rep reads, what it costs, what a payment does, and how much of it there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest
from click.testing import CliRunner

from sync_workers.commands.main import cli
from sync_workers.connectors.tryton.holds import RECHECK
from sync_workers.sandbox.tryton import accounts, warehouse
from tests.acceptance.distributor import Distributor, Json, line, money

pytestmark = pytest.mark.tryton

CUSTOMER = "C1019"  # a limit of 500
CHAIN = "RC40/1R"


@dataclass
class Case:
    """A customer who owes for one order, so that the next two wait."""

    at: Distributor
    owed: str
    waiting: list[str]

    @property
    def invoice(self) -> int:
        (sale,) = self.at.clerk.read("sale.sale", [self.at.sale(self.owed)["id"]], "invoices")
        return int(sale["invoices"][0])


@pytest.fixture(scope="module")
def case(distributor: Distributor) -> Case:
    distributor.settle()
    company = distributor.company(CUSTOMER)["id"]
    owed = distributor.win(company, [line(CHAIN, "10", "35.4150")])
    distributor.settle()
    sale = distributor.sale(owed)["id"]
    warehouse.ship(distributor.clerk, sale)
    accounts.post_invoices(distributor.clerk, sale)
    waiting = [distributor.win(company, [line(CHAIN, quantity, "35.4150")]) for quantity in ("9", "6")]
    distributor.settle()
    return Case(distributor, owed, waiting)


def status() -> Json:
    """Run ``sync-workers status --json`` as the night shift does."""
    told: Json = json.loads(CliRunner().invoke(cli, ["status", "--json"], catch_exceptions=False).stdout)
    return told


def test_the_deal_says_on_credit_hold_with_reason_open_balance_limit_and_since(case: Case) -> None:
    at = case.at
    (balance,) = at.clerk.read("party.party", [at.sale(case.owed)["party"]], "credit_amount")
    for deal in case.waiting:
        shown = at.deal(deal)
        assert shown["erp_hold_reason"].startswith("on credit hold: ")
        assert "exceed the limit of 500.00" in shown["erp_hold_reason"]
        assert money(shown["erp_hold_limit"]) == 500
        assert money(shown["erp_hold_balance"]) == balance["credit_amount"] > 0
        assert shown["erp_hold_since"] == warehouse.today().isoformat()
        assert at.sale(deal)["state"] == shown["erp_order_state"] == "quotation"


def test_status_counts_held_orders_and_what_they_are_worth(case: Case) -> None:
    told = status()
    worth = sum((case.at.sale(deal)["total_amount"] for deal in case.waiting), Decimal(0))
    assert told["records"]["held"] == 2
    ((kind, code, currency, count, amount),) = [
        (row["kind"], row["code"], row["currency"], row["count"], row["amount"]) for row in told["held_worth"]]
    assert (kind, code, currency, count) == ("order", "credit_hold", "USD", 2)
    assert Decimal(amount) == worth


def test_looking_again_costs_no_retry_no_letter_and_no_alert(case: Case) -> None:
    at = case.at
    with at.written() as writes:
        for _ in range(3):
            for deal in case.waiting:
                at.let_time_pass("order", deal, RECHECK)
            at.settle()
    assert writes["crm"] == 0
    assert at.rows("SELECT DISTINCT failures, lapses FROM records WHERE state = 'held'") == [(0, 0)]
    assert not at.letters()
    assert at.rows("SELECT count(*) FROM alerts") == [(0,)]


def test_a_payment_releases_as_many_as_the_limit_allows_and_the_other_says_the_new_balance(case: Case) -> None:
    at = case.at
    accounts.pay_invoice(at.clerk, case.invoice)
    for deal in case.waiting:
        at.let_time_pass("order", deal, RECHECK)
    at.settle()
    states = [at.deal(deal)["erp_order_state"] for deal in case.waiting]
    assert states == [at.sale(deal)["state"] for deal in case.waiting]
    assert sorted(states) == ["processing", "quotation"]
    for deal, state in zip(case.waiting, states, strict=True):
        shown = at.deal(deal)
        assert bool(shown.get("erp_hold_reason")) is (state == "quotation")
        assert bool(shown.get("erp_hold_since")) is (state == "quotation")
        if state == "quotation":
            (owes,) = at.clerk.read("party.party", [at.sale(deal)["party"]], "credit_amount")
            assert money(shown["erp_hold_balance"]) == owes["credit_amount"]
    assert not at.letters()


def test_status_counts_what_is_held_no_more_as_such(case: Case) -> None:
    left = [deal for deal in case.waiting if case.at.sale(deal)["state"] == "quotation"]
    told = status()
    assert [row["count"] for row in told["held_worth"]] == [told["records"]["held"]] == [len(left)] == [1]
    assert Decimal(told["held_worth"][0]["amount"]) == case.at.sale(left[0])["total_amount"]


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(case: Case) -> None:
    assert case.at.broken_laws() == []
