"""What other records say of an invoice: its order, the parcels it bills, when they left, what it credits.

Gathered for a page of invoices at once. When goods left is in the server's log of transitions, which every
user may read record by record: a move has the day only, and its stamp is moved by later changes. What a credit
gives back is named by its lines where it was made from an invoice; a credit for a return, or for a shipment
that was undone, gives back what was billed of the same part in that order. Source: trytond 8.2,
``model/workflow.py`` (``transition``), ``ir/model.py`` (``Log``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sync_workers.connectors.contract import Fields
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.documents import text
from sync_workers.connectors.tryton.origins import Origin, Origins, followed, order_of
from sync_workers.connectors.tryton.records import PAGE
from sync_workers.connectors.tryton.session import Deadline, Row, Session

DONE = "done"
OUT = "stock.shipment.out"
LOG = "ir.model.log"

ASKED = (
    "lines.type",
    "lines.sequence",
    "lines.origin",
    "lines.product.code",
    "lines.description",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit_price",
    "lines.amount",
    "lines.stock_moves.shipment",
    "lines.stock_moves.state",
    "lines._timestamp",
)


class Billing:
    """Fills rows of invoices with what their lines lead to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._origins = Origins(session)

    def gather(self, rows: Sequence[Row], within: Deadline) -> None:
        """Put order, customer, shipments, shipped_at, has_left, credits and shown_lines into each row."""
        lines = [line for row in rows for line in _lines(row)]
        credited = self._origins.credited_lines((line["origin"] for line in lines), within)
        sources = {line["id"]: followed(line["origin"], credited) for line in lines}
        origins = self._origins.of_lines(sources.values(), within)
        numbers, left_at = self._parcels(lines, within)
        for row in rows:
            own = {line["id"]: origins[sources[line["id"]]] for line in _lines(row) if sources[line["id"]] in origins}
            order = order_of(own.values())
            moves = [move for line in _lines(row) for move in line["stock_moves"]]
            parcels = {move["shipment"] for move in moves if move["shipment"]}
            left = [left_at[move["shipment"]] for move in moves if _has_left(move) and move["shipment"] in left_at]
            row["order"] = str(order.order) if order else None
            row["customer"] = str(order.customer) if order else None
            row["shipments"] = text(numbers.get(parcel) for parcel in parcels)
            row["has_left"] = bool(moves) and all(_has_left(move) for move in moves)
            row["shipped_at"] = max(left, default=None)
            row["shown_lines"] = [_line(line, own.get(line["id"])) for line in sorted(_lines(row), key=_place)]
        self._credits(rows, credited, {key: origins[s] for key, s in sources.items() if s in origins}, within)

    def _parcels(self, lines: Sequence[Row], within: Deadline) -> tuple[dict[str, str], dict[str, datetime]]:
        """Return the number of each shipment that a line bills, and when those to customers were done."""
        parcels = {move["shipment"] for line in lines for move in line["stock_moves"] if move["shipment"]}
        by_model: dict[str, set[int]] = {}
        for parcel in parcels:
            model, _, number = parcel.partition(",")
            by_model.setdefault(model, set()).add(int(number))
        numbers = {
            f"{model},{row['id']}": row["number"]
            for model, ids in by_model.items()
            for row in self._origins.rows(model, ids, ["number"], within)
        }
        left_at: dict[str, datetime] = {}
        out = sorted(parcel for parcel in parcels if parcel.startswith(f"{OUT},"))
        for at in range(0, len(out), PAGE):
            domain = [
                ["resource", "in", out[at : at + PAGE]],
                ["event", "=", "transition"],
                ["target", "=", f"state:{DONE}"],
            ]
            for row in self._session.search_read(LOG, domain, ["resource", "create_date"], within=within):
                known = left_at.get(row["resource"])
                left_at[row["resource"]] = max(known, row["create_date"]) if known else row["create_date"]
        return numbers, left_at

    def _credits(
        self, rows: Sequence[Row], credited: Mapping[str, Row], own: Mapping[int, Origin], within: Deadline
    ) -> None:
        unnamed: list[Row] = []
        for row in rows:
            sources = (credited.get(line["origin"]) for line in _lines(row))
            named = {get(source, "invoice", "number") for source in sources if source}
            row["credits"] = text(named)
            if not any(named) and row["total_amount"] < 0 and row["order"]:
                unnamed.append(row)
        billed = self._origins.billed({int(row["order"]) for row in unnamed}, within) if unnamed else {}
        for row in unnamed:
            given = {own[line["id"]].product for line in _lines(row) if line["quantity"] < 0 and line["id"] in own}
            row["credits"] = text(number for product, number in billed.get(int(row["order"]), []) if product in given)


def _lines(row: Row) -> Iterable[Row]:
    return (line for line in row["lines"] if line["type"] == "line")


def _has_left(move: Row) -> bool:
    return move["state"] == DONE and str(move["shipment"]).startswith(f"{OUT},")


def _place(line: Row) -> tuple[bool, int, int]:
    return line["sequence"] is not None, line["sequence"] or 0, line["id"]


def _line(line: Row, origin: Origin | None) -> Fields:
    return {
        "id": str(line["id"]),
        "line": origin.key if origin else None,
        "product": {"code": get(line, "product", "code")},
        "description": line["description"],
        "quantity": line["quantity"],
        "unit": {"symbol": get(line, "unit", "symbol")},
        "unit_price": line["unit_price"],
        "amount": line["amount"],
    }
