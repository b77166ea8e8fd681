"""A deal that is lost takes its order back as far as that is possible, and one that is won again takes it up again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD, three_orders
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import warehouse

PART = "BRG-6216-2RS"
BEFORE, AFTER, AGAIN = "Lost before anything left", "Lost after four of ten left", "Lost and won again"
FOUR_LEFT = (Decimal(4), Decimal(0))  # shipped, and still to come
NAMES = (BEFORE, AFTER, AGAIN)


def ship_a_part(day: Day) -> None:
    warehouse.ship(day.clerk, sights.order(day, AFTER)["id"], {PART: 4})
    sights.await_count(day, AFTER, sights.parcels, 1)


def lose(day: Day) -> None:
    for name in NAMES:
        day.crm.move(day.deal(name), "closedlost")
    for name in (BEFORE, AGAIN):
        sights.await_state(day, name, "cancelled")
    no_more = "nothing more to leave of the order that left in part"
    day.wait_for(lambda: sights.progress(day, AFTER, PART) == FOUR_LEFT, no_more)


def win_again(day: Day) -> None:
    day.crm.win(day.deal(AGAIN))
    sights.await_state(day, AGAIN, "processing")


def check(day: Day) -> Iterator[Fact]:
    yield Fact(f"{BEFORE}: the order on the deal", sights.deal(day, BEFORE).get("erp_order_state"), "cancelled")
    yield Fact(f"{AFTER}: shipped and on backorder", sights.progress(day, AFTER, PART), FOUR_LEFT)
    yield Fact(f"{AGAIN}: the order on the deal", sights.deal(day, AGAIN).get("erp_order_state"), "processing")
    yield Fact(f"{AGAIN}: quantities", [row["quantity"] for row in sights.order_lines(day, AGAIN)], [10.0])
    for name, waiting in ((BEFORE, 0), (AFTER, 0), (AGAIN, 1)):
        yield Fact(f"{name}: orders", len(sights.orders(day, name)), 1)
        open_ones = warehouse.open_shipments(day.clerk, sights.order(day, name)["id"])
        yield Fact(f"{name}: shipments that still wait in the warehouse", len(open_ones), waiting)


STORY = Scenario(
    "cancel",
    "a lost deal cancels its order before and after a part left; won again, it is taken up again",
    opening=(FIRST_LOAD, three_orders(PART, NAMES)),
    acts=(
        Act("the warehouse ships four of ten of one order", ship_a_part),
        Act("all three deals are lost", lose),
        Act("one of them is won again", win_again),
    ),
    check=check,
)
