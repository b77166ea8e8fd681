"""Part numbers as the ERP writes them, a part that has a successor, and the prices of a tier in the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.configuration import TIERS, price_property
from sync_workers.commands.demo.day import DEAD, Day, Line
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import assortment
from sync_workers.sandbox.tryton.catalogue import GOLD, SUPERSEDED

ZEROS, SPACES, MIXED = "00417", "SEAL 30 52 10", "vB-A32"
NUMBERS, OLD = "Numbers that break naive syncs", "A part that is no more"
PRICED = "RC50/1R"
LIST_PRICE, TYPED = Decimal("80.0000"), "1"


def look(day: Day) -> None:
    day.show_part(PRICED)
    day.show_part(ZEROS)


def order(day: Day) -> None:
    lines = [Line(code, 3, "piece", day.parts[code].price) for code in (ZEROS, SPACES, MIXED)]
    day.win(day.company("C1002"), lines, name=NUMBERS)
    gone = Line(SUPERSEDED[0], 4, "piece", Decimal("6.10"))
    day.win(day.company("C1002"), [gone], name=OLD, ending=DEAD)
    day.show_order(NUMBERS)
    day.show_order(OLD)
    sights.await_state(day, NUMBERS, "processing")
    day.wait_for(lambda: sights.is_dead(day, day.deal(OLD)), "the dead letter of the part that is no more")


def change_the_price(day: Day) -> None:
    assortment.set_list_price(day.clerk, PRICED, LIST_PRICE)
    day.wait_for(lambda: sights.money(sights.product(day, PRICED)["price"]) == LIST_PRICE, "the new price in the CRM")


def type_a_price(day: Day) -> None:
    day.crm.edit("products", sights.product(day, PRICED)["id"], price=TYPED)


def check(day: Day) -> Iterator[Fact]:
    ordered = {row["product."]["code"]: row["quantity"] for row in sights.order_lines(day, NUMBERS)}
    yield Fact("part numbers in the ERP's order", ordered, {ZEROS: 3.0, SPACES: 3.0, MIXED: 3.0})
    yield says(f"why {SUPERSEDED[0]} is refused", sights.letter(day, day.deal(OLD)), *SUPERSEDED)
    yield Fact("orders made of it", len(sights.orders(day, OLD)), 0)
    product = sights.product(day, PRICED)
    yield Fact(f"{PRICED} in the CRM, after a rep typed {TYPED}", sights.money(product["price"]), LIST_PRICE)
    for quantity, share in ((1, "0.9"), (100, "0.8")):
        found = sights.money(product.get(price_property(GOLD, quantity)))
        yield Fact(f"{GOLD} price from {quantity} on", found, LIST_PRICE * Decimal(share))
    prices = [name for name, value in product.items() if value and name.startswith("price_")]
    yield Fact("prices that reach the CRM", sorted(prices), sorted(price_property(GOLD, each) for each in (1, 100)))


STORY = Scenario(
    "parts",
    "part numbers kept as they are, a superseded part, prices per tier and quantity",
    opening=(FIRST_LOAD, Act("two parts in the catalogue", look)),
    acts=(
        Act("deals with leading zeros, spaces and mixed case, and with a part that was replaced", order),
        Act("the ERP's list price changes; the tier's prices follow", change_the_price),
        Act("a rep types another price", type_a_price),
    ),
    check=check,
    needs=(TIERS,),
)
