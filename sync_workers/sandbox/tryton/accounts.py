"""What people in accounts do in the ERP: invoices, payments, credits, fiscal periods, credit limits.

Each does what a person does with the forms, buttons and wizards, in the same order. Log in as ``clerk``,
whose groups allow all of it. Money is Decimal.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sync_workers.sandbox.tryton.catalogue import PAYMENT_METHOD
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.sales import find_customer
from sync_workers.sandbox.tryton.warehouse import today
from sync_workers.sandbox.tryton.wizards import Wizard

WAITING = ("draft", "validated")


def set_credit_limit(rpc: Rpc, code: str, limit: Decimal | None) -> None:
    """Set the limit in the company's currency; None removes it."""
    rpc.write("party.party", [find_customer(rpc, code)], {"credit_limit_amount": limit})


def switch_tax(rpc: Rpc, name: str, *, on: bool) -> None:
    """Switch a tax off, or on again, in its form."""
    tax = rpc.one("account.tax", [["name", "=", name], ["active", "=", not on]])
    rpc.write("account.tax", [tax], {"active": on})


def waiting_invoices(rpc: Rpc, sale: int) -> list[int]:
    """Return the invoices and credit notes of a sale that are not posted yet."""
    (row,) = rpc.read("sale.sale", [sale], "invoices")
    states = rpc.read("account.invoice", row["invoices"], "state") if row["invoices"] else []
    return [each["id"] for each in states if each["state"] in WAITING]


def post_invoices(rpc: Rpc, sale: int) -> list[int]:
    """Post the draft and validated invoices of a sale, dated today, and return their ids."""
    waiting = waiting_invoices(rpc, sale)
    if waiting:
        rpc.press("account.invoice", "post", *waiting)
    return waiting


def validate_invoices(rpc: Rpc, sale: int) -> list[int]:
    """Say of the draft invoices of a sale that they are right, without booking them; return their ids."""
    waiting = waiting_invoices(rpc, sale)
    if waiting:
        rpc.press("account.invoice", "validate_invoice", *waiting)
    return waiting


def pay_invoice(rpc: Rpc, invoice: int, amount: Decimal | None = None) -> None:
    """Book a payment into the bank: the whole balance, or ``amount`` of it and the rest stays open."""
    (row,) = rpc.read("account.invoice", [invoice], "amount_to_pay")
    method = rpc.one("account.invoice.payment.method", [["name", "=", PAYMENT_METHOD]])
    paid = row["amount_to_pay"] if amount is None else amount
    with Wizard(rpc, "account.invoice.pay", "account.invoice", invoice) as pay:
        pay.press("choice", amount=paid, payment_method=method, date=today())
        if pay.form:  # less than the balance: the wizard asks what becomes of the rest
            pay.press("pay", type="partial")


def credit_invoice(rpc: Rpc, invoice: int, *, refund: bool) -> int:
    """Make a credit note of a whole invoice, without any goods coming back, and return its id.

    ``refund``: the credit note is posted and set off against the invoice, which is cancelled by it; else
    it is a draft.
    """
    domain = [["lines.origin.invoice", "=", invoice, "account.invoice.line"]]
    before = set(rpc.find("account.invoice", domain))
    with Wizard(rpc, "account.invoice.credit", "account.invoice", invoice) as wizard:
        wizard.press("credit", with_refund=refund)
    (credit,) = set(rpc.find("account.invoice", domain)) - before
    return credit


def credit_part(rpc: Rpc, invoice: int, pieces: float, line: int = 0) -> int:
    """Give back so many pieces of one line of an invoice, without any goods coming back; post it and return its id."""
    credit = credit_invoice(rpc, invoice, refund=False)
    (row,) = rpc.read("account.invoice", [credit], "lines")
    kept = row["lines"][line]
    for each in row["lines"]:
        if each != kept:
            rpc.call("model.account.invoice.line.delete", [each])
    rpc.write("account.invoice.line", [kept], {"quantity": -pieces})
    rpc.press("account.invoice", "post", credit)
    return credit


def find_period(rpc: Rpc, day: date) -> int:
    return rpc.one("account.period", [["start_date", "<=", day], ["end_date", ">=", day], ["type", "=", "standard"]])


def close_period(rpc: Rpc, day: date | None = None) -> int:
    """Close the fiscal period of a day, of today by default, and return its id. Nothing can be booked in it."""
    period = find_period(rpc, day or today())
    rpc.press("account.period", "close", period)
    return period


def reopen_period(rpc: Rpc, period: int) -> None:
    """Open a period again, and its journals, which were closed with it and stay so."""
    rpc.press("account.period", "reopen", period)
    closed = rpc.find("account.journal.period", [["period", "=", period], ["state", "=", "closed"]])
    if closed:
        rpc.press("account.journal.period", "reopen", *closed)
