"""Ten bearings that leave as four, three and three on three days: each parcel is its own shipment, on its own day,
and what is left is on backorder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import warehouse

NAME, PART = "Ten bearings in three parcels", "BRG-6207-2RS"
PARCELS = ((4, "Prairie Parcel", "PP-1"), (3, "Heartland Freight", "HF-2"), (3, "Prairie Parcel", "PP-3"))
DAYS = ("the day before yesterday", "yesterday", "today")


def win_ten(day: Day) -> None:
    day.win(day.company("C1005"), [day.line(PART, 10)], name=NAME)
    day.show_order(NAME)
    sights.await_state(day, NAME, "processing")


def ship(day: Day, number: int) -> None:
    """Let a parcel leave, and wait until the rep sees it and what is still to come."""
    pieces, carrier, tracking = PARCELS[number]
    sale = sights.order(day, NAME)["id"]
    warehouse.ship(day.clerk, sale, {PART: pieces}, carrier=carrier, tracking=tracking, day=_days()[number])
    left = 10 - sum(each for each, _, _ in PARCELS[: number + 1])
    sights.await_count(day, NAME, sights.parcels, number + 1)

    def is_shown() -> bool:
        return sights.progress(day, NAME, PART) == (Decimal(10 - left), Decimal(left))

    day.wait_for(is_shown, f"{left} on backorder after parcel {number + 1}")
    has_day = bool(sights.item(day, NAME, PART).get("erp_expected"))
    day.note(Fact(f"after parcel {number + 1}, {left} on backorder: a day is given for them", has_day, left > 0))


def check(day: Day) -> Iterator[Fact]:
    seen = sights.parcels(day, NAME)
    yield Fact("parcels on the deal", [each.get("contents") for each in seen], [f"{n} u {PART}" for n, _, _ in PARCELS])
    yield Fact("their carriers", [each.get("carrier") for each in seen], [carrier for _, carrier, _ in PARCELS])
    yield Fact("their tracking numbers", [each.get("tracking_number") for each in seen], [at for _, _, at in PARCELS])
    yield Fact("their days", [each.get("shipped_on") for each in seen], [each.isoformat() for each in _days()])
    yield Fact("their numbers are different ones", len({each.get("shipment_number") for each in seen}), len(PARCELS))
    line = sights.item(day, NAME, PART)
    yield Fact("shipped, as the line shows", sights.money(line.get("erp_shipped")), Decimal(10))
    yield Fact("on backorder, as the line shows", sights.money(line.get("erp_backordered")), Decimal(0))
    yield Fact("state of shipping on the deal", sights.deal(day, NAME).get("erp_shipment_state"), "sent")


def _days() -> list[date]:
    """Return the days on which the parcels leave; they are booked today, as people do who were busy."""
    return [warehouse.today() - timedelta(days=ago) for ago in (2, 1, 0)]


STORY = Scenario(
    "shipments",
    "an order of ten leaves in three parcels on three days, the rest on backorder in between",
    opening=(FIRST_LOAD, Act("a deal of ten bearings is won and confirmed", win_ten)),
    acts=tuple(
        Act(f"the warehouse books {pieces} that left {when} by {carrier}", partial(ship, number=number))
        for number, ((pieces, carrier, _), when) in enumerate(zip(PARCELS, DAYS, strict=True))
    ),
    check=check,
)
