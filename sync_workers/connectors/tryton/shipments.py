"""Shipments: ``stock.shipment.out`` with the moves that leave the house.

An order is shipped in as many of them as the warehouse likes: what stays behind gets a shipment of its own
once the first is on its way. A shipment that was done by mistake is cancelled by somebody of the group Stock
Cancellation, and keeps its number and its moves. Source: trytond modules ``stock`` 8.2, ``shipment.py``
(``_transitions``, ``get_outgoing_moves``), ``stock_shipment_cost`` 8.2 (``carrier``) and
``stock_package_shipping`` 8.2 (``shipping_reference``, of the shipment and of each package); the last two
may be missing, and then carrier and tracking are not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync_workers.connectors.contract import Fields, Native, Traits, Variant
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.documents import BUSY_AFTER, Document, tracking_of
from sync_workers.connectors.tryton.origins import Origin, Origins, order_of
from sync_workers.connectors.tryton.records import Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session

MODEL = "stock.shipment.out"
CANCELLED = "cancelled"
LEFT = ("shipped", "done", CANCELLED)
PLANNED = "planned"
"""What a rep need not tell apart: draft, waiting, assigned, picked, packed."""

_PLAIN = ("number", "planned_date", "effective_date")
_OURS = (["shipment", "like", f"{MODEL},%"],)


class Shipments(Document):
    """Reads shipments to customers."""

    name = "shipment"
    model = MODEL
    traits = Traits(variant=Variant.T2, busy_after=BUSY_AFTER)
    asked = (
        *_PLAIN,
        "state",
        "customer",
        "warehouse.name",
        "delivery_address.full_address",
        "carrier.party.name",
        "shipping_reference",
        "root_packages.shipping_reference",
        "outgoing_moves.product.code",
        "outgoing_moves.product.name",
        "outgoing_moves.quantity",
        "outgoing_moves.unit.symbol",
        "outgoing_moves.origin",
        "outgoing_moves.state",
        "outgoing_moves._timestamp",
        "_timestamp",
        "last_modified_at",
    )
    tables = (
        Table(MODEL),
        Table("stock.move", "shipment", _OURS),
        Table("stock.package", "shipment", _OURS, needs="root_packages"),
    )
    children = {"outgoing_moves": "stock.move"}
    places = {
        **{path: Place(MODEL, path) for path in (*_PLAIN, "customer", "carrier", "warehouse")},
        "state": Place(MODEL, "state", (PLANNED, *LEFT)),
        "order": Place("stock.move", "origin"),
        "tracking": Place(MODEL, "shipping_reference"),
        "ship_to": Place(MODEL, "delivery_address"),
        "lines": Place(MODEL, "outgoing_moves"),
        "lines.line": Place("sale.line", "note"),
        "lines.description": Place("product.product", "name"),
        "lines.product.code": Place("stock.move", "product"),
        "lines.quantity": Place("stock.move", "quantity"),
        "lines.unit.symbol": Place("stock.move", "unit"),
    }
    searched = {"id": "id", "number": "number", "tracking": "shipping_reference"}

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._origins = Origins(session)

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows, with the orders of all their moves asked in one call."""
        origins = self._origins.of_lines(
            (move["origin"] for row in rows for move in row["outgoing_moves"]), within
        )
        return [self.native(row | {"origins": origins}) for row in rows]

    def shown(self, row: Row) -> Fields:
        origins: Mapping[str, Origin] = row["origins"]
        moves = _moves(row)
        state = str(row["state"])
        order = order_of(origins[move["origin"]] for move in moves if move["origin"] in origins)
        fields: Fields = {
            "id": str(row["id"]),
            **{path: row[path] for path in _PLAIN},
            "order": str(order.order) if order else None,
            "customer": str(order.customer if order else row["customer"]),
            "state": state if state in LEFT else PLANNED,
            "warehouse": get(row, "warehouse", "name"),
            "ship_to": get(row, "delivery_address", "full_address"),
            "lines": [_line(move, origins) for move in moves],
        }
        if "carrier" in row:
            fields["carrier"] = get(row, "carrier", "party", "name")
        if "shipping_reference" in row:
            fields["tracking"] = tracking_of(row)
        return fields


def _moves(row: Row) -> list[Row]:
    """Return what is or was in the parcel: cancelled moves only where all of it was cancelled."""
    moves = row["outgoing_moves"]
    if row["state"] != CANCELLED:
        moves = [move for move in moves if move["state"] != CANCELLED]
    return sorted(moves, key=lambda move: int(move["id"]))


def _line(move: Row, origins: Mapping[str, Origin]) -> Fields:
    origin = origins.get(move["origin"])
    return {
        "id": str(move["id"]),
        "line": origin.key if origin else None,
        "product": {"code": get(move, "product", "code")},
        "description": get(move, "product", "name"),
        "quantity": move["quantity"],
        "unit": {"symbol": get(move, "unit", "symbol")},
    }
