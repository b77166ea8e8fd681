"""What reps and clerks see of an order on its way to cash: parcels, invoices, credit notes, notes, lines.

Everything is read at the systems' own screens; ``Distributor`` has the two systems and the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sync_workers.sandbox.tryton.rpc import Row
from tests.acceptance.distributor import Distributor, Json, money

DOCUMENTS = ("shipment", "invoice", "credit_note")
"""Kinds that follow an order: polled after it, so that what they hang on is known."""


def settle(at: Distributor) -> None:
    """Let everything come to rest, documents too."""
    at.settle(*DOCUMENTS)


def linked(at: Distributor, kind: str, record_id: str, target: str) -> list[Json]:
    """Return the properties of what is linked to a record in the CRM, oldest first."""
    rep = at.crm.person()
    ids = rep.see(kind, record_id)["links"].get(target, [])
    return [dict(rep.see(target, each)["properties"]) for each in sorted(ids, key=int)]


def parcels(at: Distributor, deal: str) -> list[Json]:
    return linked(at, "deals", deal, "shipments")


def invoices(at: Distributor, deal: str) -> list[Json]:
    return linked(at, "deals", deal, "invoices")


def credit_notes(at: Distributor, deal: str) -> list[Json]:
    return linked(at, "deals", deal, "credit_notes")


def notes(at: Distributor, deal: str) -> list[str]:
    """Return what the notes on a deal say."""
    return [str(each.get("hs_note_body")) for each in linked(at, "deals", deal, "notes")]


def lines_of(at: Distributor, deal: str) -> dict[str, Json]:
    """Return the line items of a deal by part number; a part that stands twice is told apart by its quantity."""
    found: dict[str, Json] = {}
    for each in linked(at, "deals", deal, "line_items"):
        name = each["hs_sku"]
        found[f"{name} x {each['quantity']}" if name in found else name] = each
    return found


def line_ids(at: Distributor, deal: str) -> list[str]:
    return [str(each) for each in at.crm.person().see("deals", deal)["links"]["line_items"]]


def progress(line: Json) -> tuple[Decimal, Decimal]:
    """Return what a line item shows as shipped and as backordered."""
    return money(line.get("erp_shipped")), money(line.get("erp_backordered"))


def documents_of(at: Distributor, deal: str) -> list[Row]:
    """Return the invoices and credit notes that the ERP has for a deal's order."""
    (sale,) = at.clerk.read("sale.sale", [at.sale(deal)["id"]], "invoices")
    names: Sequence[str] = ("number", "state", "untaxed_amount", "total_amount", "amount_to_pay")
    found: list[Row] = at.clerk.read("account.invoice", sale["invoices"], *names)
    return found


def amounts(rows: Sequence[Json], name: str) -> list[Decimal]:
    return [money(each.get(name)) for each in rows]


def lose(at: Distributor, deal: str) -> None:
    """Let a rep drag a deal to lost."""
    at.crm.person(7).move(deal, "closedlost")


def shown(value: Any) -> str:
    """Return a property as text, blank for nothing."""
    return "" if value is None else str(value)
