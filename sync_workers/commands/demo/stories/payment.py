"""A customer owes so much that the next order waits; the payment lets go of it, and nobody touches the order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import accounts, warehouse
from sync_workers.sandbox.tryton.rpc import Row

COMPANY, PART = "Riverbend Milling", "RC40/1R"
OWED, WAITING = "Delivered and not paid", "Waits for the payment"
LIMIT = Decimal(500)
LOOKED_AT_WITHIN_S = 90.0  # a held order is looked at again every minute


def deliver_on_credit(day: Day) -> None:
    """A new customer gets its goods and their invoice, and a credit limit from finance."""
    company = day.crm.create("companies", {
        "name": COMPANY, "phone": "+1 312 555 0720", "order_email": "office@riverbend.example.com",
        "address": "3 Mill Race", "zip": "53202", "city": "Milwaukee", "country": "United States",
    })  # fmt: skip
    day.win(company, [day.line(PART, 10)], name=OWED)
    day.show_order(OWED)
    sights.await_state(day, OWED, "processing")
    accounts.set_credit_limit(day.clerk, _party(day)["code"], LIMIT)
    warehouse.ship(day.clerk, sights.order(day, OWED)["id"])
    sights.await_count(day, OWED, sights.invoices, 1)


def order_more(day: Day) -> None:
    day.win(day.promised(OWED).customer, [day.line(PART, 9)], name=WAITING, ending=TOLD)
    day.show_order(WAITING)
    sights.await_state(day, WAITING, "quotation")


def see_the_hold(day: Day) -> None:
    shown, owes = sights.deal(day, WAITING), _party(day)["credit_amount"]
    day.note(says("what the rep saw", shown["erp_hold_reason"], "on credit hold", f"limit of {LIMIT}.00"))
    day.note(Fact("the open balance that the rep saw", sights.money(shown.get("erp_hold_balance")), owes))
    day.note(Fact("and that is the invoice", sights.money(sights.invoices(day, OWED)[0]["balance"]), owes))
    day.note(Fact("dead letters", sights.letter(day, day.deal(WAITING)), ""))


def pay(day: Day) -> None:
    (invoice,) = sights.documents(day, OWED)
    accounts.pay_invoice(day.clerk, invoice["id"])
    day.wait_for(
        lambda: sights.deal(day, WAITING).get("erp_order_state") == "processing", "the order confirmed by itself",
        LOOKED_AT_WITHIN_S,
    )  # fmt: skip


def check(day: Day) -> Iterator[Fact]:
    yield Fact(f"{OWED}: its invoice", [each["invoice_state"] for each in sights.invoices(day, OWED)], ["paid"])
    yield Fact(f"{OWED}: the order on the deal", sights.deal(day, OWED).get("erp_order_state"), "done")
    yield Fact(f"{WAITING}: the order", sights.order(day, WAITING)["state"], "processing")
    shown = sights.deal(day, WAITING)
    for name in ("erp_hold_reason", "erp_hold_balance", "erp_hold_since"):
        yield Fact(f"{WAITING}: {name} on the deal", shown.get(name) or "", "")
    yield Fact(f"{WAITING}: still on hold", day.deal(WAITING) in sights.held(day, "order"), False)


def _party(day: Day) -> Row:
    (row,) = day.clerk.read("party.party", [sights.order(day, OWED)["party"]], "code", "credit_amount")
    return row


STORY = Scenario(
    "payment",
    "an order on credit hold moves on by itself once the customer has paid",
    opening=(
        FIRST_LOAD,
        Act("a new customer gets its goods on credit, with a limit from finance", deliver_on_credit),
        Act("its next order is more than what is left of the limit", order_more),
    ),
    acts=(
        Act("the rep sees why, and how much is open", see_the_hold),
        Act("the customer pays the invoice, and nobody touches the order", pay),
    ),
    check=check,
)
