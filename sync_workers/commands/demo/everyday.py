"""The everyday cases of order to cash as the working day has them: an act or two of each, and what came of it.

Each case is a story of its own under ``stories``; here they share a day with the accidents.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import DEAD, HELD, TOLD, Day, Line
from sync_workers.commands.demo.scenario import Fact, says
from sync_workers.sandbox.tryton import accounts, assortment, sales, warehouse

QUOTED, LOST, PARCELS, PALLETS = "Quoted at another amount", "Lost again", "In two parcels", "In pallets"
BEARING, CHAIN, PRICED = "BRG-6206-2RS", "RC42/1R", "RC55/1R"
NEW_PRICE, ASKED, TOO_MANY = Decimal("99.0000"), "1.00", "400"
COMPANY, TWICE = "Brightwater Robotics", "Brightwater Robotics, Inc."
TWICE_SHARE = 0.2


def deliver_badly(day: Day) -> None:
    """From now on the account delivers as HubSpot may: some of its webhooks twice, and in no order."""
    day.crm.set(webhook_shuffle=True, webhook_duplicates=TWICE_SHARE)


def new_company(day: Day) -> None:
    """A rep enters a company that nobody knows, wins its first deal, and sees that it was entered twice."""
    known = {
        "phone": "+1 312 555 0199", "order_email": "parts@brightwater.example.com", "address": "18 Harbor Street",
        "zip": "53202", "city": "Milwaukee", "country": "United States",
    }  # fmt: skip
    company = day.crm.create("companies", {"name": COMPANY, **known})
    day.win(company, day.some_lines(2), name=f"First order of {COMPANY}")
    again = day.crm.create("companies", {"name": TWICE, **known})
    day.crm.edit("companies", day.crm.merge("companies", company, again), name=COMPANY)


def win_cases(day: Day) -> None:
    """Deals that later acts ship, change and lose, one for another amount than its lines, one in an unknown unit."""
    day.win(day.company("C1005"), [day.line(BEARING, 6)], name=PARCELS)
    day.win(day.company("C1006"), [day.line(CHAIN, 2)], name=LOST, ending=TOLD)
    day.win(day.company("C1008"), [day.line(BEARING, 2)], name=QUOTED, ending=TOLD, amount=ASKED)
    day.win(day.company("C1008"), [Line(BEARING, 1, "pallet", Decimal(400))], name=PALLETS, ending=DEAD)


def change_a_price(day: Day) -> None:
    assortment.set_list_price(day.clerk, PRICED, NEW_PRICE)


def ship_and_return(day: Day) -> None:
    """Each parcel is invoiced as soon as it is seen; one piece of them comes back."""
    sights.await_state(day, PARCELS, "processing")
    sale = sights.order(day, PARCELS)["id"]
    for pieces in (4, 2):
        warehouse.ship(day.clerk, sale, {BEARING: pieces})
    accounts.post_invoices(day.clerk, sales.return_goods(day.clerk, sale, {BEARING: 1}))


def change_too_late(day: Day) -> None:
    """After it was shipped the rep changes a quantity; another deal is lost after it was confirmed."""
    day.crm.edit("line_items", sights.item(day, PARCELS, BEARING)["id"], quantity=TOO_MANY)
    day.crm.move(day.deal(LOST), "closedlost")


def pay(day: Day) -> None:
    sights.await_count(day, PARCELS, sights.invoices, 2)
    first = next(each for each in sights.documents(day, PARCELS) if each["total_amount"] > 0)
    accounts.pay_invoice(day.clerk, first["id"])


def check(day: Day) -> Iterator[Fact]:
    """Say a line of each case."""
    named = [each["properties"].get("name") for each in day.crm.records("companies")]
    yield Fact("customers: a company that was entered twice", [n for n in named if n in (COMPANY, TWICE)], [COMPANY])
    price = sights.money(sights.product(day, PRICED)["price"])
    yield Fact(f"parts: the new price of {PRICED} in the CRM", price, NEW_PRICE)
    yield says("orders: of one quoted at another amount the rep is told", sights.notes(day, QUOTED), ASKED)
    for promise in day.deals:
        if promise.ending == HELD:
            shown = day.crm.whole("deals", promise.deal)["properties"].get("erp_hold_reason")
            yield says("credit hold: what the rep reads", shown, "exceed the limit of")
    line, parcels = sights.item(day, PARCELS, BEARING), sights.parcels(day, PARCELS)
    yield Fact("shipments: parcels of one order", sorted(str(each["contents"]) for each in parcels),
               [f"{pieces} u {BEARING}" for pieces in (2, 4)])  # fmt: skip
    invoices = sights.invoices(day, PARCELS)
    billed = {each.get("shipments") for each in invoices}
    yield Fact("invoices: the parcels that they bill", billed, {each["shipment_number"] for each in parcels})
    open_ones = sum(sights.money(each.get("balance")) > 0 for each in invoices)
    yield Fact(f"invoices: after one was paid, still open of {len(invoices)}", open_ones, 1)
    said, count = sights.lag(day)
    yield Fact(f"invoices: from shipment to invoice ({said}): measured", count > 0, True)
    yield Fact("changes: a quantity typed too late is put back to", line["quantity"], "6")
    yield says("changes: what the rep is told", sights.notes(day, PARCELS), f"{TOO_MANY} was put back")
    yield Fact("changes: the order of a lost deal", sights.deal(day, LOST).get("erp_order_state"), "cancelled")
    (back,) = sights.credit_notes(day, PARCELS)
    yield says("returns: the credit note gives back", back.get("contents"), f"-1 u {BEARING}: ")
    yield Fact("arrival: orders of the deal that was won, shipped and changed", len(sights.orders(day, PARCELS)), 1)
    yield says("unknown unit: why its deal is no order", sights.letter(day, day.deal(PALLETS)), "pallet")
