"""What a customer's price list asks for each line of a quotation: ``tier_price``.

The server is asked, for its formulas are its own: ``sale_price_uom`` of the product, with customer, price list,
quantity, unit, currency and day in the context. Only quotations are: before the confirm the price is judged,
afterwards nobody can change it. Source: trytond modules ``sale`` 8.2, ``product.py`` (``get_sale_price``),
``sale_price_list`` 8.2, ``product.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.session import Deadline, Row, Session

QUOTED = "quotation"


def fill(session: Session, rows: Sequence[Row], within: Deadline) -> None:
    """Put ``tier_price`` into the lines of quotations; one call for all lines that share a context."""
    asked: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row["state"] != QUOTED:
            continue
        for line in row["lines"]:
            if line["type"] == "line" and line.get("product"):
                asked[_context(row, line)].append(line)
    for context, lines in asked.items():
        products = sorted({line["product"]["id"] for line in lines})
        found = session.call(
            "model.product.product.read",
            products,
            ["sale_price_uom"],
            within=within,
            context={name: list(value) if name == "taxes" else value for name, value in context},
        )
        prices = {one["id"]: one["sale_price_uom"] for one in found}
        for line in lines:
            line["tier_price"] = prices[line["product"]["id"]]


def _context(row: Row, line: Row) -> tuple[Any, ...]:
    return (
        ("customer", int(row["party"])),
        ("price_list", get(row, "price_list", "id")),
        ("currency", get(row, "currency", "id")),
        ("sale_date", row["sale_date"]),
        ("uom", get(line, "unit", "id")),
        ("quantity", float(abs(line["quantity"]))),  # the server multiplies it with floats
        ("taxes", tuple(tax["id"] for tax in line["taxes"])),
    )
