"""Which quotations wait, and in what words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.connectors.tryton.holds import Standing, _judge

USD = {"id": 1, "code": "USD", "digits": 2, "rounding": Decimal("0.01"), "rate": Decimal(1)}
KWD = {"id": 3, "code": "KWD", "digits": 3, "rounding": Decimal("0.001"), "rate": Decimal("0.3075")}
JPY = {"id": 2, "code": "JPY", "digits": 0, "rounding": Decimal(1), "rate": Decimal("148.5")}
NEVER = {"id": 4, "code": "XTS", "digits": 2, "rounding": Decimal("0.01"), "rate": None}


def quotation(**changes):
    row = {
        "party": 7, "invoice_party": None, "shipment_method": "order", "untaxed_amount": Decimal(100), "currency": USD,
    }  # fmt: skip
    return row | changes


def standing(**changes):
    return Standing(**({"name": "A", "is_on_hold": False, "limit": Decimal(120), "balance": Decimal(30)} | changes))


@pytest.mark.parametrize(
    ("row", "standings", "expected"),
    [
        pytest.param(quotation(), {7: standing()}, "credit_hold", id="beyond the limit"),
        pytest.param(quotation(untaxed_amount=Decimal(90)), {7: standing()}, None, id="exactly at the limit"),
        pytest.param(quotation(), {7: standing(limit=None)}, None, id="no limit"),
        pytest.param(quotation(), {7: standing(limit=None, balance=None)}, None, id="no module for limits"),
        pytest.param(quotation(), {7: standing(limit=Decimal(0), balance=Decimal(0))}, "credit_hold", id="no credit"),
        pytest.param(quotation(shipment_method="invoice"), {7: standing()}, None, id="ships when paid"),
        pytest.param(quotation(untaxed_amount=Decimal(-5)), {7: standing()}, None, id="a return"),
        pytest.param(
            quotation(party=8, invoice_party=7), {7: standing(), 8: standing(limit=None)}, "credit_hold",
            id="another party pays",
        ),
        pytest.param(quotation(), {7: standing(is_on_hold=True)}, "customer_hold", id="the customer is on hold"),
        pytest.param(
            quotation(invoice_party=8), {7: standing(is_on_hold=True), 8: standing(limit=None)}, "customer_hold",
            id="on hold, though another pays",
        ),
        pytest.param(quotation(), {}, None, id="a party that is not shown to us"),
    ],
)  # fmt: skip
def test_which_quotations_wait(row, standings, expected):
    held = _judge(row, standings, USD)
    assert (held.code if held else None) == expected


@pytest.mark.parametrize(
    ("currency", "amount", "company", "words"),
    [
        pytest.param(USD, "100.00", USD, "100.00 USD before tax and an open balance of 30.00 exceed the limit of "
                     "120.00 by 10.00", id="one currency"),
        pytest.param(JPY, "14850", USD, "14850 JPY (100.00 USD) before tax and an open balance of 30.00 exceed the"
                     " limit of 120.00 by 10.00", id="no decimals"),
        pytest.param(USD, "500.00", KWD, "500.00 USD (153.750 KWD) before tax and an open balance of 30.000 exceed"
                     " the limit of 120.000 by 63.750", id="the company counts in three decimals"),
        pytest.param(NEVER, "100.00", USD, "100.00 XTS (100.00 USD) before tax and an open balance of 30.00 exceed"
                     " the limit of 120.00 by 10.00", id="no rate"),
    ],
)  # fmt: skip
def test_the_words_name_every_figure(currency, amount, company, words):
    held = _judge(quotation(currency=currency, untaxed_amount=Decimal(amount)), {7: standing()}, company)
    assert held.reason == f"on credit hold: {words}"
    assert held.error("17").message == f"order 17 of A: {held.reason}"
