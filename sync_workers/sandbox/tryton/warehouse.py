"""What people in the warehouse do in the ERP: stock, shipments, returns.

Each does what a person does with the forms and buttons, in the same order. Log in as ``clerk``, whose
groups allow all of it. Quantities are pieces (floats there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sync_workers.sandbox.tryton.catalogue import CARRIERS, MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Row, Rpc, TrytonError

DONE = "done"
SUPPLIER = "Ironbound Works"
SUPPLIERS = "Suppliers"
CANCELLED = "cancelled"


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


def find_warehouse(rpc: Rpc, name: str) -> int:
    return rpc.one("stock.location", [["type", "=", "warehouse"], ["name", "=", name]])


def read_stock(rpc: Rpc, code: str, warehouse: str = MAIN_WAREHOUSE) -> Stock:
    context = {"locations": [find_warehouse(rpc, warehouse)], "stock_date_end": today(), "with_childs": True}
    (row,) = rpc.read("product.product", [find_part(rpc, code)], "quantity", "forecast_quantity", **context)
    return Stock(row["quantity"], row["forecast_quantity"])


def receive_goods(rpc: Rpc, code: str, pieces: float, warehouse: str = MAIN_WAREHOUSE) -> None:
    """Add pieces to the shelf, by a count that is so many higher: no supplier is involved."""
    adjust_count(rpc, code, read_stock(rpc, code, warehouse).on_hand + pieces, warehouse)


def adjust_count(rpc: Rpc, code: str, counted: float, warehouse: str = MAIN_WAREHOUSE) -> int:
    """Enter a count of one part and confirm it; return the inventory's id."""
    (place,) = rpc.read("stock.location", [find_warehouse(rpc, warehouse)], "storage_location")
    lines = [["create", [{"product": find_part(rpc, code), "quantity": float(counted)}]]]
    (inventory,) = rpc.create("stock.inventory", {
        "location": place["storage_location"], "date": today(), "empty_quantity": "keep", "lines": lines,
    })  # fmt: skip
    rpc.press("stock.inventory", "confirm", inventory)
    return inventory


def plan_delivery(rpc: Rpc, code: str, pieces: float, day: date, warehouse: str = MAIN_WAREHOUSE) -> int:
    """Enter what a supplier will deliver on ``day``; return the shipment's id. Nothing is received yet."""
    part, supplier = find_part(rpc, code), _supplier(rpc)
    (house,) = rpc.read("stock.location", [find_warehouse(rpc, warehouse)], "input_location", "storage_location")
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
    return [each["id"] for each in states if each["state"] not in (DONE, CANCELLED)]


def ship(
    rpc: Rpc, sale: int, pieces: Mapping[str, float] | None = None, *,
    carrier: str = CARRIERS[0], tracking: str | None = None, day: date | None = None,
) -> int:  # fmt: skip
    """Ship what is open of a sale and return the shipment's id.

    ``pieces`` says how many of each part leave, in the unit of the order line; parts not named stay behind,
    and the ERP opens a second shipment for what does. More than ordered is an over-shipment. ``day``: it left
    earlier than it is booked. TrytonError when stock is short.
    """
    (shipment,) = open_shipments(rpc, sale)
    if pieces is not None:
        _pick(rpc, shipment, pieces)
    set_carrier(rpc, shipment, carrier, tracking)
    if day is not None:
        rpc.write("stock.shipment.out", [shipment], {"effective_date": day})
    rpc.press("stock.shipment.out", "assign_try", shipment)
    (row,) = rpc.read("stock.shipment.out", [shipment], "state", "number")
    if row["state"] != "assigned":
        raise TrytonError(
            "NotAssigned", f"shipment {row['number']} is {row['state']}: stock is short",
            mend="receive goods first, or ship less",
        )  # fmt: skip
    for button in ("pick", "pack", "do"):
        rpc.press_through("stock.shipment.out", button, shipment)
    return shipment


def set_carrier(rpc: Rpc, shipment: int, carrier: str, tracking: str | None = None) -> None:
    """Write who brings a shipment, and the carrier's number of it; the number also after it has left."""
    (row,) = rpc.read("stock.shipment.out", [shipment], "state")
    values: Row = {"shipping_reference": tracking}
    if row["state"] not in (DONE, CANCELLED):
        values["carrier"] = rpc.one("carrier", [["party.name", "=", carrier]])
    rpc.write("stock.shipment.out", [shipment], values)


def cancel_shipment(rpc: Rpc, shipment: int) -> None:
    """Cancel a shipment; its sale then shows ``exception`` until a person decides.

    Also one that was done: the group Stock Cancellation may undo what was booked by mistake.
    """
    rpc.press("stock.shipment.out", "cancel", shipment)


def receive_returns(rpc: Rpc, sale: int) -> list[int]:
    """Receive what comes back for a sale and put it on the shelf; return the ids of the return shipments."""
    (row,) = rpc.read("sale.sale", [sale], "shipment_returns")
    for shipment in row["shipment_returns"]:
        rpc.press_through("stock.shipment.out.return", "receive", shipment)
        rpc.press("stock.shipment.out.return", "do", shipment)
    return list(row["shipment_returns"])


def _pick(rpc: Rpc, shipment: int, pieces: Mapping[str, float]) -> None:
    """Write the quantities on the moves from the shelf; only before they are assigned."""
    moves = rpc.find("stock.move", [["shipment", "=", f"stock.shipment.out,{shipment}"],
                                    ["from_location.type", "=", "storage"],
                                    ["to_location.type", "=", "storage"]])  # fmt: skip
    wanted = {find_part(rpc, code): float(quantity) for code, quantity in pieces.items()}
    for move in rpc.read("stock.move", moves, "product", "quantity"):
        wants = wanted.get(move["product"], 0.0)
        if wants != move["quantity"]:
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
