"""The lines of an order: their shape, and the operations that bring them to what the sheet wants.

A line is found by the id that Tryton gave it and carries our key in ``note``: free text that nothing in
Tryton reads and that may be written in every state; it is copied to the invoice line, where no standard
report prints it. Taxes, and unit and price where we bring none, are asked from the server as its form
does when a person chooses the product. Source: trytond modules ``sale`` 8.2, ``sale.py``
(``Line.on_change_product``, ``compute_taxes``, ``Line.note``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sync_workers.connectors.contract import Fields, FieldType, ListChange
from sync_workers.connectors.tryton import progress
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.lookups import Lookups, Part
from sync_workers.connectors.tryton.records import Place, list_operations
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError

PRICE_DIGITS = Decimal("0.0001")
"""``[product] price_decimal`` is 4 unless the server's configuration says otherwise; more is refused."""

ASKED = (
    "lines.type",
    "lines.note",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit_price",
    "lines.description",
    "lines.sequence",
    "lines.amount",
    "lines.taxes.name",
    "lines.taxes.type",
    "lines.taxes.rate",
    "lines.taxes.active",
    "lines.taxes.childs.type",
    "lines.taxes.childs.rate",
    "lines.taxes.childs.name",
    "lines.taxes.childs.active",
    "lines._timestamp",
)
_PLAIN = ("note", "description", "sequence")
PLACES = {
    **{f"lines.{path}": Place("sale.line", path) for path in (*_PLAIN, "quantity", "unit_price", "amount")},
    "lines.product.code": Place("sale.line", "product"),
    "lines.unit.symbol": Place("sale.line", "unit"),
    "lines.tax_code": Place("sale.line", "taxes"),
    "lines.tier_price": Place("product.product", "sale_price_uom"),
}
DERIVED = {
    "lines.tax_rate": FieldType("numeric", read_only=True),
    "lines.tax_off": FieldType("char", read_only=True),
}


def shaped(rows: list[Row]) -> list[Fields]:
    """Return the order lines as the document prints them, without titles, subtotals and comments."""
    return [_line(row) for row in sorted(rows, key=_line_order) if row["type"] == "line"]


class Lines:
    """Prepares what a sale's nested ``lines`` take."""

    def __init__(self, session: Session, lookups: Lookups) -> None:
        self.session = session
        self.lookups = lookups

    def operations(
        self, row: Row, header: Row, change: ListChange, within: Deadline, *, taxed_anew: bool = False
    ) -> list[list[Any]]:
        """Return the nested operations; ``row`` is the sale as it is, ``header`` as it will be.

        ``taxed_anew``: the order goes to another customer, whose tax rule counts for the lines that stay.
        """
        present = {int(line["id"]): line for line in row.get("lines") or []}
        added = [(key, flatten(fields)) for key, fields in change.add]
        changed = [(item, flatten(fields), _present(present, item)) for item, fields in change.change]
        codes = {flat["product.code"] for _, flat in added if flat.get("product.code")}
        codes |= {
            _code(line, flat) for _, flat, line in changed if "product.code" in flat or "unit.symbol" in flat
        }
        parts = self.lookups.parts(codes, within) if codes else {}
        made = ListChange(
            add=tuple(
                (key, {"note": key, **self._values(header, None, flat, parts, within)}) for key, flat in added
            ),
            change=tuple(
                (item, self._values(header, line, flat, parts, within)) for item, flat, line in changed
            ),
            remove=change.remove,
        )
        made += self._taxed_anew(header, present, change, within) if taxed_anew else ListChange()
        return list_operations(made, dict, set(present), f"order {row.get('id', 'new')}: lines")

    def _taxed_anew(
        self, header: Row, present: Mapping[int, Row], change: ListChange, within: Deadline
    ) -> ListChange:
        chosen = {item for item, fields in change.change if get(fields, "product", "code")} | set(change.remove)
        kept = [line for line in present.values() if line.get("product") and str(line["id"]) not in chosen]
        return ListChange(change=tuple(
            (str(line["id"]), {"taxes": _taxes(line, self._form(
                header, line, {"product": line["product"]["id"], "unit": get(line, "unit", "id")}, within
            ))})
            for line in kept
        ))  # fmt: skip

    def _values(
        self,
        header: Row,
        line: Row | None,
        changes: Mapping[str, Any],
        parts: Mapping[str, Part],
        within: Deadline,
    ) -> Row:
        values: Row = {}
        for path, value in changes.items():
            if path in _PLAIN:
                values[path] = int(value) if path == "sequence" and value is not None else value
            elif path == "quantity":
                values["quantity"] = None if value is None else float(value)
            elif path == "unit_price":
                values["unit_price"] = None if value is None else _price(value)
            elif path not in ("product.code", "unit.symbol"):
                raise PermanentError(
                    f"order: a line in Tryton has no field {path!r} to write",
                    field=f"lines.{path}",
                    mend="remove it from the sheet",
                )
        code = _code(line, changes)
        if changes.get("unit.symbol"):
            if code not in parts:
                raise _no_product()
            part = parts[code]
            values["unit"] = self.lookups.unit(str(changes["unit.symbol"]), part.category, part.code, within)
        if changes.get("product.code"):
            values["product"] = parts[code].id
            return self._completed(header, line, values, within)
        if line is None:
            raise _no_product()
        return values

    def _completed(self, header: Row, line: Row | None, values: Row, within: Deadline) -> Row:
        """Add what the server's form fills in when a product is chosen."""
        answered = self._form(header, line, values, within)
        made = values | {"taxes": _taxes(line, answered)}
        if made.get("unit") is None:
            made["unit"] = answered.get("unit")
        if made.get("unit_price") is None and line is None:
            if answered.get("unit_price") is None:
                raise PermanentError(
                    "order: a line has no price and Tryton knows none for the part",
                    field="lines.unit_price",
                    mend="give the part a price there, then requeue",
                )
            made["unit_price"] = _price(answered["unit_price"])
        return made

    def _form(self, header: Row, line: Row | None, values: Row, within: Deadline) -> Row:
        """Ask the server's form what follows from the product of a line."""
        start = {
            "type": "line",
            "sale": -1,
            "product": values["product"],
            "unit": values.get("unit"),
            "quantity": values.get("quantity", float(line["quantity"]) if line else None),
            "taxes": [],
            **{
                f"_parent_sale.{name}": _id(header.get(name))
                for name in ("party", "invoice_party", "currency", "company", "price_list", "sale_date")
            },
        }
        answered: Row = self.session.call("model.sale.line.on_change", start, ["product"], within=within)
        return answered


def _taxes(line: Row | None, answered: Row) -> list[list[Any]]:
    """Return the operations that leave a line with the taxes that the form answered."""
    taxes = [int(one[1]["id"]) for one in (answered.get("taxes") or {}).get("add", [])]
    old = [] if line is None else [["remove", [tax["id"] for tax in line.get("taxes") or []]]]
    return [*old, ["add", taxes]]


def _line(row: Row) -> Fields:
    return {
        "id": str(row["id"]),
        "note": row["note"],
        "product": {"code": get(row, "product", "code")},
        "quantity": row["quantity"],
        "unit": {"symbol": get(row, "unit", "symbol")},
        "unit_price": row["unit_price"],
        "description": row["description"],
        "sequence": None if row["sequence"] is None else Decimal(row["sequence"]),
        "amount": row.get("amount"),
        "tax_code": ", ".join(tax["name"] for tax in row["taxes"]) or None,
        "tax_rate": _tax_rate(row["taxes"]),
        "tax_off": ", ".join(_switched_off(row["taxes"])) or None,
        "tier_price": row.get("tier_price"),
        **progress.of_line(row),
    }


def _tax_rate(taxes: list[Row]) -> Decimal:
    """Return the sum of the percentages; a group of taxes (a state's and a county's) counts by its members."""
    members = [one for tax in taxes for one in ([tax] if tax["type"] != "none" else tax["childs"])]
    return sum((one["rate"] for one in members if one["type"] == "percentage"), Decimal(0))


def _switched_off(taxes: list[Row]) -> list[str]:
    """Return the taxes that are switched off, members of groups too: the server goes on booking them."""
    return [one["name"] for tax in taxes for one in (tax, *tax["childs"]) if not one["active"]]


def _present(present: Mapping[int, Row], item: str) -> Row | None:
    return present.get(int(item)) if item.isdecimal() else None


def _code(line: Row | None, changes: Mapping[str, Any]) -> str:
    return str(changes.get("product.code") or get(line, "product", "code") or "")


def _id(value: Any) -> Any:
    """A link is an id, or after nesting a mapping with one."""
    return value["id"] if isinstance(value, Mapping) else value


def _no_product() -> PermanentError:
    return PermanentError(
        "order: a line names no part", field="lines.product.code", mend="name it on the order, then requeue"
    )


def _line_order(line: Row) -> tuple[bool, int, int]:
    return line["sequence"] is not None, line["sequence"] or 0, line["id"]


def _price(value: Decimal) -> Decimal:
    return Decimal(value).quantize(PRICE_DIGITS, rounding=ROUND_HALF_EVEN)
