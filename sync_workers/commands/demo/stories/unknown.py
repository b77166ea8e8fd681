"""What the other side does not know is refused by name; what a rep or finance mends goes through by itself, or is
sent once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import DEAD, TOLD, Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.ledger import letters
from sync_workers.sandbox.tryton import assortment
from sync_workers.sandbox.tryton.catalogue import SALES_TAX

PART, UNIT, CURRENCY, TAX_CODE = "BRG-6222-2RS", "pallet", "NOK", "VAT 19"
IN_PALLETS, MENDED = "In a unit nobody knows", "In that unit, corrected by the rep"
IN_CROWNS, TAXED = "In a currency nobody knows", "With a tax code nobody knows"
CROWNS = Decimal("10.5")  # what a dollar buys


def order(day: Day) -> None:
    line = day.line(PART, 2)
    pallets, crowns = replace(line, unit=UNIT), replace(line, price=line.price * CROWNS)
    customer = day.company("C1006")
    day.win(customer, [pallets], name=IN_PALLETS, ending=DEAD)
    day.win(customer, [pallets], name=MENDED, ending=TOLD)
    day.win(customer, [crowns], name=IN_CROWNS, ending=TOLD, deal_currency_code=CURRENCY)
    day.enter_deal(customer, [line], name=TAXED, ending=TOLD)
    day.crm.edit("line_items", sights.item(day, TAXED, PART)["id"], tax_code=TAX_CODE)
    day.crm.win(day.deal(TAXED))
    for name in (IN_PALLETS, MENDED, IN_CROWNS, TAXED):
        day.show_order(name)
    for name in (IN_PALLETS, MENDED, IN_CROWNS):
        day.wait_for(lambda name=name: sights.is_dead(day, day.deal(name)), f"{name}: the dead letter")  # type: ignore[misc]
    day.wait_for(lambda: day.deal(TAXED) in sights.held(day, "order"), f"{TAXED}: held")


def see_why(day: Day) -> None:
    unit = sights.letter(day, day.deal(IN_PALLETS))
    day.note(says(f"{IN_PALLETS}: the reason", unit, ".unit' in crm (item 1)", UNIT, "write a unit that it knows"))
    currency = sights.letter(day, day.deal(IN_CROWNS))
    day.note(says(f"{IN_CROWNS}: the reason", currency, "no currency", CURRENCY))
    for what, text in (("the reason", sights.held(day, "order").get(day.deal(TAXED))),
                       ("the note on the deal", sights.notes(day, TAXED))):  # fmt: skip
        day.note(says(f"{TAXED}: {what}", text, f"line 1 ({PART})", TAX_CODE, SALES_TAX[0]))
    day.note(says(f"{TAXED}: what mends it", sights.notes(day, TAXED), "correct the tax code in crm"))


def correct(day: Day) -> None:
    day.crm.edit("line_items", sights.item(day, MENDED, PART)["id"], unit="piece")
    day.crm.edit("line_items", sights.item(day, TAXED, PART)["id"], tax_code=SALES_TAX[0])
    for name in (MENDED, TAXED):
        sights.await_state(day, name, "processing")


def add_the_currency(day: Day) -> None:
    assortment.add_currency(day.clerk, CURRENCY, "Norwegian Krone", "578", "kr")
    assortment.set_rate(day.clerk, CURRENCY, CROWNS)
    with day.stage.ledger.transaction() as tx:
        dead = [each.id for each in letters.find(tx) if each.refs.get("crm") == day.deal(IN_CROWNS)]
        letters.requeue(tx, dead, "the person on duty", "finance has added the currency")
    sights.await_state(day, IN_CROWNS, "processing")


def check(day: Day) -> Iterator[Fact]:
    yield Fact(f"{IN_PALLETS}: orders in the ERP", len(sights.orders(day, IN_PALLETS)), 0)
    for name in (MENDED, IN_CROWNS, TAXED):
        yield Fact(f"{name}: orders in the ERP", len(sights.orders(day, name)), 1)
        yield Fact(f"{name}: dead letters", sights.letter(day, day.deal(name)), "")
        yield Fact(f"{name}: on hold", day.deal(name) in sights.held(day, "order"), False)
    yield Fact(f"{IN_CROWNS}: its currency", sights.order(day, IN_CROWNS)["currency."]["code"], CURRENCY)
    yield Fact(f"{TAXED}: its tax", sights.item(day, TAXED, PART).get("tax_code"), SALES_TAX[0])


STORY = Scenario(
    "unknown",
    "a unit, a currency and a tax code that the ERP does not know are named, and mended",
    opening=(FIRST_LOAD, Act("deals are won in pallets, in Norwegian crowns, and with a tax code of elsewhere", order)),
    acts=(
        Act("the reps and the person on duty read why", see_why),
        Act("the reps correct a unit and the tax code, which is enough", correct),
        Act("finance adds the currency with its rate, and the letter is sent once more", add_the_currency),
    ),
    check=check,
)
