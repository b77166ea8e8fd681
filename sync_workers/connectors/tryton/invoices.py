"""Invoices and credit notes: ``account.invoice`` of customers, told apart by the sign of their total.

The server keeps the total of what was booked in ``total_amount_cache``, which is indexed; a draft has none
there and is computed when it is read. So a search takes what may belong to the kind, and what it finds is
judged by its total. The rows are stamped by each payment, reconciliation and its undoing, but not by a
shipment: the moves that a line bills are polled too. Source: trytond modules ``account_invoice`` 8.2,
``invoice.py`` (``_store_cache``, ``get_amount_to_pay``, ``process``), ``account.py`` (``Reconciliation``), and
``account_invoice_stock`` 8.2 (``stock_moves``).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from sync_workers.connectors.contract import Fields, Native, Traits, Variant
from sync_workers.connectors.tryton.billing import ASKED, Billing
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.documents import BUSY_AFTER, Document
from sync_workers.connectors.tryton.records import PAGE, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session

MODEL = "account.invoice"
LINE = "account.invoice.line"
BOOKED = ("posted", "paid")
CANCELLED = "cancelled"
_ZERO = Decimal(0)
_PLAIN = ("number", "state", "invoice_date", "untaxed_amount", "tax_amount", "total_amount")


class Invoices(Document):
    """Reads invoices; ``CreditNotes`` those below zero. ``posting`` books them."""

    name: ClassVar[str] = "invoice"
    model = MODEL
    traits: ClassVar[Traits] = Traits(
        variant=Variant.T2,
        busy_after=BUSY_AFTER,
        preconditions=True,
        # Booking takes the row of the fiscal year's sequence without waiting for it: of eight posts side
        # by side seven are refused (trytond 8.2, ``ir/sequence.py``: SequenceStrict).
        serial=("post",),
    )
    below_zero: ClassVar[bool] = False
    asked = (
        *_PLAIN,
        "type",
        "party",
        "accounting_date",
        "journal",
        "currency.code",
        "amount_to_pay",
        "lines_to_pay.maturity_date",
        "move.create_date",
        *ASKED,
        "_timestamp",
        "last_modified_at",
    )
    tables = (
        Table(MODEL, domain=(["type", "=", "out"],)),
        Table(LINE, "invoice", (["invoice.type", "=", "out"],)),
        Table("stock.move", "invoice_lines.invoice", (["invoice_lines", "!=", None],)),
    )
    children = {"lines": LINE}
    places = {
        **{path: Place(MODEL, path) for path in (*_PLAIN, "lines")},
        "order": Place("sale.line", "sale"),
        "customer": Place(MODEL, "party"),
        "currency.code": Place(MODEL, "currency"),
        "due_date": Place("account.move.line", "maturity_date"),
        "paid_amount": Place(MODEL, "amount_to_pay"),
        "balance": Place(MODEL, "amount_to_pay"),
        "shipments": Place("stock.shipment.out", "number"),
        "credits": Place(MODEL, "number"),
        "posted_at": Place("account.move", "create_date"),
        "shipped_at": Place("ir.model.log", "create_date"),
        **{f"lines.{path}": Place(LINE, path) for path in ("description", "quantity", "unit_price", "amount")},
        "lines.line": Place("sale.line", "note"),
        "lines.product.code": Place(LINE, "product"),
        "lines.unit.symbol": Place(LINE, "unit"),
    }
    searched = {"id": "id", "number": "number"}

    def __init__(self, session: Session, *, post_shipped: bool) -> None:
        super().__init__(session)
        self._billing = Billing(session)
        self._post_shipped = post_shipped

    def rows(self, domain: Sequence[Any], within: Deadline, limit: int | None = None) -> list[Row]:
        found = super().rows([*domain, *may_belong(below_zero=self.below_zero)], within, limit)
        return [row for row in found if self._belongs(row)]

    def ids_after(self, after: int, limit: int, within: Deadline) -> list[int]:
        found: list[int] = []
        while True:
            rows = self._totals([["id", ">", after]], within, limit)
            found += [row["id"] for row in rows if self._belongs(row)]
            if found or len(rows) < limit:
                return found
            after = rows[-1]["id"]  # drafts of the other kind alone: what comes after them may be ours

    def members(self, ids: Sequence[str], within: Deadline) -> set[str]:
        rows = self._totals([["id", "in", [int(one) for one in ids]]], within)
        return {str(row["id"]) for row in rows if self._belongs(row)}

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows, after a handful of calls for what other records say of all of them."""
        self._billing.gather(rows, within)
        return [self.native(row) for row in rows]

    def shown(self, row: Row) -> Fields:
        total: Decimal = row["total_amount"]
        balance = row["amount_to_pay"] if row["state"] in BOOKED else _ZERO
        paid = total - balance if row["state"] in BOOKED else _ZERO
        due = [line["maturity_date"] for line in row["lines_to_pay"] if line["maturity_date"]]
        return {
            "id": str(row["id"]),
            **{path: row[path] for path in _PLAIN},
            "customer": row["customer"] or str(row["party"]),
            "order": row["order"],
            "currency": {"code": get(row, "currency", "code")},
            "due_date": max(due, default=None),
            "paid_amount": paid,
            "balance": balance,
            "shipments": row["shipments"],
            "credits": row["credits"],
            "shipped_at": row["shipped_at"],
            "posted_at": get(row, "move", "create_date"),
            "post_asked": self._post_shipped and bool(row["has_left"]) and not self.below_zero,
            "lines": row["shown_lines"],
        }

    def _totals(self, domain: list[Any], within: Deadline, limit: int | None = PAGE) -> list[Row]:
        return self.session.search_read(
            MODEL,
            [*domain, *may_belong(below_zero=self.below_zero)],
            ["total_amount"],
            within=within,
            order=[("id", "ASC")],
            limit=limit,
        )

    def _belongs(self, row: Row) -> bool:
        return bool(row["total_amount"] < 0) is self.below_zero


class CreditNotes(Invoices):
    """Reads what is given back: by a return, by a credit, or because a shipment was undone after it was billed."""

    name = "credit_note"
    traits = Traits(variant=Variant.T2, busy_after=BUSY_AFTER)
    below_zero = True


def may_belong(*, below_zero: bool) -> tuple[Any, ...]:
    """Return what selects the kind, and the drafts of both."""
    booked = [["total_amount_cache", "<" if below_zero else ">=", _ZERO]]
    return ["type", "=", "out"], ["OR", booked, [["total_amount_cache", "=", None]]]
