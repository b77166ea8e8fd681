"""What every peer does with a delivery: check its signature, rename the fields, POST it to the target.

The least that a short script would do: no ledger, no merge, no look at what came back beyond its status.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import requests

TARGET = os.environ.get("BENCH_TARGET", "")
SECRET = os.environ.get("BENCH_SECRET", "")
STATES = {"new": "draft", "placed": "placed", "changed": "changed"}


def is_genuine(body: bytes, headers) -> bool:
    signed = headers.get("x-plain-timestamp", "").encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers.get("x-plain-signature", ""))


def transform(event: dict) -> dict:
    order = event["record"]["fields"]
    ship, contact = order["ship_to"], order["contact"]
    return {
        "reference": f"crm-order-{event['record_id']}",
        "po": order["po_number"], "state": STATES[order["status"]], "currency_code": order["currency"],
        "total_amount": float(order["total"]), "sale_date": order["order_date"],
        "shipping_date": order["requested_date"], "priority": order["priority"], "salesman": order["sales_rep"],
        "contact_name": contact["name"], "contact_email": contact["email"], "contact_phone": contact["phone"],
        "delivery": {"name": ship["name"], "street": ship["street"], "city": ship["city"], "zip": ship["zip"],
                     "country": {"DE": "DEU"}[ship["country"]]},
        "payment_term": order["payment_terms"], "incoterm": order["incoterm"], "comment": order["notes"],
        "lines": [
            {"key": line["id"], "part": line["sku"], "quantity": float(line["quantity"]),
             "unit_price": float(line["price"]), "discount": float(line["discount"]), "description": line["name"]}
            for line in order["lines"]
        ],
    }


def send(delivery: dict) -> None:
    for event in delivery["events"]:
        document = {"fields": transform(event), "reference_path": "reference"}
        requests.post(f"{TARGET}/order", json=document, timeout=30).raise_for_status()
