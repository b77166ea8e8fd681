"""What goes wrong in a warehouse: more leaves than was ordered, the rest never comes, a shipment is undone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD, three_orders
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import sales, warehouse

PART = "BRG-6208-2RS"
OVER, SHORT, UNDONE = "More than was ordered", "Closed short", "Booked by mistake"
NAMES = (OVER, SHORT, UNDONE)


def ship_too_many(day: Day) -> None:
    warehouse.ship(day.clerk, sights.order(day, OVER)["id"], {PART: 12})


def close_short(day: Day) -> None:
    sale = sights.order(day, SHORT)["id"]
    warehouse.ship(day.clerk, sale, {PART: 4})
    sights.await_count(day, SHORT, sights.parcels, 1)
    sales.close_short(day.clerk, sale)


def undo(day: Day) -> None:
    shipment = warehouse.ship(day.clerk, sights.order(day, UNDONE)["id"])
    sights.await_count(day, UNDONE, sights.parcels, 1)
    warehouse.cancel_shipment(day.clerk, shipment)


def check(day: Day) -> Iterator[Fact]:
    for name, shipped, backordered in ((OVER, 12, 0), (SHORT, 4, 0), (UNDONE, 0, None)):
        line = sights.item(day, name, PART)
        yield Fact(f"{name}: shipped, of 10", sights.money(line.get("erp_shipped")), Decimal(shipped))
        if backordered is not None:
            left = sights.money(line.get("erp_backordered"))
            yield Fact(f"{name}: on backorder", left, Decimal(backordered))
    for name, states in ((OVER, ["done"]), (SHORT, ["done"]), (UNDONE, ["cancelled"])):
        yield Fact(f"{name}: its parcel", [each.get("shipment_state") for each in sights.parcels(day, name)], states)


STORY = Scenario(
    "undone",
    "more is shipped than was ordered, a rest is given up, a shipment is undone",
    opening=(FIRST_LOAD, three_orders(PART, NAMES)),
    acts=(
        Act("twelve of ten leave", ship_too_many),
        Act("four of ten leave, and the clerk gives up the rest", close_short),
        Act("all ten leave, which was a mistake: the shipment is cancelled", undo),
    ),
    check=check,
)
