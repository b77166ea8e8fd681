"""What people in sales do in the ERP: customers, orders, returns.

Each does what a person does with the forms and buttons, in the same order. Log in as ``clerk``, whose
groups allow all of it. Quantities are pieces (floats there).
"""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc, TrytonError
from sync_workers.sandbox.tryton.warehouse import (
    cancel_shipment,
    find_part,
    find_warehouse,
    open_shipments,
    receive_returns,
    today,
)
from sync_workers.sandbox.tryton.wizards import Wizard


def find_customer(rpc: Rpc, code: str) -> int:
    return rpc.one("party.party", [["code", "=", code]])


def find_sales(rpc: Rpc, reference: str) -> list[int]:
    """Return the sales that carry this reference, cancelled ones included."""
    return rpc.find("sale.sale", [["reference", "=", reference]])


def edit_party(rpc: Rpc, code: str, *, name: str | None = None, phone: str | None = None) -> None:
    """Change the name of a customer, or the first phone number."""
    party = find_customer(rpc, code)
    if name is not None:
        rpc.write("party.party", [party], {"name": name})
    if phone is not None:
        phones = rpc.find("party.contact_mechanism", [["party", "=", party], ["type", "=", "phone"]])
        rpc.write("party.contact_mechanism", phones[:1], {"value": phone})


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
        "warehouse": find_warehouse(rpc, MAIN_WAREHOUSE), "lines": [["create", rows]],
    })  # fmt: skip
    return sale


def hold_order(rpc: Rpc, sale: int) -> None:
    """Quote a draft and go no further: the state in which a sale waits for somebody's decision."""
    rpc.press("sale.sale", "quote", sale)


def release_order(rpc: Rpc, sale: int) -> None:
    """Confirm a sale, which also processes it; a draft is quoted first. Warnings are accepted."""
    (row,) = rpc.read("sale.sale", [sale], "state")
    if row["state"] == "draft":
        hold_order(rpc, sale)
    rpc.press_through("sale.sale", "confirm", sale)


def cancel_order(rpc: Rpc, sale: int) -> None:
    """Cancel a sale that is not processing yet. TrytonError afterwards: the ERP does not allow it."""
    rpc.press("sale.sale", "cancel", sale)


def close_short(rpc: Rpc, sale: int) -> None:
    """Give up what has not left yet: cancel its shipments and decide that they will not be made again."""
    for shipment in open_shipments(rpc, sale):
        cancel_shipment(rpc, shipment)
    _decide(rpc, sale, "ignore_moves")


def ship_again(rpc: Rpc, sale: int) -> None:
    """Decide that what was cancelled is to be shipped after all: the ERP plans new shipments."""
    _decide(rpc, sale, "recreate_moves")


def return_goods(rpc: Rpc, sale: int, pieces: Mapping[str, float] | None = None) -> int:
    """Take goods back and return the id of the sale that says so; its credit note waits to be posted.

    ``pieces`` limits it to so many of each part, in the unit of the order line. The wizard copies the sale
    with quantities below zero; it is confirmed, and the warehouse receives what comes back.
    """
    before = set(rpc.find("sale.sale", [["origin", "=", f"sale.sale,{sale}"]]))
    with Wizard(rpc, "sale.return_sale", "sale.sale", sale) as wizard:
        wizard.press("return_")
    (back,) = set(rpc.find("sale.sale", [["origin", "=", f"sale.sale,{sale}"]])) - before
    if pieces is not None:
        _limit(rpc, back, pieces)
    release_order(rpc, back)
    receive_returns(rpc, back)
    return back


def _decide(rpc: Rpc, sale: int, what: str) -> None:
    with Wizard(rpc, "sale.handle.shipment.exception", "sale.sale", sale) as wizard:
        moves = wizard.form.get("domain_moves") or []
        if not moves:
            raise TrytonError("Nothing", f"no move of sale {sale} was cancelled", mend="cancel a shipment")
        wizard.press("handle", **{what: moves})


def _limit(rpc: Rpc, sale: int, pieces: Mapping[str, float]) -> None:
    """Keep of a draft return what comes back."""
    wanted = {find_part(rpc, code): float(quantity) for code, quantity in pieces.items()}
    (row,) = rpc.read("sale.sale", [sale], "lines")
    for line in rpc.read("sale.line", row["lines"], "product"):
        if wants := wanted.get(line["product"]):
            rpc.write("sale.line", [line["id"]], {"quantity": -wants})
        else:
            rpc.call("model.sale.line.delete", [line["id"]])
