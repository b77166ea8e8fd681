"""What sales may promise: on hand less allocated, in pieces and whole boxes, per warehouse, and what is expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.configuration import HOUSES, property_of
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import warehouse
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE, SECOND_WAREHOUSE

PART, BOX, NAME = "vB-A40", "box of 12", "One box of twelve"
MAIN, WEST, EXPECTED, TYPED = 31, 20, 60, "9999"
IN_DAYS = 5


def count(day: Day) -> None:
    """Thirty-one in one warehouse and twenty in the other: fifty-one, four boxes and three pieces."""
    warehouse.adjust_count(day.clerk, PART, MAIN, MAIN_WAREHOUSE)
    warehouse.adjust_count(day.clerk, PART, WEST, SECOND_WAREHOUSE)
    day.show_part(PART)
    day.wait_for(lambda: _shown(day, "on_hand") == (Decimal(MAIN + WEST),), "the counts in the CRM")


def sell_a_box(day: Day) -> None:
    line = day.line(PART, 1)
    price = day.parts[PART].price * 12
    day.win(day.company("C1002"), [replace(line, unit=BOX, price=price)], name=NAME)
    day.show_order(NAME)
    sights.await_state(day, NAME, "processing")


def expect_more(day: Day) -> None:
    warehouse.plan_delivery(day.clerk, PART, EXPECTED, warehouse.today() + timedelta(days=IN_DAYS))


def type_a_count(day: Day) -> None:
    day.crm.edit("products", sights.product(day, PART)["id"], stock_on_hand=TYPED)


def check(day: Day) -> Iterator[Fact]:
    total = MAIN + WEST
    ordered = [row["quantity"] for row in sights.order_lines(day, NAME)]
    yield Fact("pieces of the box in the ERP's order", ordered, [12.0])
    figures = _shown(day, "on_hand", "allocated", "available")
    yield Fact("on hand, allocated, available", figures, (Decimal(total), Decimal(12), Decimal(total - 12)))
    boxes = _shown(day, property_of(BOX).removeprefix("stock_"))
    yield Fact(f"whole boxes of 12 that may be promised, of {total - 12} pieces", boxes, (Decimal((total - 12) // 12),))
    yield Fact("available in Main and in West", _shown(day, "main_available", "west_available"),
               (Decimal(MAIN - 12), Decimal(WEST)))  # fmt: skip
    expected_on = str(sights.product(day, PART).get("stock_expected_on"))[:10]
    due = (warehouse.today() + timedelta(days=IN_DAYS)).isoformat()
    expected = (*_shown(day, "expected"), expected_on)
    yield Fact("expected from the supplier, and when", expected, (Decimal(EXPECTED), due))


def _shown(day: Day, *names: str) -> tuple[Decimal, ...]:
    product = sights.product(day, PART)
    return tuple(sights.money(product.get(f"stock_{name}")) for name in names)


STORY = Scenario(
    "stock",
    "availability in pieces and boxes, per warehouse and in all, and what is expected",
    opening=(FIRST_LOAD, Act(f"{PART} is counted: {MAIN} in Main, {WEST} in West", count)),
    acts=(
        Act("a box of twelve is sold", sell_a_box),
        Act(f"a supplier will deliver {EXPECTED} in {IN_DAYS} days", expect_more),
        Act(f"somebody types {TYPED} into the CRM", type_a_count),
    ),
    check=check,
    needs=(HOUSES,),
)
