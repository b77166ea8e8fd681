"""Two deals live through the same, one in calm and one whose webhooks come late, twice and in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.crm import Json
from sync_workers.commands.demo.day import TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import warehouse

CALM, STORM = "Told in order", "Told late, twice and shuffled"
PART, MORE = "BRG-6218-2RS", "BRG-6219-2RS"
COMPARED = ("erp_order_state", "erp_shipment_state", "erp_subtotal", "erp_tax", "erp_total")
NOTE = "call before delivery"


def live_in_calm(day: Day) -> None:
    day.enter_deal(day.company("C1009"), [day.line(PART, 4)], name=CALM, ending=TOLD)
    day.show_order(CALM)
    _change(day, CALM)
    day.crm.win(day.deal(CALM))
    sights.await_state(day, CALM, "processing")
    day.crm.edit("deals", day.deal(CALM), customer_note=NOTE)
    day.crm.move(day.deal(CALM), "closedlost")
    sights.await_state(day, CALM, "cancelled")
    day.crm.win(day.deal(CALM))
    sights.await_state(day, CALM, "processing")


def live_in_a_storm(day: Day) -> None:
    """The account keeps all of it back, and lets it go at once: most of it more than once, in no order."""
    day.crm.set(webhook_shuffle=True, webhook_duplicates=0.8)
    try:
        day.crm.deliveries("pause")
        day.enter_deal(day.company("C1009"), [day.line(PART, 4)], name=STORM, ending=TOLD)
        day.show_order(STORM)
        _change(day, STORM)
        for stage in ("closedwon", "closedlost", "closedwon"):
            day.crm.move(day.deal(STORM), stage)
        day.crm.edit("deals", day.deal(STORM), customer_note=NOTE)
        day.crm.deliveries("resume")
        sights.await_state(day, STORM, "processing")
    finally:
        day.crm.deliveries("resume")
        day.crm.set(webhook_shuffle=False, webhook_duplicates=0.0)


def ship_both(day: Day) -> None:
    for name in (CALM, STORM):
        warehouse.ship(day.clerk, sights.order(day, name)["id"])
    for name in (CALM, STORM):
        sights.await_count(day, name, sights.invoices, 1)


def check(day: Day) -> Iterator[Fact]:
    for name in (CALM, STORM):
        yield Fact(f"{name}: orders in the ERP", len(sights.orders(day, name)), 1)
        yield Fact(f"{name}: parcels and invoices", _counted(day, name), (1, 1))
    yield Fact("lines in the ERP", *(_lines(day, name) for name in (STORM, CALM)))
    yield Fact("what the deal shows", *(_seen(sights.deal(day, name)) for name in (STORM, CALM)))
    yield Fact("note to the warehouse", *(_note(day, name) for name in (STORM, CALM)))


def _change(day: Day, name: str) -> None:
    """One more line, another quantity, and another purchase order."""
    day.crm.edit("line_items", sights.item(day, name, PART)["id"], quantity="6")
    line = {"name": MORE, "hs_sku": MORE, "unit": "piece", "quantity": "2", "price": str(day.parts[MORE].price)}
    day.crm.create("line_items", line, [("deals", day.deal(name))])
    day.crm.edit("deals", day.deal(name), po_number=f"PO {name}")


def _lines(day: Day, name: str) -> list[tuple[Any, ...]]:
    rows = sights.order_lines(day, name)
    return sorted((row["product."]["code"], row["quantity"], row["unit_price"]) for row in rows)


def _seen(deal: Json) -> dict[str, Any]:
    return {each: deal.get(each) for each in COMPARED}


def _counted(day: Day, name: str) -> tuple[int, int]:
    return len(sights.parcels(day, name)), len(sights.invoices(day, name))


def _note(day: Day, name: str) -> str:
    (row,) = day.clerk.read("sale.sale", [sights.order(day, name)["id"]], "comment")
    return str(row["comment"])


STORY = Scenario(
    "arrival",
    "events that come late, twice and shuffled lead to the same end",
    opening=(FIRST_LOAD,),
    acts=(
        Act("a deal is entered, changed, won, lost and won again, and each is heard at once", live_in_calm),
        Act("another one is, and all of it is heard at once, doubled and shuffled", live_in_a_storm),
        Act("the warehouse ships both", ship_both),
    ),
    check=check,
)
