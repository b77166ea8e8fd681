"""The accounts at the end of the day: counted in both systems through their APIs, never in the ledger.

Only what a system does not know is asked of the ledger: which work stopped and waits for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sync_workers.commands.demo.configuration import UNITS, property_of
from sync_workers.commands.demo.day import BOXES, DEAD, DONE, HELD, TOLD, Day, Line, Promise, reference_of
from sync_workers.ledger import letters
from sync_workers.ledger.letters import Letter
from sync_workers.sandbox.tryton import catalogue, warehouse
from sync_workers.sandbox.tryton.rpc import Row, Rpc

HOLD_SHOWN = "on credit hold: "  # figures follow
COMPANY = "SELF"  # the distributor itself is a party like its customers, and so is who delivers to it and for it
OPEN_MOVES = ("draft", "assigned")
ORDER_PROPERTIES = ("dealstage", "erp_order_number", "erp_order_state", "erp_hold_reason", "erp_total")
STOCK_PROPERTIES = ("hs_sku", "stock_on_hand", "stock_allocated", "stock_available")
BOX_PROPERTIES = {property_of(unit): int(holds.split()[0]) for unit, _, holds in UNITS}


@dataclass
class Books:
    """Every figure with what is wrong with it; ``wrong`` empty means that all is as promised."""

    orders_in: int = 0
    orders_out: int = 0
    dead: int = 0
    held: int = 0
    duplicates: int = 0
    lost: int = 0
    customers: int = 0
    parts: int = 0
    parts_in_step: int = 0
    letters: list[Letter] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def close(day: Day) -> Books:
    """Count and compare everything once."""
    books = Books()
    _orders(day, books)
    _customers(day, books)
    _stock(day, books)
    with day.stage.ledger.transaction() as tx:
        books.letters = letters.find(tx)
    expected = {promise.deal for promise in day.deals if promise.ending == DEAD}
    found = {letter.refs.get("crm", "") for letter in books.letters if letter.kind == "order"}
    books.dead = len(found)
    books.wrong += [f"deal {deal} should be a dead letter and is none" for deal in sorted(expected - found)]
    books.wrong += [
        f"{letter.kind} {letter.refs} died: {letter.message}" for letter in books.letters
        if letter.kind != "order" or letter.refs.get("crm", "") not in expected
    ]  # fmt: skip
    return books


def _orders(day: Day, books: Books) -> None:
    told = {promise.deal for promise in day.deals if promise.ending == TOLD}  # some of them were lost again
    deals = {
        str(each["id"]): each["properties"] for each in day.crm.listed("deals", ORDER_PROPERTIES)
        if each["properties"].get("dealstage") == "closedwon" or each["id"] in told
    }  # fmt: skip
    sales = _sales(day.stage.clerk)
    by_reference: dict[str, list[Row]] = {}
    for sale in sales:
        by_reference.setdefault(str(sale["reference"]), []).append(sale)
    books.orders_in, books.orders_out = len(deals), len(sales)
    for reference, twins in by_reference.items():
        books.duplicates += len(twins) - 1
        if len(twins) > 1:
            books.wrong.append(f"{reference} stands {len(twins)} times in the ERP")
        if reference.removeprefix(reference_of("")) not in deals:
            books.wrong.append(f"the ERP has {reference}, which no won deal stands behind")
    for promise in day.deals:
        found = by_reference.get(reference_of(promise.deal), [])
        wrong = list(_order(day, promise, found, deals.get(promise.deal)))
        books.held += promise.ending == HELD and not wrong
        books.lost += promise.ending in (DONE, HELD) and not found
        books.wrong += [f"deal {promise.deal}: {one}" for one in wrong]


def _order(
    day: Day, promise: Promise, sales: Sequence[Row], deal: Mapping[str, Any] | None
) -> Iterator[str]:
    """Yield what differs between a promise, its deal and its order."""
    if promise.ending == TOLD:
        return
    if deal is None:
        yield "the CRM does not show it as won"
        return
    if promise.ending == DEAD:
        if sales:
            yield "it names an unknown part and became an order all the same"
        return
    if not sales:
        yield "it is won and no order stands in the ERP"
        return
    sale = sales[0]
    states = ("quotation",) if promise.ending == HELD else ("processing", "done")
    if sale["state"] not in states:
        yield f"its order is {sale['state']}, not {' or '.join(states)}"
    if deal.get("erp_order_number") != sale["number"]:
        yield f"it shows the number {deal.get('erp_order_number')}, the ERP has {sale['number']}"
    if deal.get("erp_order_state") != sale["state"]:
        yield f"it shows the state {deal.get('erp_order_state')}, the ERP has {sale['state']}"
    shown = deal.get("erp_hold_reason") or ""
    if not (shown.startswith(HOLD_SHOWN) if promise.ending == HELD else shown == ""):
        yield f"it shows the hold reason {deal.get('erp_hold_reason')!r}"
    if Decimal(deal.get("erp_total") or 0) != sale["total_amount"]:
        yield f"it shows a total of {deal.get('erp_total')}, the ERP has {sale['total_amount']}"
    ordered: Counter[str] = Counter()
    for line in promise.lines:
        ordered[line.part] += line.pieces
    if ordered != sale["pieces"]:
        yield f"ordered {dict(ordered)} pieces, the ERP has {dict(sale['pieces'])}"
    if abs(_amount(promise.lines) - sale["untaxed_amount"]) > Decimal("0.01") * len(promise.lines):
        yield f"ordered for {_amount(promise.lines)}, the ERP has {sale['untaxed_amount']}"


def _amount(lines: Sequence[Line]) -> Decimal:
    return sum((line.price * line.quantity for line in lines), Decimal(0)).quantize(Decimal("0.01"))


def _sales(clerk: Rpc) -> list[Row]:
    """Return the ERP's orders that carry a reference of ours, with their pieces by part."""
    ids = clerk.find("sale.sale", [["reference", "like", reference_of("%")]])
    if not ids:
        return []
    sales = clerk.read(
        "sale.sale", ids, "reference", "state", "number", "untaxed_amount", "total_amount", "lines"
    )
    lines = clerk.read(
        "sale.line", [line for sale in sales for line in sale["lines"]],
        "sale", "quantity", "product.code", "unit.symbol",
    )  # fmt: skip
    for sale in sales:
        sale["pieces"] = Counter()
    by_id = {sale["id"]: sale for sale in sales}
    for line in lines:
        pieces = int(line["quantity"]) * BOXES.get(line["unit."]["symbol"], 1)
        by_id[line["sale"]]["pieces"][line["product."]["code"]] += pieces
    return sales


def _customers(day: Day, books: Books) -> None:
    """Compare name, phone and e-mail of every company with its party."""
    clerk = day.stage.clerk
    suppliers = clerk.find("party.party", [["categories.name", "=", catalogue.SUPPLIERS]])
    buyers = clerk.find("party.party", [["code", "!=", COMPANY], ["id", "not in", suppliers]])
    parties = {row["code"]: row for row in clerk.read("party.party", buyers, "code", "name", "phone", "email")}
    companies = list(day.crm.listed("companies", ("name", "phone", "order_email", "customer_number")))
    books.customers = len(companies)
    numbers = Counter(str(each["properties"].get("customer_number")) for each in companies)
    books.wrong += [f"customer {number} stands twice in the CRM" for number, n in numbers.items() if n > 1]
    books.wrong += [f"customer {code} is not in the CRM" for code in sorted(set(parties) - set(numbers))]
    for each in companies:
        shows = each["properties"]
        party = parties.get(str(shows.get("customer_number")))
        if party is None:
            books.wrong.append(f"company {each['id']} ({shows.get('name')}) has no customer number of the ERP")
            continue
        for mine, theirs in (("name", "name"), ("phone", "phone"), ("order_email", "email")):
            if _digits(mine, shows.get(mine)) != _digits(mine, party[theirs]):
                books.wrong.append(f"customer {party['code']}: {mine} is {shows.get(mine)!r}"
                                   f" in the CRM and {party[theirs]!r} in the ERP")  # fmt: skip


def _digits(name: str, value: Any) -> str:
    """Return a value as it is compared: the ERP writes phone numbers in its own format."""
    text = str(value or "")
    return "".join(letter for letter in text if letter.isdigit()) if name == "phone" else text


def _stock(day: Day, books: Books) -> None:
    """Compare the three figures of every part, and the boxes that it can be promised in."""
    truth = stock_of(day.stage.clerk, day.stage.warehouses)
    shown: dict[str, list[Mapping[str, Any]]] = {}
    for each in day.crm.listed("products", (*STOCK_PROPERTIES, *BOX_PROPERTIES)):
        shown.setdefault(str(each["properties"].get("hs_sku")), []).append(each["properties"])
    books.parts = len(truth)
    for code, figures in truth.items():
        products = shown.get(code, [])
        if len(products) != 1:
            books.wrong.append(f"part {code} stands {len(products)} times in the CRM")
            continue
        names = (*STOCK_PROPERTIES[1:], *BOX_PROPERTIES)
        seen = tuple(Decimal(products[0].get(name) or "-1") for name in names)
        boxes = [Decimal(int(figures[-1]) // holds) for holds in BOX_PROPERTIES.values()]
        due = (*figures, *boxes)
        if seen == due:
            books.parts_in_step += 1
        else:
            books.wrong.append(f"part {code}: on hand, allocated, available (and that in boxes) are {_plain(due)}"
                               f" in the ERP and {_plain(seen)} in the CRM")  # fmt: skip


def stock_of(clerk: Rpc, warehouses: Sequence[str]) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Return on hand, allocated and available of every part in these warehouses, by its number."""
    houses = clerk.find("stock.location", [["type", "=", "warehouse"], ["name", "in", list(warehouses)]])
    places = [each["storage_location"] for each in clerk.read("stock.location", houses, "storage_location")]
    inside = set(clerk.find("stock.location", [["parent", "child_of", places]]))
    context = {"locations": places, "with_childs": True, "stock_date_end": warehouse.today()}
    goods = clerk.find("product.product", [["type", "=", "goods"]])
    rows = clerk.read("product.product", goods, "code", "quantity", **context)
    allocated: Counter[int] = Counter()
    moves = clerk.find("stock.move", [["state", "in", list(OPEN_MOVES)]])
    for move in clerk.read("stock.move", moves, "product", "internal_quantity", "from_location", "to_location"):
        if move["from_location"] in inside and move["to_location"] not in inside:
            allocated[move["product"]] += int(move["internal_quantity"])
    return {
        row["code"]: (on_hand, planned, on_hand - planned)
        for row in rows
        for on_hand, planned in [(Decimal(str(row["quantity"])), Decimal(allocated[row["id"]]))]
    }


def _plain(figures: Sequence[Decimal]) -> str:
    return ", ".join(f"{figure.normalize():f}" for figure in figures)


