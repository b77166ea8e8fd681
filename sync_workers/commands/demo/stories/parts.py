"""Part numbers as the ERP writes them, a part that has a successor, and the prices of the catalogue: per tier,
currency and quantity, and on nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import prices, sights
from sync_workers.commands.demo.configuration import PRICES, TIERS, price_property
from sync_workers.commands.demo.day import DEAD, Day, Line
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import assortment
from sync_workers.sandbox.tryton.catalogue import GOLD, SUPERSEDED

ZEROS, SPACES, MIXED = "00417", "SEAL 30 52 10", "vB-A32"
NUMBERS, OLD = "Numbers that break naive syncs", "A part that is no more"
PRICED = "RC50/1R"
LIST_PRICE, TYPED = Decimal("80.0000"), "1"
BREAK, FORMULA, CATALOGUE = 100, "unit_price * 0.75", "the catalogue before"
CHANGED = sorted(price_property(*each) for each in PRICES if each[0] == GOLD and each[2] == BREAK)
# What the CRM alone has: a product that the ERP does not know, and a figure of its own on one that it does.
SERVICE, HOURLY, COST = "SRV-FITTING", "95", "41.25"
WRITES_A_PRICE = re.compile(r'"model\.product\.[a-z_.]+\.(create|write|delete)"')


def look(day: Day) -> None:
    day.crm.create("products", {"name": "Fitting, per hour", "hs_sku": SERVICE, "price": HOURLY})
    day.crm.edit("products", sights.product(day, PRICED)["id"], **{prices.TYPED_BY_REPS: COST})
    day.show_part(ZEROS)
    day.show_prices(PRICED)
    day.show_prices(SERVICE)


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
    promised = asked(day)
    day.wait_for(lambda: shown(day) == promised, "the new prices in the CRM")


def grant_a_special_price(day: Day) -> None:
    day.kept[CATALOGUE] = prices.catalogue(day.crm)
    assortment.add_special_price(day.clerk, GOLD, PRICED, FORMULA, BREAK)
    promised = asked(day)
    day.wait_for(lambda: shown(day) == promised, f"the new {GOLD} prices in the CRM")


def type_prices(day: Day) -> None:
    typed = {"price": TYPED, price_property(GOLD, "EUR", 1): TYPED}
    day.crm.edit("products", sights.product(day, PRICED)["id"], **typed)


def shown(day: Day) -> dict[str, Decimal]:
    """Return every price of the part that the CRM's catalogue has, blank ones left out."""
    return {name: sights.money(value) for name, value in prices.catalogue(day.crm)[PRICED].items()}


def asked(day: Day) -> dict[str, Decimal]:
    """Return every price of the part that the sheet names, as the ERP asks it."""
    each = {name: prices.ask(day.clerk, PRICED, *of) for name, of in prices.COLUMNS.items()}
    return {"price": LIST_PRICE, **each}


def check(day: Day) -> Iterator[Fact]:
    ordered = {row["product."]["code"]: row["quantity"] for row in sights.order_lines(day, NUMBERS)}
    yield Fact("part numbers in the ERP's order", ordered, {ZEROS: 3.0, SPACES: 3.0, MIXED: 3.0})
    yield says(f"why {SUPERSEDED[0]} is refused", sights.letter(day, day.deal(OLD)), *SUPERSEDED)
    yield Fact("orders made of it", len(sights.orders(day, OLD)), 0)
    found, promised = shown(day), asked(day)
    yield Fact(f"list price of {PRICED} in the CRM, after a rep typed {TYPED}", found.get("price"), LIST_PRICE)
    for name, (tier, currency, quantity) in prices.COLUMNS.items():
        yield Fact(f"{tier}, {currency}, from {quantity} on", found.get(name), promised[name])
    before, now = day.kept[CATALOGUE], prices.catalogue(day.crm)
    changed = {code: sorted(name for name in {*now[code], *old} if now[code].get(name) != old.get(name))
               for code, old in before.items() if now[code] != old}  # fmt: skip
    yield Fact("what the special price has changed in the whole catalogue", changed, {PRICED: CHANGED})
    yield Fact("different prices among them", len({found.get(name) for name in prices.COLUMNS}), len(PRICES))
    yield Fact("prices that reach the CRM", sorted(found), sorted(promised))
    yield Fact("the cost that reps keep there", sights.product(day, PRICED).get(prices.TYPED_BY_REPS), COST)
    yield Fact("prices of what the CRM alone sells", prices.catalogue(day.crm)[SERVICE], {"price": HOURLY})
    writes = [passed.body for passed in day.stage.proxy.log if WRITES_A_PRICE.search(passed.body)]
    yield Fact("what we wrote to the ERP's parts and price lists", writes, [])


STORY = Scenario(
    "parts",
    "part numbers kept as they are, a superseded part, prices per tier, currency and quantity",
    opening=(FIRST_LOAD, Act("two parts in the catalogue, and what the CRM alone sells", look)),
    acts=(
        Act("deals with leading zeros, spaces and mixed case, and with a part that was replaced", order),
        Act("the ERP's list price changes; the prices of all tiers follow, in both currencies", change_the_price),
        Act(f"finance grants {GOLD} a special price from {BREAK} on: that, and nothing else", grant_a_special_price),
        Act("a rep types other prices", type_prices),
    ),
    check=check,
    needs=(TIERS,),
)
