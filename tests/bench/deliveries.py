"""The job that every stack gets: a signed webhook of 2 KB with an order of ten lines, whole.

All stacks get the same bytes; the signature is HMAC-SHA256 as platform ``plain`` defines it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sync_workers.connectors.plain.signatures import headers

SECRET = "the-benchmark's-secret"
LINES = 10


def order(number: int, *, edit: int = 0) -> dict[str, Any]:
    """Return the native fields of one order; ``edit`` makes a later state of the same one."""
    lines = [
        {"id": f"{number}-{line}", "sku": f"BRG-{6200 + line}",
         "name": f"Deep groove ball bearing {6200 + line} 2RS C3",
         "quantity": str(1 + line + edit), "price": f"{4 + line}.25", "discount": "2.5"}
        for line in range(LINES)
    ]
    return {
        "po_number": f"PO-{number:07d}", "status": "changed" if edit else "placed", "currency": "EUR",
        "total": f"{1480 + edit}.50", "order_date": "2026-03-02", "requested_date": "2026-03-09",
        "priority": "normal", "sales_rep": "rep-17",
        "contact": {"name": "Ines Albrecht", "email": "orders@albrecht.example", "phone": "+49 30 901820"},
        "ship_to": {"name": "Albrecht Antriebe GmbH", "street": "Werkstrasse 14", "city": "Berlin",
                    "zip": "10115", "country": "DE"},
        "payment_terms": "30 days net", "incoterm": "DAP",
        "notes": f"Deliver to gate 3 between 7 and 15 h, call the foreman first;"
                 f" revision {edit}",
        "lines": lines,
    }


def body(number: int, *, edit: int = 0, run: str = "b") -> bytes:
    """Return one delivery: the event with its key and version, and the record as it is after it."""
    record = f"{run}-{number}"
    event = {
        "id": f"{record}-{edit}", "kind": "order", "record_id": record, "version": edit + 1, "by": "rep",
        "record": {"id": record, "fields": order(number, edit=edit)},
    }
    return json.dumps({"events": [event]}, separators=(",", ":")).encode()


def request(path: str, content: bytes) -> bytes:
    """Return the whole HTTP request, signed now."""
    head = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json",
            f"Content-Length: {len(content)}"]
    head += [f"{name}: {value}" for name, value in headers(SECRET, datetime.now(UTC), content).items()]
    return "\r\n".join([*head, "", ""]).encode() + content
