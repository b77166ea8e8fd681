"""What people who look after parts and prices do in the ERP.

Each does what a person does with the forms, in the same order. Log in as ``clerk``, whose groups allow all
of it. Money is Decimal, per piece.
"""

from __future__ import annotations

from decimal import Decimal

from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.warehouse import find_part, today
from sync_workers.sandbox.tryton.wizards import Wizard


def deactivate_part(rpc: Rpc, code: str, *, replaced_by: str | None = None) -> None:
    """Switch a part off, stock or not; open orders keep it. ``replaced_by`` names for good what is sold instead."""
    part = find_part(rpc, code)
    if replaced_by is not None:
        with Wizard(rpc, "product.product.replace", "product.product", part) as wizard:
            wizard.press("replace", source=part, destination=find_part(rpc, replaced_by))
    rpc.insist("model.product.product.write", [part], {"active": False})


def activate_part(rpc: Rpc, code: str) -> None:
    off = rpc.one("product.product", [["code", "=", code], ["active", "=", False]])
    rpc.write("product.product", [off], {"active": True})


def set_list_price(rpc: Rpc, code: str, price: Decimal) -> None:
    (row,) = rpc.read("product.product", [find_part(rpc, code)], "template")
    rpc.write("product.template", [row["template"]], {"list_price": price})


def set_formula(rpc: Rpc, price_list: str, quantity: float, formula: str) -> None:
    """Change what a price list asks from ``quantity`` on, such as ``unit_price * 0.8``, in its form."""
    number = rpc.one("product.price_list", [["name", "=", price_list]])
    wanted = [["price_list", "=", number], ["quantity", "=", quantity or None], ["product", "=", None]]
    line = rpc.one("product.price_list.line", wanted)
    rpc.write("product.price_list", [number], {"lines": [["write", [line], {"formula": formula}]]})


def add_special_price(rpc: Rpc, price_list: str, code: str, formula: str, quantity: float | None = None) -> int:
    """Put a line for one part, from ``quantity`` on, before all others of a price list, and return its id."""
    number = rpc.one("product.price_list", [["name", "=", price_list]])
    (line,) = rpc.create("product.price_list.line", {
        "price_list": number, "product": find_part(rpc, code), "formula": formula, "sequence": -1,
        "quantity": quantity,
    })  # fmt: skip
    return line


def drop_special_price(rpc: Rpc, line: int) -> None:
    (row,) = rpc.read("product.price_list.line", [line], "price_list")
    rpc.write("product.price_list", [row["price_list"]], {"lines": [["delete", [line]]]})


def add_currency(rpc: Rpc, code: str, name: str, number: str, symbol: str, digits: int = 2) -> int:
    """Enter a currency and return its id. Nothing can be sold in it before ``set_rate``."""
    (currency,) = rpc.create("currency.currency", {
        "name": name, "code": code, "numeric_code": number, "symbol": symbol, "digits": digits,
        "rounding": Decimal(1).scaleb(-digits),
    })  # fmt: skip
    return currency


def set_rate(rpc: Rpc, currency: str, rate: Decimal) -> None:
    """Enter what a unit of the company's currency buys from today on."""
    number = rpc.one("currency.currency", [["code", "=", currency]])
    known = rpc.find("currency.currency.rate", [["currency", "=", number], ["date", "=", today()]])
    rates = ["write", known, {"rate": rate}] if known else ["create", [{"date": today(), "rate": rate}]]
    rpc.write("currency.currency", [number], {"rates": [rates]})
