"""The Tryton connector under test on a database of its own, and what a person at the ERP does meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, Fields, ListChange, Native, NativeWrite, SystemSettings
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.sandbox.tryton import warehouse
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer

PATHS = {
    "customer": [
        "code", "name", "phone", "email", "tax_id", "currency.code", "credit_limit", "open_balance", "payment_term",
        "price_list", "tax_rule", "hold", "addresses", "addresses.key", "addresses.name", "addresses.street",
        "addresses.postal_code", "addresses.city", "addresses.country.code", "addresses.billing",
        "addresses.shipping", "addresses.main", "contacts", "contacts.key", "contacts.name", "contacts.email",
        "contacts.phone",
    ],
    "part": ["code", "replaced_by.code"],
    "stock": ["on_hand"],
    "order": [
        "reference", "number", "party", "invoice_address.key", "shipment_address.key", "description", "comment",
        "currency.code", "shipping_date", "state", "open", "shipment_state", "invoice_state", "hold.reason",
        "hold.balance", "hold.limit", "hold.since", "untaxed_amount", "tax_amount", "total_amount", "tax_rounding",
        "shipments", "invoices", "credit_notes", "lines", "lines.note", "lines.product.code", "lines.unit.symbol",
        "lines.quantity", "lines.unit_price", "lines.description", "lines.amount", "lines.tax_code", "lines.tax_rate",
        "lines.tier_price", "lines.shipped", "lines.backordered", "lines.expected",
    ],
}  # fmt: skip
"""What the sheets of customers, parts, stock and orders need."""

ADMIN = "admin"


class Erp:
    """The connector, and what a person does at the ERP. ``person`` is the clerk, ``admin`` the administrator."""

    def __init__(self, settings: SystemSettings, privileged: SystemSettings, clerk: Rpc, admin: Rpc) -> None:
        self.settings = settings
        self.privileged = privileged
        self.connector = TrytonConnector(settings, PATHS)
        self.clerk = clerk
        self.admin = admin

    def person(self, method: str, *params: Any) -> Any:
        return self.clerk.call(f"model.{method}", *params)

    def write(
        self, kind: str, id_: str | None, fields: Fields, reference: str = "", **more: Any
    ) -> Native:
        if id_ is None:
            more.setdefault("reference_path", "code" if kind in ("customer", "part") else "reference")
        return self.connector.write(NativeWrite(kind, id_, fields, reference or unique(), **more))

    def read(self, native: Native, kind: str = "order") -> Native:
        found = self.connector.read(kind, native.id)
        assert found is not None
        return found

    # -- customers

    def customer(self, reference: str = "", **fields: Any) -> Native:
        """Create a customer with one address, key ``main``."""
        fields = {"name": "Globex", "addresses": adding(("main", address())), **fields}
        return self.write("customer", None, fields, reference)

    def change(self, customer: Native, path: str = "addresses", **change: Any) -> Native:
        """Write one list change on a customer as it is now."""
        return self.write("customer", customer.id, {path: ListChange(**change)})

    def hold(self, customer: Native, *, off: bool = False) -> None:
        """Put a customer on hold, or take it off."""
        category = self.clerk.one("party.category", [["name", "=", "On hold"]])
        self.clerk.write("party.party", [int(customer.id)], {"categories": [["remove" if off else "add", [category]]]})

    def limit(self, customer: Native, amount: str | None) -> None:
        value = None if amount is None else Decimal(amount)
        self.person("party.party.write", [int(customer.id)], {"credit_limit_amount": value})

    # -- orders

    def stocked_part(self) -> str:
        """Return the number of a part of which there are at least twenty to sell."""
        return next(
            str(part.fields["code"])
            for part in self.connector.stock_snapshot()
            if part.fields["available"] >= 20
        )

    def order(self, customer: Native, *lines: Fields, reference: str = "", **header: Any) -> Native:
        added = adding(*((f"line-{number}", line) for number, line in enumerate(lines, 1)))
        return self.write("order", None, {"party": customer.id, "lines": added, **header}, reference)

    def placed(self, *lines: Fields, customer: Native | None = None, **header: Any) -> Native:
        """Return an order that was confirmed; of a new customer unless one is named."""
        order = self.order(customer or self.customer(), *lines, **header)
        self.step(order, "quote")
        return self.step(order, "confirm")

    def step(self, order: Native, action: str) -> Native:
        return self.connector.write(NativeWrite("order", order.id, {}, "", action=action))

    # -- the warehouse and accounting

    def shipments(self, order: Native, *states: str) -> list[int]:
        """Return the shipments of an order, of these states or all."""
        (sale,) = self.clerk.read("sale.sale", [int(order.id)], "shipments")
        rows = self.clerk.read("stock.shipment.out", sale["shipments"], "state")
        return [row["id"] for row in rows if not states or row["state"] in states]

    def ship(self, order: Native, pieces: Mapping[str, float] | None = None) -> int:
        """Do what the warehouse does until the goods have left, or so many of each part."""
        return warehouse.ship(self.clerk, int(order.id), pieces)

    def handle(self, order: Native, *buttons: str) -> None:
        """Press buttons on the order's open shipment, no further."""
        (shipment,) = warehouse.open_shipments(self.clerk, int(order.id))
        for button in buttons:
            self.clerk.press_through("stock.shipment.out", button, shipment)

    def currency(self, code: str, digits: int, rate: str) -> str:
        """Return the code of a currency that the ERP has, with this rate where it is new."""
        if not self.admin.find("currency.currency", [["code", "=", code]]):
            self.admin.create("currency.currency", {
                "name": code, "code": code, "digits": digits, "rounding": Decimal(1).scaleb(-digits),
                "rates": [["create", [{"date": date(2020, 1, 1), "rate": Decimal(rate)}]]] if rate else None,
            })  # fmt: skip
        return code


def unique() -> str:
    return f"T-{secrets.token_hex(5)}"


def line(part: str, quantity: str = "2", **fields: Any) -> Fields:
    return {"product": {"code": part}, "quantity": Decimal(quantity), **fields}


def address(**fields: Any) -> Fields:
    return {"street": "1 Main Street", "city": "Springfield", "billing": True, "shipping": True, **fields}


def adding(*items: tuple[str, Fields]) -> ListChange:
    """Return the list change that the engine makes of new items: each carries its key."""
    return ListChange(add=items)


def keyed(items: list[Fields]) -> dict[str, Fields]:
    return {item["key"]: item for item in items}


def drained(connector: TrytonConnector, kind: str) -> Cursor:
    """Return the position after all that has changed so far."""
    page = connector.changes(kind, Cursor())
    while page.more:
        page = connector.changes(kind, page.cursor)
    return page.cursor


def changed(connector: TrytonConnector, kind: str, cursor: Cursor) -> set[str]:
    seen: set[str] = set()
    more = True
    while more:
        page = connector.changes(kind, cursor)
        seen |= {notice.external_id for notice in page.notices}
        more, cursor = page.more, page.cursor
    return seen


@pytest.fixture(scope="module")
def erp(tryton: TrytonServer) -> Iterator[Erp]:
    database = tryton.fresh_database(f"connector_{secrets.token_hex(6)}")

    def settings(user: str) -> SystemSettings:
        options = {"database": database, "user": user, "password": tryton.passwords[user]}
        return SystemSettings("erp", "tryton", tryton.url, {**options, "warehouse": MAIN_WAREHOUSE})

    clerk, admin = tryton.login(CLERK, database), tryton.login(ADMIN, database)
    yield Erp(settings(tryton.user), settings(CLERK), clerk, admin)
    clerk.close()
    admin.close()
    tryton.drop_database(database)
