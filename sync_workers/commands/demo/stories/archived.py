"""A rep archives a company while an order of it is open: the customer is held, the order goes its way to cash."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import warehouse

COMPANY, NAME, PART = "Soon Gone Ltd.", "Of a customer who is archived", "BRG-6220-2RS"


def win(day: Day) -> None:
    company = day.crm.create("companies", {
        "name": COMPANY, "phone": "+1 312 555 0177", "order_email": "soon@gone.example.com",
        "address": "5 Last Street", "zip": "53202", "city": "Milwaukee", "country": "United States",
    })  # fmt: skip
    day.win(company, [day.line(PART, 3)], name=NAME, ending=TOLD)
    day.show_order(NAME)
    sights.await_state(day, NAME, "processing")


def archive(day: Day) -> None:
    day.crm.delete("companies", _company(day))
    day.wait_for(lambda: _company(day) in sights.held(day, "customer"), "the customer on hold")
    day.note(says("why the customer is on hold", sights.held(day, "customer")[_company(day)], "was archived in crm"))


def ship(day: Day) -> None:
    warehouse.ship(day.clerk, sights.order(day, NAME)["id"])
    sights.await_count(day, NAME, sights.invoices, 1)


def restore(day: Day) -> None:
    """The books compare every customer: by the end of the story the company is back."""
    day.crm.restore("companies", _company(day))
    day.wait_for(lambda: _company(day) not in sights.held(day, "customer"), "the end of the hold")


def check(day: Day) -> Iterator[Fact]:
    yield Fact("parcels on the deal", [each["contents"] for each in sights.parcels(day, NAME)], [f"3 u {PART}"])
    yield Fact("invoices on the deal", len(sights.invoices(day, NAME)), 1)
    line = sights.item(day, NAME, PART)
    yield Fact("on backorder, as the line shows", sights.money(line.get("erp_backordered")), 0)
    yield Fact("dead letters of the order", sights.letter(day, day.deal(NAME)), "")
    yield Fact("the customer is still on hold", _company(day) in sights.held(day, "customer"), False)
    yield Fact(f"parties of {COMPANY}", len(day.clerk.find("party.party", [["name", "=", COMPANY]])), 1)


def _company(day: Day) -> str:
    return next(each.customer for each in reversed(day.deals) if each.name == NAME)


STORY = Scenario(
    "archived",
    "a company is archived while an order of it is open",
    opening=(FIRST_LOAD, Act("a deal of a new company is won and confirmed", win)),
    acts=(
        Act("a rep archives the company", archive),
        Act("the warehouse ships its order, which is invoiced", ship),
        Act("the rep restores the company", restore),
    ),
    check=check,
)
