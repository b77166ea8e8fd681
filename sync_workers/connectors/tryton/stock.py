"""Stock: what the warehouse has of each part, in the part's base unit. Read only: the ERP owns it.

- ``on_hand``: ``quantity`` of the product in the storage location with its children, today.
- ``allocated``: all planned moves that leave the storage zone, whatever their date.
- ``available``: on hand less allocated, may be negative; what sales may still promise.
- ``on_order``, ``on_order_date``: planned moves that enter the warehouse, and the first of their dates.
- ``forecast``: ``forecast_quantity`` of today, as Tryton's own screens show it.

``forecast_quantity`` alone would promise too much: it counts planned moves of its one day only, so a
late delivery and an order for next week are both missing, and to a far day it counts purchases that
are not here yet. Source: trytond modules ``stock`` 8.2, ``move.py`` (``compute_quantities_query``: the
clauses on state and date) and ``product.py`` (``get_quantity``: no ``locations`` in the context, no stock).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sync_workers.connectors.contract import Fields, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import PAGE, Kind, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError

_ZERO = Decimal(0)
OPEN = ("draft", "assigned")


class Stock(Kind):
    """Reads stock figures; their ids are those of the products."""

    name = "stock"
    model = "product.product"
    traits = Traits(variant=Variant.T2, batch=PAGE)
    asked = ("code", "active", "quantity", "forecast_quantity", "last_modified_at", "_timestamp")
    tables = (Table("stock.move", "product"),)
    places = {
        "code": Place("product.product", "code"),
        "on_hand": Place("product.product", "quantity"),
        "forecast": Place("product.product", "forecast_quantity"),
        "allocated": Place("stock.move", "internal_quantity"),
        "available": Place("product.product", "quantity"),
        "on_order": Place("stock.move", "internal_quantity"),
        "on_order_date": Place("stock.move", "planned_date"),
    }
    searched = {"id": "id", "code": "code"}

    def __init__(self, session: Session, lookups: Lookups, warehouse: str | None) -> None:
        super().__init__(session)
        self._lookups = lookups
        self._name = warehouse
        self._places: Row | None = None

    def warehouse(self, within: Deadline) -> Row:
        """Return the warehouse whose stock is read."""
        if self._places is None:
            self._places = self._lookups.warehouse(self._name, within)
        return self._places

    def context(self, within: Deadline) -> Mapping[str, Any]:
        # Tryton's day is the server's; a stock_date_end in the future of it would turn quantity into a
        # forecast, one in the past would hide today's moves.
        today: date = self._today(within)
        return {
            "locations": [self.warehouse(within)["storage_location"]],
            "with_childs": True,
            "stock_date_end": today,
        }

    def _today(self, within: Deadline) -> date:
        company = self.session.login(within).context["company"]
        today: date = self.session.call("model.ir.date.today", within=within, context={"company": company})
        return today

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Add to one page of products what is planned to leave and to arrive, in one further call."""
        moves = self._planned([row["id"] for row in rows], within) if rows else []
        storage = self._inside(self.warehouse(within)["storage_location"], within)
        house = self._inside(self.warehouse(within)["id"], within)
        for row in rows:
            row["allocated"], row["on_order"], row["on_order_date"] = _ZERO, _ZERO, None
        by_id = {row["id"]: row for row in rows}
        for move in moves:
            row = by_id[move["product"]]
            if move["from_location"] in storage and move["to_location"] not in storage:
                row["allocated"] += move["internal_quantity"]
            elif move["from_location"] not in house and move["to_location"] in house:
                row["on_order"] += move["internal_quantity"]
                due = move["planned_date"]
                if due and (row["on_order_date"] is None or due < row["on_order_date"]):
                    row["on_order_date"] = due
        return [self.native(row) for row in rows]

    def native(self, row: Row) -> Native:
        on_hand: Decimal = row["quantity"]
        fields: Fields = {
            "id": str(row["id"]),
            "code": row["code"],
            "on_hand": on_hand,
            "allocated": row["allocated"],
            "available": on_hand - row["allocated"],
            "on_order": row["on_order"],
            "on_order_date": row["on_order_date"],
            "forecast": row["forecast_quantity"],
        }
        return Native(id=str(row["id"]), fields=fields, archived=self.archived_only(row), changed_at=None)

    def snapshot(self, within_s: float = 60.0) -> Iterator[Native]:
        """Yield the figures of every part, by product id, a page at a time; each page has ``within_s``."""
        after = 0
        while True:
            within = Deadline(within_s)
            rows = self.rows([["id", ">", after]], within, PAGE)
            yield from self.natives(rows, within)
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    def create(self, write: NativeWrite, within: Deadline) -> int:
        raise self._owned()

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        raise self._owned()

    def _planned(self, products: Sequence[int], within: Deadline) -> list[Row]:
        return self.session.search_read(
            "stock.move",
            [["product", "in", list(products)], ["state", "in", list(OPEN)]],
            ["product", "internal_quantity", "from_location", "to_location", "planned_date"],
            within=within,
        )

    def _inside(self, location: int, within: Deadline) -> set[int]:
        ids = self.session.call(
            "model.stock.location.search", [["parent", "child_of", [location]]], 0, None, None, within=within
        )
        return set(ids)

    @staticmethod
    def _owned() -> PermanentError:
        return PermanentError(
            "stock: Tryton owns it and keeps it by moves", mend="give the field the ERP as its owner"
        )
