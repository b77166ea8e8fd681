"""What has left of an order and what is still to leave; its shipments, invoices and credit notes in a line each.

A line's moves say it: done is shipped, neither done nor cancelled is back-ordered. ``quantity_to_ship`` of the
line does not: it is what no shipment has been planned for, normally nothing. Source: trytond modules ``sale``
8.2, ``sale.py`` (``get_moves_progress``, ``is_done``), ``stock`` 8.2, ``shipment.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sync_workers.connectors.contract import Fields, FieldType
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.documents import tracking_of
from sync_workers.connectors.tryton.records import Place
from sync_workers.connectors.tryton.session import Row

BEFORE = ("draft", "quotation", "confirmed")
LEFT = ("done", "cancelled")
CANCELLED = "cancelled"
INVOICE = ("number", "state", "invoice_date", "total_amount")
"""What is told of an invoice or credit note."""

ASKED = (
    "lines.type",
    "lines.quantity",
    "lines.moves_progress",
    "lines.moves.state",
    "lines.moves.quantity",
    "lines.moves.planned_date",
    "lines.moves.unit.factor",
    "lines.unit.factor",
    "lines.unit.digits",
    "shipments.number",
    "shipments.state",
    "shipments.planned_date",
    "shipments.effective_date",
    "shipments.carrier.party.name",
    "shipments.shipping_reference",
    "shipments.root_packages.shipping_reference",
    "invoices.lines",
    *(f"invoices.{name}" for name in INVOICE),
)
DERIVED = {
    "open": FieldType("boolean", read_only=True),
    "lines.shipped": FieldType("float", read_only=True),
    "lines.backordered": FieldType("float", read_only=True),
    "lines.expected": FieldType("date", read_only=True),
}
PLACES = {
    "shipments": Place("sale.sale", "shipments"),
    "invoices": Place("sale.sale", "invoices"),
    "credit_notes": Place("sale.sale", "invoices"),
}


def state(row: Row) -> str:
    """Return the order's state; ``cancelled`` also for one that was taken back after it was confirmed.

    Tryton ends such a sale as done, with nothing shipped and nothing billed: a rep must not read that as success.
    """
    return CANCELLED if was_taken_back(row) else str(row["state"])


def was_taken_back(row: Row) -> bool:
    """Say whether all that the order planned to ship was cancelled, and all that it billed."""
    moves = [move for line in _lines(row) for move in line["moves"]]
    return (
        row["state"] == "done"
        and bool(moves)
        and all(move["state"] == CANCELLED for move in moves)
        and all(invoice["state"] == CANCELLED for invoice in row.get("invoices") or [])
    )


def is_open(row: Row) -> bool:
    """Say whether anything is still to leave, or nothing has been decided yet."""
    if row["state"] in BEFORE:
        return True
    progress = [line["moves_progress"] for line in _lines(row) if line["moves_progress"] is not None]
    return row["state"] == "processing" and any(part < 1 for part in progress)


def has_left(row: Row) -> bool:
    """Say whether anything was shipped."""
    return any(move["state"] == "done" for line in _lines(row) for move in line["moves"])


def of_line(line: Row) -> Fields:
    """Return ``shipped``, ``backordered`` and ``expected`` of one line, in the line's unit."""
    moves = line.get("moves") or []
    still = [move for move in moves if move["state"] not in LEFT]
    return {
        "shipped": _sum(line, (move for move in moves if move["state"] == "done")),
        "backordered": _sum(line, still),
        "expected": min((move["planned_date"] for move in still if move["planned_date"]), default=None),
    }


def shipments(row: Row) -> str | None:
    """Return one line per shipment: its number, what became of it, when, who brings it and its tracking number."""
    return _text(
        ", ".join([f"{_number(one)}: {_shipment_state(one)}{_on(one['effective_date'] or one['planned_date'])}",
                   *filter(None, [get(one, "carrier", "party", "name"), tracking_of(one)])])
        for one in _by_id(row.get("shipments") or [])
    )


def invoices(row: Row) -> str | None:
    """Return one line per invoice: its number, state, day and total."""
    return _billed(row, [one for one in row.get("invoices") or [] if one["total_amount"] >= 0])


def credit_notes(row: Row) -> str | None:
    """Return one line per credit note: those among its invoices, and what ``credits`` found elsewhere."""
    found = [*(row.get("invoices") or []), *row.get("credits", [])]
    return _billed(row, [one for one in found if one["total_amount"] < 0])


def _billed(row: Row, documents: Iterable[Row]) -> str | None:
    currency = get(row, "currency", "code")
    return _text(
        f"{_number(one)}: {one['state']}{_on(one['invoice_date'])}, {one['total_amount']:f} {currency}"
        for one in _by_id(documents)
    )


def _lines(row: Row) -> list[Row]:
    return [line for line in row.get("lines") or [] if line["type"] == "line"]


def _sum(line: Row, moves: Iterable[Row]) -> Decimal:
    """Add up moves in the line's unit: exact where a decimal can be, else in the digits of the unit."""
    into = Fraction(get(line, "unit", "factor") or 1)
    total = sum((Fraction(move["quantity"]) * Fraction(move["unit"]["factor"]) / into for move in moves), Fraction(0))
    found = Decimal(total.numerator) / Decimal(total.denominator)
    if Fraction(found) != total:
        found = found.quantize(Decimal(1).scaleb(-int(get(line, "unit", "digits") or 0)))
    return -found if found and line["quantity"] < 0 else found


def _shipment_state(shipment: Row) -> str:
    """All before it leaves is ``planned``: sales need not follow the warehouse's hands."""
    if shipment["state"] in ("shipped", "done"):
        return "shipped"
    return CANCELLED if shipment["state"] == CANCELLED else "planned"


def _by_id(rows: Iterable[Row]) -> list[Row]:
    """A document that is reached by several of its lines is one."""
    return sorted({int(one["id"]): one for one in rows}.values(), key=lambda one: int(one["id"]))


def _number(row: Row) -> str:
    return str(row["number"] or "not numbered")


def _on(day: Any) -> str:
    return f" {day:%Y-%m-%d}" if day else ""


def _text(lines: Iterable[str]) -> str | None:
    return "\n".join(lines) or None
