"""An order for another amount than was quoted is never confirmed; the note on the deal names both figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import TOLD, Day, Line
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says

QUOTED, CHEAP, DINARS, YEN = "Quoted at another amount", "Far below the tier", "In dinars", "In yen"
BEARING, CHAIN = "BRG-6212-2RS", "RC46/1R"
ASKED = "20.00"
# currency, price of a piece, and the smallest unit of an amount: the ERP keeps four digits of any price
ABROAD = {DINARS: ("KWD", Decimal("3.4475"), Decimal("0.001")), YEN: ("JPY", Decimal("1664.8333"), Decimal(1))}


def win_both(day: Day) -> None:
    day.win(day.company("C1008"), [day.line(BEARING, 4)], name=QUOTED, ending=TOLD, amount=ASKED)
    chain = replace(day.line(CHAIN, 2), price=Decimal("10.00"))
    day.win(day.company("C1008"), [chain], name=CHEAP, ending=TOLD, amount=ASKED)
    for name in (QUOTED, CHEAP):
        day.show_order(name)
        day.wait_for(lambda name=name: day.deal(name) in sights.held(day, "order"), f"{name}: held")  # type: ignore[misc]
        sights.await_state(day, name, "quotation")


def see_why(day: Day) -> None:
    expected = _amount(day)
    day.note(says(f"{QUOTED}: the note on the deal", sights.notes(day, QUOTED), ASKED, f"{expected:.2f}"))
    day.note(says(f"{CHEAP}: the note on the deal", sights.notes(day, CHEAP), "line 1", CHAIN, "10"))
    for name in (QUOTED, CHEAP):
        day.note(Fact(f"{name}: the order", sights.order(day, name)["state"], "quotation"))


def correct(day: Day) -> None:
    day.crm.edit("deals", day.deal(QUOTED), amount=f"{_amount(day):.2f}")
    sights.await_state(day, QUOTED, "processing")


def order_from_abroad(day: Day) -> None:
    for name, (currency, price, _) in ABROAD.items():
        day.win(day.company("C1008"), [Line(BEARING, 3, "piece", price)], name=name, ending=TOLD,
                deal_currency_code=currency)  # fmt: skip
        day.show_order(name)
    for name in ABROAD:
        sights.await_state(day, name, "processing")


def check(day: Day) -> Iterator[Fact]:
    yield Fact(f"{QUOTED}: the order, once it is corrected", sights.order(day, QUOTED)["state"], "processing")
    yield Fact(f"{QUOTED}: still on hold", day.deal(QUOTED) in sights.held(day, "order"), False)
    yield Fact(f"{CHEAP}: the order, until somebody decides", sights.order(day, CHEAP)["state"], "quotation")
    yield Fact(f"{CHEAP}: on hold", day.deal(CHEAP) in sights.held(day, "order"), True)
    for name in (QUOTED, CHEAP, *ABROAD):
        total = sights.money(sights.deal(day, name).get("erp_total"))
        yield Fact(f"{name}: total on the deal", total, sights.order(day, name)["total_amount"])
    for name, (currency, price, smallest) in ABROAD.items():
        sale, wanted = sights.order(day, name), (price * 3).quantize(smallest, ROUND_HALF_EVEN)
        yield Fact(f"{name}: before tax", (sale["untaxed_amount"], sale["currency."]["code"]), (wanted, currency))


def _amount(day: Day) -> Decimal:
    return Decimal(sights.order(day, QUOTED)["untaxed_amount"])


STORY = Scenario(
    "totals",
    "amounts and prices are compared with the quote before an order is confirmed",
    opening=(FIRST_LOAD, Act("two deals are won: one quoted at another amount, one far below the tier", win_both)),
    acts=(
        Act("the reps read why", see_why),
        Act("one rep corrects the amount", correct),
        Act("orders in dinars, which have three decimals, and in yen, which have none", order_from_abroad),
    ),
    check=check,
)
