"""What may still change after an order is confirmed goes through, what may not is put back, and the rep is told."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says

NAME, PART, OTHER, ADDED = "Changed too late", "BRG-6213-2RS", "BRG-6214-2RS", "BRG-6215-2RS"
GATE, TOO_MANY, TOO_LATE = "Deliver to gate 4", "400", "PO-too-late"


def win(day: Day) -> None:
    day.win(day.company("C1005"), [day.line(PART, 4), day.line(OTHER, 2), day.line(PART, 1)], name=NAME)
    day.show_order(NAME)
    sights.await_state(day, NAME, "processing")


def edit(day: Day) -> None:
    """The note to the warehouse is free, quantity and purchase order are not any more."""
    first = next(each for each in sights.items(day, NAME) if each["quantity"] == "4")
    day.crm.edit("line_items", first["id"], quantity=TOO_MANY)
    day.crm.edit("deals", day.deal(NAME), po_number=TOO_LATE, customer_note=GATE)
    day.wait_for(lambda: TOO_MANY in sights.notes(day, NAME), "the note about the quantity")


def rewrite_lines(day: Day) -> None:
    day.crm.delete("line_items", sights.item(day, NAME, OTHER)["id"])
    day.crm.create("line_items", {
        "name": "one more", "hs_sku": ADDED, "unit": "piece", "quantity": "1", "price": "12.00",
    }, [("deals", day.deal(NAME))])  # fmt: skip
    day.wait_for(lambda: _quantities(day) == PROMISED, "the lines as they were")


PROMISED = sorted(((PART, 4.0), (OTHER, 2.0), (PART, 1.0)))


def _quantities(day: Day) -> list[tuple[str, float]]:
    return sorted((str(each["hs_sku"]), float(each["quantity"])) for each in sights.items(day, NAME))


def check(day: Day) -> Iterator[Fact]:
    ordered = sorted((str(row["product."]["code"]), float(row["quantity"])) for row in sights.order_lines(day, NAME))
    yield Fact("lines in the ERP, one part twice", ordered, PROMISED)
    yield Fact("lines in the CRM", _quantities(day), PROMISED)
    yield says("what the rep is told", sights.notes(day, NAME), f"{TOO_MANY} was put back to 4", "processing", TOO_LATE)
    (row,) = day.clerk.read("sale.sale", [sights.order(day, NAME)["id"]], "comment", "description")
    yield Fact("purchase order on the deal", sights.deal(day, NAME).get("po_number"), row["description"])
    yield Fact("note to the warehouse in the ERP", row["comment"], GATE)


STORY = Scenario(
    "changes",
    "after confirmation: what is free flows, what is locked is put back and explained",
    opening=(FIRST_LOAD, Act("a deal of three lines is won and confirmed, one part on two of them", win)),
    acts=(
        Act("the rep changes a quantity, the purchase order and the note to the warehouse", edit),
        Act("the rep takes a line out and adds another", rewrite_lines),
    ),
    check=check,
)
