"""A customer moves while its orders are on their way: each order comes to rest, at an address that is in use."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.connectors.tryton.holds import RECHECK
from sync_workers.sandbox.tryton import accounts
from tests.acceptance.distributor import Distributor, line

pytestmark = pytest.mark.tryton

CUSTOMER = "C1019"  # a limit of 500
CHAIN = "RC40/1R"
LIMIT = Decimal(100_000)


def test_an_order_that_waits_for_credit_comes_to_rest_when_its_customer_moves_meanwhile(
    distributor: Distributor,
) -> None:
    at = distributor
    at.settle()
    company = at.company(CUSTOMER)["id"]
    sent = at.win(company, [line(CHAIN, "2", "35.4150")])
    waiting = at.win(company, [line(CHAIN, "40", "35.4150")])
    at.settle()
    assert [at.sale(deal)["state"] for deal in (sent, waiting)] == ["processing", "quotation"]

    at.crm.person(7).edit("companies", company, {"address": "77 Foundry Row", "city": "Dayton", "zip": "45404"})
    at.settle()
    accounts.set_credit_limit(at.clerk, CUSTOMER, LIMIT)
    at.let_time_pass("order", waiting, RECHECK)
    at.settle()

    assert at.letters() == []
    assert at.held() == []
    assert at.sale(waiting)["state"] == at.deal(waiting)["erp_order_state"] == "processing"
    assert at.overrules("order", waiting) == []
    streets = {deal: at.clerk.read("party.address", [at.sale(deal)["shipment_address"]], "street")[0]["street"]
               for deal in (sent, waiting)}  # fmt: skip
    assert streets[waiting] == "77 Foundry Row", "blank means its main address"
    assert streets[sent] != "77 Foundry Row", "it went where it was sent to"
    assert at.broken_laws() == []
