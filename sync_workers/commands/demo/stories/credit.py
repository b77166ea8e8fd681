"""Two customers over their limit: one order is released by a person, the other moves on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import HELD, TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.ledger import counts
from sync_workers.sandbox.tryton import accounts, sales, warehouse

RAISED, RELEASED = "The limit is raised", "Finance lets it pass"
LIMIT = Decimal(5000)
LOOKED_AT_WITHIN_S = 90.0  # a held order is looked at again every minute


def order_too_much(day: Day) -> None:
    day.win(day.company("C1019"), [day.line("RC44/1R", 20)], name=RAISED)
    day.win(day.company("C1020"), [day.line("RC45/1R", 200)], name=RELEASED)
    for name in (RAISED, RELEASED):
        day.show_order(name)
        sights.await_state(day, name, "quotation")


def see_the_holds(day: Day) -> None:
    """The reps see why, how much and since when; the person on duty sees how many there are."""
    for name, limit in ((RAISED, "500.00"), (RELEASED, "5000.00")):
        shown = sights.deal(day, name)
        day.note(says(f"{name}: what the rep saw", shown["erp_hold_reason"], "on credit hold", f"limit of {limit}"))
        day.note(Fact(f"{name}: the limit that the rep saw", sights.money(shown.get("erp_hold_limit")), Decimal(limit)))
        day.note(Fact(f"{name}: on hold since", shown.get("erp_hold_since"), warehouse.today().isoformat()))
        day.note(Fact(f"{name}: dead letters", sights.letter(day, day.deal(name)), ""))
    with day.stage.ledger.transaction() as tx:
        holds = {each["code"]: each["count"] for each in counts.status(tx)["holds"]}
    waiting = {day.deal(RAISED), day.deal(RELEASED)} & set(sights.held(day, "order"))
    day.note(Fact("held orders that 'status' counts, at least", min(holds.get("credit_hold", 0), 2), 2))
    day.note(Fact("of them ours", len(waiting), 2))


def release_one(day: Day) -> None:
    sales.release_order(day.clerk, sights.order(day, RELEASED)["id"])
    sights.await_state(day, RELEASED, "processing")


def raise_the_limit(day: Day) -> None:
    accounts.set_credit_limit(day.clerk, "C1019", LIMIT)
    for promise in day.deals:
        if promise.ending == HELD and promise.customer == day.company("C1019"):
            promise.ending = TOLD  # of a story told before: it moves on, too
    day.wait_for(
        lambda: sights.deal(day, RAISED).get("erp_order_state") == "processing", "the order confirmed by itself",
        LOOKED_AT_WITHIN_S,
    )  # fmt: skip


def check(day: Day) -> Iterator[Fact]:
    for name in (RAISED, RELEASED):
        yield Fact(f"{name}: the order", sights.order(day, name)["state"], "processing")
        yield Fact(f"{name}: the order on the deal", sights.deal(day, name).get("erp_order_state"), "processing")
        yield Fact(f"{name}: a hold on the deal", sights.deal(day, name).get("erp_hold_reason") or "", "")
    company = day.crm.whole("companies", day.company("C1019"))["properties"]
    yield Fact("the limit that sales sees", sights.money(company.get("credit_limit")), LIMIT)


STORY = Scenario(
    "credit",
    "orders beyond the credit limit wait, with the reason on the deal, and move on by themselves",
    opening=(FIRST_LOAD, Act("two customers order beyond their credit limits", order_too_much)),
    acts=(
        Act("the reps see why, and how much is open", see_the_holds),
        Act("finance confirms one of the orders in the ERP", release_one),
        Act("finance raises the limit of the other customer, and nobody touches the order", raise_the_limit),
    ),
    check=check,
)
