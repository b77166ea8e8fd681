"""A small project: two plain systems, one kind, and what is delivered to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sync_workers.connectors.plain.signatures import headers

SECRET = "hook-secret-of-crm"
NOWHERE = "redis://127.0.0.1:1/0"

SYSTEMS = f"""
[systems.crm]
platform = "plain"
base_url = "http://127.0.0.1:9"
webhook_secret = "{SECRET}"

[systems.erp]
platform = "plain"
base_url = "http://127.0.0.1:9"

[systems.erp.poll]
order = 60
"""
SHEET = """
kind = "order"
version = 1
created_by = ["crm"]

[reference]
erp = "reference"

[[field]]
name = "po_number"
owner = "crm"
why = "the customer gives it to the sales rep"
crm = "po_number"
erp = "po"
"""


def signed(body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """Return the headers that prove a delivery."""
    return headers(secret, at or datetime.now(UTC), body)


def delivery(*records: str, key: str = "", **extra: Any) -> bytes:
    """Return the body of a delivery about these orders."""
    events = [
        {
            "id": f"{key or 'key'}-{record}",
            "kind": "order",
            "record_id": record,
            "version": 1,
            "record": {"fields": {"po_number": f"PO-{record}"}},
            **extra,
        }
        for record in records
    ]
    return json.dumps({"events": events}).encode()
