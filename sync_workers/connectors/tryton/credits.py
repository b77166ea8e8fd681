"""The credit notes of an order: those of its own, of its returns, and of its invoices.

What was billed and then not shipped is given back by the order itself. A return is a sale of its own whose
``origin`` is the order, and the lines of a credit made from an invoice name that invoice's lines: neither is
among ``sale.invoices``. Source: trytond modules ``sale`` 8.2, ``sale.py`` (``ReturnSale``), ``invoice.py``
(``get_sales``), ``account_invoice`` 8.2, ``invoice.py`` (``InvoiceLine._credit``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sync_workers.connectors.tryton.invoices import LINE, MODEL, may_belong
from sync_workers.connectors.tryton.origins import CREDITED, SALE
from sync_workers.connectors.tryton.progress import INVOICE, has_left
from sync_workers.connectors.tryton.records import PAGE, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session

_CREDIT = f"{LINE},%"
TABLES = (
    Table(MODEL, "sales.origin", may_belong(below_zero=True)),
    Table(
        MODEL,
        "lines.origin.invoice.sales",
        # The server reads through a reference only where all rows lead to the same model.
        (
            *may_belong(below_zero=True),
            ["lines.origin", "like", _CREDIT],
            ["lines", "not where", [["origin", "not like", _CREDIT]]],
        ),
    ),
)
"""The credit note of a return, and one made from an invoice, is news of the order."""


def fill(session: Session, rows: Sequence[Row], within: Deadline) -> None:
    """Put ``credits``, rows of ``account.invoice``, into each order of which something has left or was billed.

    Two calls for all of them, more only where they have hundreds of lines.
    """
    begun = {f"{SALE},{row['id']}": row for row in rows if has_left(row) or row["invoices"]}
    for row in begun.values():
        row["credits"] = []
    if not begun:
        return
    domain = [["party", "in", sorted({row["party"] for row in begun.values()})], ["origin", "in", sorted(begun)]]
    returns = session.search_read(SALE, domain, ["origin", *_named("invoices")], within=within)
    for each in returns:
        begun[each["origin"]]["credits"] += each["invoices"]
    billed = {
        f"{LINE},{line}": row
        for row in begun.values()
        for invoice in row["invoices"]
        if invoice["state"] in CREDITED
        for line in invoice["lines"]
    }
    sources = sorted(billed)
    for at in range(0, len(sources), PAGE):
        given = [["origin", "in", sources[at : at + PAGE]]]
        for line in session.search_read(LINE, given, ["origin", *_named("invoice")], within=within):
            billed[line["origin"]]["credits"].append(line["invoice"])


def _named(path: str) -> list[str]:
    return [f"{path}.{name}" for name in INVOICE]
