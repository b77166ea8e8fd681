"""What the other side does not know is refused by name, and the deal that is corrected goes through by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import DEAD, TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says

PART, UNIT, CURRENCY = "BRG-6222-2RS", "pallet", "NOK"
UNKNOWN_UNIT, UNKNOWN_CURRENCY, MENDED = "In a unit nobody knows", "In a currency nobody knows", "Corrected by the rep"


def order(day: Day) -> None:
    line = day.line(PART, 2)
    pallets = replace(line, unit=UNIT)
    day.win(day.company("C1006"), [pallets], name=UNKNOWN_UNIT, ending=DEAD)
    day.win(day.company("C1006"), [line], name=UNKNOWN_CURRENCY, ending=DEAD, deal_currency_code=CURRENCY)
    day.win(day.company("C1006"), [pallets], name=MENDED, ending=TOLD)
    for name in (UNKNOWN_UNIT, UNKNOWN_CURRENCY, MENDED):
        day.show_order(name)
        day.wait_for(lambda name=name: sights.is_dead(day, day.deal(name)), f"{name}: the dead letter")  # type: ignore[misc]


def correct(day: Day) -> None:
    day.crm.edit("line_items", sights.item(day, MENDED, PART)["id"], unit="piece")
    sights.await_state(day, MENDED, "processing")


def check(day: Day) -> Iterator[Fact]:
    yield says(f"{UNKNOWN_UNIT}: the reason", sights.letter(day, day.deal(UNKNOWN_UNIT)), UNIT)
    yield says(f"{UNKNOWN_CURRENCY}: the reason", sights.letter(day, day.deal(UNKNOWN_CURRENCY)), CURRENCY)
    for name, count in ((UNKNOWN_UNIT, 0), (UNKNOWN_CURRENCY, 0), (MENDED, 1)):
        yield Fact(f"{name}: orders in the ERP", len(sights.orders(day, name)), count)
    yield Fact(f"{MENDED}: dead letters", sights.letter(day, day.deal(MENDED)), "")


STORY = Scenario(
    "unknown",
    "a unit and a currency that the ERP does not know are refused by name",
    opening=(FIRST_LOAD,),
    acts=(
        Act("deals are won in pallets and in Norwegian crowns", order),
        Act("the rep of one of them corrects the unit, which is enough", correct),
    ),
    check=check,
)
