"""What people do in the ERP, as functions over a session: warehouse, sales, accounts.

Each does what a person does with the forms and buttons, in the same order. Log in as ``clerk``, whose
groups allow all of it. Quantities are pieces (floats there); money is Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc, TrytonError

DONE = "done"
SUPPLIER = "Ironbound Works"
SUPPLIERS = "Suppliers"


@dataclass(frozen=True)
class Stock:
    """Pieces in a warehouse: on the shelf, and what is left of them after all planned moves."""

    on_hand: float
    forecast: float


def today() -> date:
    """Return the day that the server takes for today (it runs in UTC)."""
    return datetime.now(UTC).date()


def find_part(rpc: Rpc, code: str) -> int:
    return rpc.one("product.product", [["code", "=", code]])


def find_customer(rpc: Rpc, code: str) -> int:
    return rpc.one("party.party", [["code", "=", code]])


def find_sales(rpc: Rpc, reference: str) -> list[int]:
    """Return the sales that carry this reference, cancelled ones included."""
    return rpc.find("sale.sale", [["reference", "=", reference]])


def read_stock(rpc: Rpc, code: str, warehouse: str = MAIN_WAREHOUSE) -> Stock:
    context = {"locations": [_warehouse(rpc, warehouse)], "stock_date_end": today(), "with_childs": True}
    (row,) = rpc.read("product.product", [find_part(rpc, code)], "quantity", "forecast_quantity", **context)
    return Stock(row["quantity"], row["forecast_quantity"])


def receive_goods(rpc: Rpc, code: str, pieces: float, warehouse: str = MAIN_WAREHOUSE) -> None:
    """Add pieces to the shelf, by a count that is so many higher: no supplier is involved."""
    adjust_count(rpc, code, read_stock(rpc, code, warehouse).on_hand + pieces, warehouse)


def adjust_count(rpc: Rpc, code: str, counted: float, warehouse: str = MAIN_WAREHOUSE) -> int:
    """Enter a count of one part and confirm it; return the inventory's id."""
    (place,) = rpc.read("stock.location", [_warehouse(rpc, warehouse)], "storage_location")
    lines = [["create", [{"product": find_part(rpc, code), "quantity": float(counted)}]]]
    (inventory,) = rpc.create("stock.inventory", {
        "location": place["storage_location"], "date": today(), "empty_quantity": "keep", "lines": lines,
    })  # fmt: skip
    rpc.press("stock.inventory", "confirm", inventory)
    return inventory


def plan_delivery(rpc: Rpc, code: str, pieces: float, day: date, warehouse: str = MAIN_WAREHOUSE) -> int:
    """Enter what a supplier will deliver on ``day``; return the shipment's id. Nothing is received yet."""
    part, supplier = find_part(rpc, code), _supplier(rpc)
    (house,) = rpc.read("stock.location", [_warehouse(rpc, warehouse)], "input_location", "storage_location")
    (row,) = rpc.read("product.product", [part], "default_uom")
    (party,) = rpc.read("party.party", [supplier], "supplier_location")
    company = rpc.context["company"]
    (currency,) = rpc.read("company.company", [company], "currency")
    move = {
        "product": part, "quantity": float(pieces), "unit": row["default_uom"], "company": company,
        "from_location": party["supplier_location"], "to_location": house["input_location"],
        "unit_price": Decimal(1), "currency": currency["currency"], "planned_date": day,
    }  # fmt: skip
    (shipment,) = rpc.create("stock.shipment.in", {
        "supplier": supplier, "company": company, "planned_date": day, "warehouse": house["id"],
        "warehouse_input": house["input_location"], "warehouse_storage": house["storage_location"],
        "moves": [["create", [move]]],
    })  # fmt: skip
    return shipment


def open_shipments(rpc: Rpc, sale: int) -> list[int]:
    """Return the shipments of a sale that are neither done nor cancelled."""
    (row,) = rpc.read("sale.sale", [sale], "shipments")
    states = rpc.read("stock.shipment.out", row["shipments"], "state") if row["shipments"] else []
    return [each["id"] for each in states if each["state"] not in (DONE, "cancelled")]


def ship(rpc: Rpc, sale: int, pieces: Mapping[str, float] | None = None) -> int:
    """Ship what is open of a sale and return the shipment's id.

    ``pieces`` limits it to so many of each part, in the unit of the order line; parts not named stay
    behind, and the ERP opens a second shipment for what does. TrytonError when stock is short.
    """
    (shipment,) = open_shipments(rpc, sale)
    if pieces is not None:
        _limit(rpc, shipment, pieces)
    rpc.press("stock.shipment.out", "assign_try", shipment)
    (row,) = rpc.read("stock.shipment.out", [shipment], "state", "number")
    if row["state"] != "assigned":
        raise TrytonError(
            "NotAssigned", f"shipment {row['number']} is {row['state']}: stock is short",
            mend="receive goods first, or ship less",
        )  # fmt: skip
    for button in ("pick", "pack", "do"):
        rpc.press("stock.shipment.out", button, shipment)
    return shipment


def edit_party(rpc: Rpc, code: str, *, name: str | None = None, phone: str | None = None) -> None:
    """Change the name of a customer, or the first phone number."""
    party = find_customer(rpc, code)
    if name is not None:
        rpc.write("party.party", [party], {"name": name})
    if phone is not None:
        phones = rpc.find("party.contact_mechanism", [["party", "=", party], ["type", "=", "phone"]])
        rpc.write("party.contact_mechanism", phones[:1], {"value": phone})


def set_credit_limit(rpc: Rpc, code: str, limit: Decimal | None) -> None:
    """Set the limit in the company's currency; None removes it."""
    rpc.write("party.party", [find_customer(rpc, code)], {"credit_limit_amount": limit})


def place_order(rpc: Rpc, customer: str, lines: Mapping[str, float], reference: str) -> int:
    """Enter a draft sale as a person would, with what the form fills in; quantities by part number."""
    party, company = find_customer(rpc, customer), rpc.context["company"]
    filled = rpc.call("model.sale.sale.on_change", {"party": party, "company": company}, ["party"])
    names = ("currency", "invoice_address", "shipment_address", "payment_term", "price_list",
             "invoice_method", "shipment_method")  # fmt: skip
    head = {name: filled[name] for name in names if filled.get(name) is not None}
    rows = []
    for code, quantity in lines.items():
        part = find_part(rpc, code)
        (row,) = rpc.read("product.product", [part], "default_uom", "account_category")
        (category,) = rpc.read("product.category", [row["account_category"]], "customer_taxes")
        asked = {"customer": party, "price_list": head.get("price_list"), "quantity": quantity,
                 "uom": row["default_uom"], "currency": head["currency"]}  # fmt: skip
        (price,) = rpc.read("product.product", [part], "sale_price_uom", **asked)
        rows.append({
            "product": part, "quantity": quantity, "unit": row["default_uom"],
            "unit_price": price["sale_price_uom"], "taxes": [["add", category["customer_taxes"]]],
        })  # fmt: skip
    (sale,) = rpc.create("sale.sale", head | {
        "party": party, "company": company, "reference": reference, "sale_date": today(),
        "warehouse": _warehouse(rpc, MAIN_WAREHOUSE), "lines": [["create", rows]],
    })  # fmt: skip
    return sale


def hold_order(rpc: Rpc, sale: int) -> None:
    """Quote a draft and go no further: the state in which a sale waits for somebody's decision."""
    rpc.press("sale.sale", "quote", sale)


def release_order(rpc: Rpc, sale: int) -> None:
    """Confirm a sale, which also processes it; a draft is quoted first. Warnings are accepted."""
    if _state(rpc, "sale.sale", sale) == "draft":
        hold_order(rpc, sale)
    try:
        rpc.press("sale.sale", "confirm", sale)
    except TrytonError as error:
        if error.kind != "UserWarning":
            raise
        rpc.call("model.res.user.warning.skip", error.details[0], False)
        rpc.press("sale.sale", "confirm", sale)


def cancel_order(rpc: Rpc, sale: int) -> None:
    """Cancel a sale that is not processing yet. TrytonError afterwards: the ERP does not allow it."""
    rpc.press("sale.sale", "cancel", sale)


def cancel_shipment(rpc: Rpc, shipment: int) -> None:
    """Cancel a shipment; its sale then shows ``exception`` until a person decides."""
    rpc.press("stock.shipment.out", "cancel", shipment)


def post_invoices(rpc: Rpc, sale: int) -> list[int]:
    """Post the draft and validated invoices of a sale, dated today, and return their ids."""
    (row,) = rpc.read("sale.sale", [sale], "invoices")
    states = rpc.read("account.invoice", row["invoices"], "state") if row["invoices"] else []
    waiting = [each["id"] for each in states if each["state"] in ("draft", "validated")]
    if waiting:
        rpc.press("account.invoice", "post", *waiting)
    return waiting


def _limit(rpc: Rpc, shipment: int, pieces: Mapping[str, float]) -> None:
    """Write smaller quantities on the moves from the shelf; only before they are assigned."""
    moves = rpc.find("stock.move", [["shipment", "=", f"stock.shipment.out,{shipment}"],
                                    ["from_location.type", "=", "storage"],
                                    ["to_location.type", "=", "storage"]])  # fmt: skip
    wanted = {find_part(rpc, code): float(quantity) for code, quantity in pieces.items()}
    for move in rpc.read("stock.move", moves, "product", "quantity"):
        wants = wanted.get(move["product"], 0.0)
        if wants < move["quantity"]:
            rpc.write("stock.move", [move["id"]], {"quantity": wants})


def _supplier(rpc: Rpc) -> int:
    """Return the one supplier there is, entered on first use, in the category that marks those who buy nothing."""
    known = rpc.find("party.party", [["name", "=", SUPPLIER]])
    if known:
        return known[0]
    categories = rpc.find("party.category", [["name", "=", SUPPLIERS]])
    category = categories[0] if categories else rpc.create("party.category", {"name": SUPPLIERS})[0]
    (made,) = rpc.create("party.party", {
        "name": SUPPLIER, "categories": [["add", [category]]],
        "addresses": [["create", [{"street_unstructured": "4 Foundry Row", "city": "Gary"}]]],
    })  # fmt: skip
    return made


def _warehouse(rpc: Rpc, name: str) -> int:
    return rpc.one("stock.location", [["type", "=", "warehouse"], ["name", "=", name]])


def _state(rpc: Rpc, model: str, number: int) -> str:
    (row,) = rpc.read(model, [number], "state")
    return str(row["state"])
