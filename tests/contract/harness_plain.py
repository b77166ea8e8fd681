"""Plain on the bench: its server in a thread of this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Request, SystemSettings
from sync_workers.connectors.plain.signatures import headers
from sync_workers.sandbox.plain import PlainServer, start
from sync_workers.sandbox.plain.hooks import event_of
from tests.contract.harness import Bench, Trouble

TOKEN, SECRET = "plain-very-secret-token", "plain-webhook-secret"


class Harness(Bench):
    platform = "plain"
    kinds = ("customer", "part", "stock", "order")
    paths = {
        "customer": ("name", "address.city", "reference"),
        "part": ("number", "price", "reference"),
        "stock": ("number", "on_hand", "reference"),
        "order": ("po_number", "lines.sku", "lines.quantity", "reference"),
    }
    references = {"customer": "reference", "part": "reference", "stock": "reference", "order": "reference"}
    batch_kind = "stock"
    server: PlainServer

    def start(self) -> None:
        self.server = start(token=TOKEN)
        for kind in ("customer", "order"):
            self.server.rules(kind, unique=("reference",))
        self.server.rules("stock", refused={"on_hand": [-1]})

    def stop(self) -> None:
        self.server.stop()

    def settings(self, **changes: Any) -> SystemSettings:
        options = {
            "token": TOKEN,
            "page": 5,
            "overlap_s": 0.2,
            "preconditions": True,
            "counts_versions": True,
            "kinds": {"customer": {"variant": "T1"}, "order": {"variant": "T1"}},
        }
        settings = SystemSettings("shop", "plain", self.server.url, options, webhook_secret=SECRET)
        return replace(settings, **changes)

    def secrets(self) -> Sequence[str]:
        return (TOKEN, SECRET)

    def sample(self, kind: str, number: int) -> Fields:
        if kind == "order":
            lines = [(f"l{n}", {"sku": f"SKU-{n}", "quantity": str(n)}) for n in (1, 2)]
            return {"po_number": f"PO-{number}", "currency": "EUR", "lines": ListChange(add=tuple(lines))}
        if kind == "customer":
            return {"name": f"Bäcker & Söhne {number}", "address": {"city": "Köln", "zip": "50667"}}
        if kind == "stock":
            return {"number": f"P-{number}", "on_hand": 5}
        return {"number": f"P-{number}", "price": "9.995"}

    def edit(self, kind: str, number: int) -> Fields:
        return {
            "customer": {"address": {"city": f"Bonn {number}"}},
            "part": {"price": f"{number}.50"},
            "stock": {"on_hand": 1000 + number},
            "order": {"currency": f"C{number}"},
        }[kind]

    def poison(self, kind: str) -> Fields | None:
        return {"on_hand": -1} if kind == "stock" else None

    def person_edits(self, kind: str, record_id: str) -> None:
        self.server.edit(kind, record_id, self.edit(kind, self.number()))

    def person_archives(self, kind: str, record_id: str) -> bool | None:
        self.server.archive(kind, record_id)
        return True

    def delivery(self, kind: str, record_id: str, at: datetime) -> Request | None:
        event = event_of(self.server.store.get(kind, record_id), "update", whole=True)
        body = json.dumps({"events": [{"id": f"event-{self.number()}", **event}]}).encode()
        return Request("POST", "https://sync.example.com/hooks/shop", headers(SECRET, at, body), body, at)

    def trouble(self, what: Trouble, kind: str) -> bool | None:
        how: dict[Trouble, dict[str, Any]] = {
            "commit_503": {"does": "status", "status": 503},
            "commit_drop": {"does": "drop"},
            "half": {"does": "half"},
            "drip": {"does": "drip", "delay_s": 0.2},
            "429": {"does": "status", "status": 429, "commit": False, "retry_after_s": 3},
            "drop": {"does": "drop", "commit": False},
        }
        self.server.fault(**how[what], kind=kind)
        return True

    def untroubled(self) -> None:
        self.server.faults.clear()
