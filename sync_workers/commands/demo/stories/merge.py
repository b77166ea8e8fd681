"""Two companies of the CRM, each a party of the ERP with an order, turn out to be one customer."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton.rpc import Row

YARDS = ("North Yard Co.", "South Yard Co.")
MERGED, PART = "Both Yards Co.", "BRG-6211-2RS"


def enter_both(day: Day) -> None:
    for number, name in enumerate(YARDS):
        company = day.crm.create("companies", {
            "name": name, "phone": f"+1 312 555 070{number}", "order_email": f"yard{number}@yards.example.com",
            "address": f"{number + 1} Yard Road", "zip": "53202", "city": "Milwaukee", "country": "United States",
        })  # fmt: skip
        day.win(company, [day.line(PART, 1 + number)], name=f"Order of {name}")
        day.show_order(f"Order of {name}")
    for name in YARDS:
        sights.await_state(day, f"Order of {name}", "processing")
        day.show_customer(str(sights.order(day, f"Order of {name}")["party"]), name)


def merge(day: Day) -> None:
    first, second = (next(p.customer for p in day.deals if p.name == f"Order of {name}") for name in YARDS)
    kept = day.crm.merge("companies", first, second)
    day.crm.edit("companies", kept, name=MERGED)
    day.wait_for(lambda: len({row["id"] for row in _parties(day)}) == 1, "one party of both orders")


def check(day: Day) -> Iterator[Fact]:
    parties = _parties(day)
    yield Fact("the customer of each order in the ERP", [row["name"] for row in parties], [MERGED, MERGED])
    yield Fact("parties that both orders belong to", len({row["id"] for row in parties}), 1)
    gone = day.clerk.find("party.party", [["name", "in", list(YARDS)], ["active", "in", [True, False]]])
    rows = day.clerk.read("party.party", gone, "active", "replaced_by")
    yield Fact("parties that were switched off in favour of it",
               [row["replaced_by"] for row in rows if not row["active"]], [parties[0]["id"]])  # fmt: skip
    named = [each["properties"].get("name") for each in day.crm.records("companies")]
    yield Fact("what is left of them in the CRM", [name for name in named if name in (*YARDS, MERGED)], [MERGED])
    yield Fact("customers on hold", len(sights.held(day, "customer")), 0)


def _parties(day: Day) -> list[Row]:
    rows = [sights.order(day, f"Order of {name}") for name in YARDS]
    return [{"id": row["party"], "name": row["party."]["name"]} for row in rows]


STORY = Scenario(
    "merge",
    "two companies are merged in the CRM and end as one customer with both histories",
    opening=(FIRST_LOAD, Act("two companies are entered, and each places an order", enter_both)),
    acts=(Act("a rep merges the two companies and gives the result a name", merge),),
    check=check,
)
