"""Tryton on the bench: the real server of the sandbox, behind a proxy that can spoil an answer."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, SystemSettings
from sync_workers.sandbox.services import ServiceGroup, start_postgres
from sync_workers.sandbox.tryton.catalogue import GOLD, MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import ensure_tryton
from tests.contract.harness import Bench, Trouble
from tests.contract.tryton_proxy import TrytonProxy

CREATES = {
    "customer": "model.party.party.create",
    "part": "model.product.template.create",
    "order": "model.sale.sale.create",
}
EDITED = {
    "customer": ("party.party", "name"),
    "part": ("product.product", "description"),
    "order": ("sale.sale", "comment"),
}


class Harness(Bench):
    platform = "tryton"
    marks = ("tryton",)
    kinds = ("customer", "part", "order")
    paths = {
        "customer": (
            "code", "name", "email", "tax_id", "hold", "open_balance", "tax_rule", "currency.code", "replaced_by",
            "addresses", "addresses.key", "addresses.city", "addresses.country.code", "addresses.main", "contacts",
            "contacts.key", "contacts.email",
        ),
        "part": ("code", "name", "list_price", "unit.symbol", "prices.price"),
        "stock": ("code", "on_hand", "allocated", "available"),
        "order": (
            "reference", "party", "state", "open", "hold.reason", "hold.since", "tax_rounding", "shipments", "invoices",
            "credit_notes", "invoice_address.key", "shipment_address.key", "lines", "lines.note", "lines.product.code",
            "lines.tax_code", "lines.tax_off", "lines.tax_rate", "lines.tier_price", "lines.shipped",
            "lines.backordered", "lines.expected",
        ),
        "shipment": ("number", "order", "state", "carrier", "tracking", "lines.line", "lines.quantity"),
        "invoice": ("number", "order", "state", "balance", "post_asked", "shipped_at", "lines.line"),
        "credit_note": ("number", "order", "state", "credits", "balance", "lines.line"),
    }  # fmt: skip
    references = {"customer": "code", "part": "code", "order": "reference"}
    batch_kind = "customer"
    pushes = False

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(secrets.randbelow(10**12))  # the database outlives this bench
        self._ordered: tuple[str, str] | None = None

    def start(self) -> None:
        self._services = ServiceGroup()
        home = services_home()
        postgres = self._services.add(start_postgres(home, durable=False))
        erp = self._services.add(ensure_tryton(home, postgres))
        self._erp, self._database = erp, erp.fresh_database(f"bench_{secrets.token_hex(6)}")
        self.options = {
            "database": self._database,
            "user": erp.user,
            "password": erp.password,
            "warehouse": MAIN_WAREHOUSE,
            "prices": {"lists": [GOLD], "currencies": ["USD", "EUR"]},
        }
        self.proxy = TrytonProxy(erp.url)
        self.clerk = erp.login(CLERK, self._database)

    def stop(self) -> None:
        self.proxy.stop()
        self.clerk.close()
        self._erp.drop_database(self._database)
        self._services.stop()

    def settings(self, **changes: Any) -> SystemSettings:
        return replace(SystemSettings("erp", "tryton", self.proxy.url, self.options), **changes)

    def secrets(self) -> Sequence[str]:
        return (self.options["password"],)

    def sample(self, kind: str, number: int) -> Fields:
        if kind == "customer":
            address = {"street": f"{number} Main Street", "city": "Zürich", "postal_code": "8001"}
            return {
                "name": f"Müller & Söhne {number}",
                "email": f"buyer{number}@example.com",
                "tax_id": f"94-{number}",
                "addresses": ListChange(add=(
                    ("main", {"key": "main", "billing": True, "shipping": False, "main": True, **address}),
                    (f"a-{number}", {"key": f"a-{number}", "city": "Bern", "billing": False, "main": False}),
                )),
                "contacts": ListChange(add=((f"{number}", {"key": f"{number}", "email": f"ann{number}@example.com"}),)),
            }  # fmt: skip
        if kind == "part":
            return {
                "name": f"Bolt {number}",
                "description": "M8 × 40",
                "list_price": Decimal("9.9950"),
                "unit": {"symbol": "u"},
            }
        customer, part = self._what_is_ordered()
        lines = [
            (f"l{n}", {"product": {"code": part}, "quantity": Decimal(n), "unit_price": Decimal("1.2345")})
            for n in (1, 2)
        ]
        return {"party": customer, "comment": f"Gate {number}", "lines": ListChange(add=tuple(lines))}

    def edit(self, kind: str, number: int) -> Fields:
        return {
            "customer": {"phone": f"+1 312 555 {number % 10_000:04d}"},
            "part": {"list_price": Decimal(number)},
            "order": {"comment": f"Gate {number}"},
        }[kind]

    def poison(self, kind: str) -> Fields | None:
        return {"payment_term": "a term that nobody has"} if kind == "customer" else None

    def equal(self, sent: Any, shown: Any) -> bool:
        return sent == shown if isinstance(sent, Decimal) else super().equal(sent, shown)

    def person_edits(self, kind: str, record_id: str) -> None:
        model, field = EDITED[kind]
        self.clerk.write(model, [int(record_id)], {field: f"typed by a person {self.number()}"})

    def person_archives(self, kind: str, record_id: str) -> bool | None:
        if kind == "order":
            return None
        self.clerk.write(EDITED[kind][0], [int(record_id)], {"active": False})
        return True

    def trouble(self, what: Trouble, kind: str) -> bool | None:
        self.proxy.spoil(CREATES[kind], what)
        return True

    def untroubled(self) -> None:
        self.proxy.untroubled()

    def _what_is_ordered(self) -> tuple[str, str]:
        """Return a customer and a part number, made once."""
        if self._ordered is None:
            number = self.number()
            customer, part = (
                self.connector.write(self.creation(kind, number)) for kind in ("customer", "part")
            )
            self._ordered = customer.id, part.fields["code"]
        return self._ordered


def services_home() -> Path:
    """Return the folder of the tests' servers, as ``tests/conftest.py`` chooses it."""
    named = os.environ.get("SYNC_TEST_HOME")
    if named:
        return Path(named)
    usual = Path(__file__).resolve().parents[2] / ".sync-test"
    is_ours = not usual.exists() or usual.stat().st_uid == os.getuid()
    return usual if is_ours else usual.with_name(f".sync-test-{os.getuid()}")
