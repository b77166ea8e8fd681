"""Where the lines of a document come from: the order, the order's own line and its key.

A move or an invoice line names its sale line as origin; a line of a credit made from an invoice names the
invoice line. A sale made by the wizard for returns names the sale that it takes back and copies the notes of
its lines, so its documents belong to that order and to that order's lines. Source: trytond modules ``sale``
8.2, ``sale.py`` (``ReturnSale.do_return_``, ``Line.get_move``, ``get_invoice_line``) and ``account_invoice``
8.2, ``invoice.py`` (``InvoiceLine._credit``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.documents import of_model
from sync_workers.connectors.tryton.records import PAGE
from sync_workers.connectors.tryton.session import Deadline, Row, Session

SALE = "sale.sale"
SALE_LINE = "sale.line"
INVOICE_LINE = "account.invoice.line"
CREDITED = "posted", "paid", "cancelled"


@dataclass(frozen=True)
class Origin:
    """The order that a line belongs to, who placed it, and our key of the order's line."""

    order: int
    customer: int
    key: str | None
    product: int | None


class Origins:
    """Traces the lines of a page of documents in a few calls."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_lines(self, references: Iterable[str | None], within: Deadline) -> dict[str, Origin]:
        """Return the origin of each ``"sale.line,7"`` that there is."""
        ids = {number for one in references if (number := of_model(one, SALE_LINE)) is not None}
        fields = ["note", "product", "sale.origin", "sale.party"]
        found: dict[str, Origin] = {}
        for row in self.rows(SALE_LINE, ids, fields, within):
            sale = row["sale"]
            returned = of_model(sale["origin"], SALE)
            order = int(sale["id"]) if returned is None else returned
            found[f"{SALE_LINE},{row['id']}"] = Origin(
                order, int(sale["party"]), row["note"], row["product"]
            )
        return found

    def credited_lines(self, references: Iterable[str | None], within: Deadline) -> dict[str, Row]:
        """Return the invoice lines that credits were made from, by ``"account.invoice.line,3"``.

        A credit of a credit is followed until none is left.
        """
        found: dict[str, Row] = {}
        asked = {number for one in references if (number := of_model(one, INVOICE_LINE)) is not None}
        while asked:
            rows = self.rows(INVOICE_LINE, asked, ["origin", "invoice.number"], within)
            found |= {f"{INVOICE_LINE},{row['id']}": row for row in rows}
            asked = {
                number
                for row in rows
                if (number := of_model(row["origin"], INVOICE_LINE)) is not None
                and f"{INVOICE_LINE},{number}" not in found
            }
        return found

    def billed(self, orders: Iterable[int], within: Deadline) -> dict[int, list[tuple[int | None, str]]]:
        """Return what was billed of these orders: product and number of each booked invoice, by order."""
        found: dict[int, list[tuple[int | None, str]]] = {}
        lines = self._session.search_read(
            SALE_LINE, [["sale", "in", sorted(set(orders))]], ["sale"], within=within
        )
        sale_of = {f"{SALE_LINE},{line['id']}": int(line["sale"]) for line in lines}
        domain = [
            ["origin", "in", sorted(sale_of)],
            ["quantity", ">", 0],
            ["invoice.state", "in", list(CREDITED)],
        ]
        fields = ["origin", "product", "invoice.number"]
        rows = self._session.search_read(INVOICE_LINE, domain, fields, within=within) if sale_of else []
        for row in rows:
            number = get(row, "invoice", "number")
            if number:
                found.setdefault(sale_of[row["origin"]], []).append((row["product"], number))
        return found

    def rows(self, model: str, ids: Iterable[int], fields: list[str], within: Deadline) -> list[Row]:
        """Read records by id, a page at a time."""
        numbers = sorted(set(ids))
        return [
            row
            for at in range(0, len(numbers), PAGE)
            for row in self._session.search_read(
                model, [["id", "in", numbers[at : at + PAGE]]], fields, within=within
            )
        ]


def order_of(origins: Iterable[Origin]) -> Origin | None:
    """Return the oldest of the orders that a document belongs to: the sheets name one."""
    return min(origins, key=lambda one: one.order, default=None)


def followed(reference: str | None, credited: Mapping[str, Row]) -> str:
    """Return the sale line behind a line's origin, through the invoice lines that it credits; "" for none."""
    while reference is not None and reference in credited:
        reference = credited[reference]["origin"]
    return reference or ""
