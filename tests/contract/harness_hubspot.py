"""HubSpot on the bench: the simulated account in threads of this process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Request, SystemSettings, ValueType
from sync_workers.sandbox.hubspot import Simulator, start
from tests.contract.harness import Bench, Trouble

TOKEN, SECRET = "pat-na1-contract-secret", "contract-client-secret"
URL = "https://sync.example.com/hooks/crm"
OBJECTS = {
    "customer": "companies",
    "part": "products",
    "stock": "products",
    "order": "deals",
    "invoice": "invoices",
    "shipment": "shipments",
    "credit_note": "credit_notes",
}
CUSTOM = ("shipment", "credit_note")
NUMBERS = {"shipment": "shipment_number", "invoice": "invoice_number", "credit_note": "credit_note_number"}
LINKS = ("associations.deals", "associations.companies")
ADDRESS = ("name", "street", "postal_code", "city", "country", "billing", "shipping", "main")


class Harness(Bench):
    platform = "hubspot"
    kinds = ("customer", "part", "order", "shipment", "invoice", "credit_note")
    paths = {
        "customer": (
            "properties.name",
            "properties.phone",
            "properties.sync_reference",
            "addresses.key",
            *(f"addresses.{name}" for name in ADDRESS),
            "contacts.id",
            "contacts.name",
            "contacts.email",
            "contacts.phone",
        ),
        "part": ("properties.hs_sku", "properties.name", "properties.price"),
        "stock": ("properties.hs_sku", "properties.stock_on_hand"),
        "order": (
            "id",
            "won",
            "outcome",
            "bill_to",
            "ship_to",
            "associations.companies",
            "properties.dealname",
            "properties.po_number",
            "properties.requested_date",
            "properties.sync_reference",
            "line_items.id",
            "line_items.key",
            "line_items.net_price",
            "line_items.properties.hs_sku",
            "line_items.properties.quantity",
            "line_items.properties.unit",
        ),
        "shipment": (
            *LINKS,
            "properties.sync_reference",
            "properties.shipment_number",
            "properties.shipped_on",
            "properties.contents",
        ),
        "invoice": (
            *LINKS,
            "properties.sync_reference",
            "properties.invoice_number",
            "properties.hs_currency",
            "properties.due_date",
            "properties.total",
            "properties.contents",
        ),
        "credit_note": (
            *LINKS,
            "properties.sync_reference",
            "properties.credit_note_number",
            "properties.total",
        ),
    }
    types = {
        "stock": {"properties.stock_on_hand": ValueType.NUMBER},
        "order": {"properties.requested_date": ValueType.DAY},
        "shipment": {"properties.shipped_on": ValueType.DAY, "properties.contents": ValueType.BLOCK},
        "invoice": {"properties.due_date": ValueType.DAY, "properties.total": ValueType.NUMBER},
        "credit_note": {"properties.total": ValueType.NUMBER},
    }
    objects = {"shipment": "custom:shipments", "invoice": "invoices", "credit_note": "custom:credit_notes"}
    references = {
        "customer": "properties.sync_reference",
        "part": "",
        "order": "properties.sync_reference",
        "shipment": "properties.sync_reference",
        "invoice": "properties.sync_reference",
        "credit_note": "properties.sync_reference",
    }
    batch_kind = "part"
    simulator: Simulator

    def start(self) -> None:
        self.simulator = start(
            token=TOKEN,
            client_secret=SECRET,
            burst=100_000,
            search_per_s=100_000,
            developer_key="dev-secret-key",
        )
        self.connector.examine(self.paths, fix=True, types=self.types)

    def stop(self) -> None:
        self.simulator.stop()

    def settings(self, **changes: Any) -> SystemSettings:
        account = self.simulator.account.settings
        options = {"token": TOKEN, "app_id": account.app_id, "developer_key": "dev-secret-key"}
        settings = SystemSettings("crm", "hubspot", self.simulator.url, options, SECRET, public_url=URL)
        return replace(settings, **changes)

    def secrets(self) -> Sequence[str]:
        return (TOKEN, SECRET, "dev-secret-key")

    def sample(self, kind: str, number: int) -> Fields:
        if kind == "customer":
            return self._customer(number)
        if kind == "part":
            return {"properties": {"hs_sku": f"P-{number}", "name": f"Part {number}", "price": "9.99"}}
        company = self.simulator.account.person().create("companies", {"name": f"Buyer {number}"})["id"]
        if kind == "order":
            return self._order(number, company)
        deal = self.simulator.account.person().create("deals", {"dealname": f"Deal of {kind} {number}"})["id"]
        properties: dict[str, Any] = {NUMBERS[kind]: f"N-{number}"}
        if kind == "shipment":
            properties |= {"shipped_on": date(2026, 11, 27), "contents": "3 box A-1\n12 m HOSE"}
        if kind == "invoice":
            properties |= {"hs_currency": "EUR", "due_date": date(2026, 12, 27), "contents": "3 box A-1: 30.00"}
        if kind != "shipment":
            properties["total"] = Decimal("119.00")
        return {"properties": properties, "associations": {"deals": [deal], "companies": [company]}}

    @staticmethod
    def _customer(number: int) -> Fields:
        own = {"street": f"Hafen {number}", "postal_code": "50667", "city": "Köln", "country": "Germany"}
        other = {"name": "Tor 4", "street": "Am Kai 1\nHalle 7", "city": "Bonn", "shipping": True, "billing": False}
        places = (("main", {"key": "main", **own, "main": True}), ("k2", {"key": "k2", **other, "main": False}))
        return {
            "properties": {"name": f"Bäcker & Söhne {number}", "phone": f"+49 221 {number}"},
            "addresses": ListChange(add=places),
        }

    @staticmethod
    def _order(number: int, company: str) -> Fields:
        lines = [
            (f"l{n}", {"key": f"l{n}", "net_price": Decimal("2.5"),
                       "properties": {"hs_sku": f"P-{n}", "quantity": str(n), "unit": "box"}})
            for n in (1, 2)
        ]  # fmt: skip
        return {
            "properties": {
                "dealname": f"Deal {number}",
                "po_number": f"PO-{number}",
                "requested_date": date(2026, 12, 24),
            },
            "associations": {"companies": [company]},
            "line_items": ListChange(add=tuple(lines)),
        }

    def edit(self, kind: str, number: int) -> Fields:
        name, value = {
            "customer": ("phone", f"+49 228 {number}"),
            "part": ("price", f"{number}.5"),
            "order": ("po_number", f"PO-{number}-B"),
        }.get(kind) or (NUMBERS[kind], f"N-{number}-B")
        return {"properties": {name: value}}

    def poison(self, kind: str) -> Fields | None:
        return {"properties": {"price": "not a number"}} if kind == "part" else None

    def equal(self, sent: Any, shown: Any) -> bool:
        if isinstance(sent, bool):
            return str(sent).lower() == str(shown).lower()
        try:
            return Decimal(str(sent)) == Decimal(str(shown))
        except InvalidOperation:
            return str(sent) == str(shown)

    def person_edits(self, kind: str, record_id: str) -> None:
        properties = self.edit(kind, self.number())["properties"]
        self.simulator.account.person().edit(OBJECTS[kind], record_id, properties)

    def person_archives(self, kind: str, record_id: str) -> bool | None:
        self.simulator.account.person().delete(OBJECTS[kind], record_id)
        return True

    def wait_for_index(self) -> None:
        self.simulator.account.refresh_index()

    def delivery(self, kind: str, record_id: str, at: datetime) -> Request | None:
        if kind in CUSTOM:
            return None  # told as a record of an object that the receiver does not know
        singular = {"customer": "company", "part": "product", "order": "deal"}.get(kind, "object")
        event: dict[str, Any] = {
            "eventId": 1,
            "subscriptionId": 12345,
            "portalId": 62515,
            "appId": 54321,
            "occurredAt": round(at.timestamp() * 1000),
            "subscriptionType": f"{singular}.creation",
            "attemptNumber": 0,
            "objectId": int(record_id),
            "changeSource": "CRM_UI",
            "sourceId": "userId:1",
        }
        if singular == "object":
            event["objectTypeId"] = self.simulator.account.types.named(OBJECTS[kind]).type_id
        body = json.dumps([event]).encode()
        stamp = str(round(at.timestamp() * 1000))
        # Written out from the documentation rather than taken from the connector.
        text = b"POST" + URL.encode() + body + stamp.encode()
        signature = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
        headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
        return Request("POST", "http://10.0.0.7:8000/hooks/crm", headers, body, at)

    def trouble(self, what: Trouble, kind: str) -> bool | None:
        how: dict[Trouble, dict[str, Any]] = {
            "commit_503": {"kind": "commit_status", "status": 503},
            "commit_drop": {"kind": "commit_drop"},
            "half": {"kind": "half"},
            "drip": {"kind": "drip", "seconds": 0.2},
            "429": {"kind": "throttle"},
            "drop": {"kind": "drop"},
        }
        home = self.simulator.account.types.named(OBJECTS[kind])
        path = f"/crm/v3/objects/{home.type_id if kind in CUSTOM else home.name}"
        self.simulator.account.faults.install(**how[what], path=path, method="POST|PATCH")
        return True

    def untroubled(self) -> None:
        self.simulator.account.faults.clear()
