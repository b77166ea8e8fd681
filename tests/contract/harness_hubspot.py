"""HubSpot on the bench: the simulated account in threads of this process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Request, SystemSettings
from sync_workers.sandbox.hubspot import Simulator, start
from tests.contract.harness import Bench, Trouble

TOKEN, SECRET = "pat-na1-contract-secret", "contract-client-secret"
URL = "https://sync.example.com/hooks/crm"
OBJECTS = {"customer": "companies", "part": "products", "stock": "products", "order": "deals"}


class Harness(Bench):
    platform = "hubspot"
    kinds = ("customer", "part", "order")
    paths = {
        "customer": ("properties.name", "properties.city", "properties.sync_reference"),
        "part": ("properties.hs_sku", "properties.name", "properties.price"),
        "stock": ("properties.hs_sku", "properties.stock_on_hand"),
        "order": (
            "id",
            "won",
            "associations.companies",
            "properties.dealname",
            "properties.po_number",
            "properties.sync_reference",
            "line_items.id",
            "line_items.properties.hs_sku",
            "line_items.properties.quantity",
            "line_items.properties.unit",
        ),
    }
    references = {"customer": "properties.sync_reference", "part": "", "order": "properties.sync_reference"}
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
        self.connector.examine(self.paths, fix=True)

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
            return {"properties": {"name": f"Bäcker & Söhne {number}", "city": "Köln"}}
        if kind == "part":
            return {"properties": {"hs_sku": f"P-{number}", "name": f"Part {number}", "price": "9.99"}}
        company = self.simulator.account.person().create("companies", {"name": f"Buyer {number}"})["id"]
        lines = [
            (f"l{n}", {"properties": {"hs_sku": f"P-{n}", "quantity": str(n), "price": "2.5", "unit": "box"}})
            for n in (1, 2)
        ]
        return {
            "properties": {"dealname": f"Deal {number}", "po_number": f"PO-{number}"},
            "associations": {"companies": [company]},
            "line_items": ListChange(add=tuple(lines)),
        }

    def edit(self, kind: str, number: int) -> Fields:
        name, value = {
            "customer": ("city", f"Bonn {number}"),
            "part": ("price", f"{number}.5"),
            "order": ("po_number", f"PO-{number}-B"),
        }[kind]
        return {"properties": {name: value}}

    def poison(self, kind: str) -> Fields | None:
        return {"properties": {"price": "not a number"}} if kind == "part" else None

    def equal(self, sent: Any, shown: Any) -> bool:
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
        singular = {"customer": "company", "part": "product", "order": "deal"}[kind]
        event = {
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
        path = f"/crm/v3/objects/{OBJECTS[kind]}"
        self.simulator.account.faults.install(**how[what], path=path, method="POST|PATCH")
        return True

    def untroubled(self) -> None:
        self.simulator.account.faults.clear()
