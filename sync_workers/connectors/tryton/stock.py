"""Stock: what the warehouses have of each part, in the part's base unit. Read only: the ERP owns it.

- ``on_hand``: ``quantity`` of the product in the storage location with its children, today.
- ``allocated``: all planned moves that leave the storage zone, whatever their date.
- ``available``: on hand less allocated, may be negative; what sales may still promise.
- ``on_order``, ``on_order_date``: planned moves that enter the warehouse from outside, and the first of their
  dates. What has arrived and waits in the input zone to be put away is among them: it is not on hand yet.
- ``forecast``: ``forecast_quantity`` of today, as Tryton's own screens show it.
- ``warehouses``: the same for each, by ``name`` and ``code``. The figures above are over all of them: what goes
  from one straight to another is allocated in the first and on order in the second, and neither in total.

``forecast_quantity`` alone would promise too much: it counts planned moves of its one day only, so a
late delivery and an order for next week are both missing, and to a far day it counts purchases that
are not here yet. Source: trytond modules ``stock`` 8.2, ``move.py`` (``compute_quantities_query``: the
clauses on state and date) and ``product.py`` (``get_quantity``: no ``locations`` in the context, no stock).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from sync_workers.connectors.contract import Fields, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton.lately import STANDING_S, Lately
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import PAGE, Kind, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError

Quantities = dict[int, tuple[Decimal, Decimal]]  # by product: in a warehouse today, and the forecast
_ZERO = Decimal(0)
OPEN = ("draft", "assigned")
FIGURES = {
    "on_hand": Place("product.product", "quantity"),
    "allocated": Place("stock.move", "internal_quantity"),
    "available": Place("product.product", "quantity"),
    "on_order": Place("stock.move", "internal_quantity"),
    "on_order_date": Place("stock.move", "planned_date"),
}


@dataclass(frozen=True)
class Zones:
    """The ids of a warehouse's locations: all of them, where goods are stored, and where they come in."""

    house: frozenset[int]
    storage: frozenset[int]
    entry: frozenset[int]

    @classmethod
    def of(cls, house: Set[int], storage: Set[int], entry: Set[int]) -> Zones:
        return cls(frozenset(house | storage | entry), frozenset(storage), frozenset(entry))

    def __or__(self, other: Zones) -> Zones:
        return Zones(self.house | other.house, self.storage | other.storage, self.entry | other.entry)


class Stock(Kind):
    """Reads stock figures; their ids are those of the products."""

    name = "stock"
    model = "product.product"
    traits = Traits(variant=Variant.T2, batch=PAGE)
    asked = ("code", "active", "quantity", "forecast_quantity", "last_modified_at", "_timestamp")
    tables = (Table("stock.move", "product"),)
    places = {
        "code": Place("product.product", "code"),
        "forecast": Place("product.product", "forecast_quantity"),
        **FIGURES,
        "warehouses.name": Place("stock.location", "name"),
        "warehouses.code": Place("stock.location", "code"),
        **{f"warehouses.{path}": place for path, place in FIGURES.items()},
    }
    searched = {"id": "id", "code": "code"}

    def __init__(
        self, session: Session, lookups: Lookups, warehouse: str | None, warehouses: Sequence[str] = ()
    ) -> None:
        """Read ``warehouses`` by name or code, or else the one ``warehouse``, or else the only one there is."""
        super().__init__(session)
        self._lookups = lookups
        named = (warehouses,) if isinstance(warehouses, str) else tuple(warehouses)
        self.names: tuple[str | None, ...] = named or (warehouse,)
        self._places: list[Row] | None = None
        self._day = Lately(self._today, STANDING_S)
        self._zoned = Lately(self._zones, STANDING_S)

    def warehouses(self, within: Deadline) -> list[Row]:
        """Return the warehouses whose stock is read, in the order of the settings."""
        if self._places is None:
            found = [self._lookups.warehouse(name, within) for name in self.names]
            if len({row["id"] for row in found}) < len(found):
                raise PermanentError(
                    f"warehouses names one of Tryton's warehouses twice: {', '.join(map(str, self.names))}",
                    field="warehouses",
                    mend="name each warehouse of this system once, by its name or its code",
                )
            self._places = found
        return self._places

    def context(self, within: Deadline) -> Mapping[str, Any]:
        return self._shelf(self.warehouses(within)[0], self._day.get(within))

    def _shelf(self, warehouse: Row, today: date) -> dict[str, Any]:
        # Tryton's day is the server's; a stock_date_end in the future of it would turn quantity into a
        # forecast, one in the past would hide today's moves.
        return {"locations": [warehouse["storage_location"]], "with_childs": True, "stock_date_end": today}

    def _today(self, within: Deadline) -> date:
        company = self.session.login(within).context["company"]
        today: date = self.session.call("model.ir.date.today", within=within, context={"company": company})
        return today

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Add to one page of products, which has the first warehouse's quantities, those of the others and
        what is planned to leave and to arrive: one call for each other warehouse and two for all."""
        if not rows:
            return []
        found, ids = self.warehouses(within), [row["id"] for row in rows]
        shelves = [_quantities(rows), *(self._on_shelf(ids, warehouse, within) for warehouse in found[1:])]
        zones = self._zoned.get(within)
        planned: dict[int, list[Row]] = {}
        for move in self._planned(ids, within):
            planned.setdefault(move["product"], []).append(move)
        for row in rows:
            moves = planned.get(row["id"], ())
            on_hand, forecast = zip(*(shelf.get(row["id"], (_ZERO, _ZERO)) for shelf in shelves), strict=True)
            row["forecast"] = sum(forecast, _ZERO)
            row["figures"] = _figures(sum(on_hand, _ZERO), moves, reduce(or_, zones))
            row["warehouses"] = [
                {"name": warehouse["name"], "code": warehouse["code"], **_figures(has, moves, zone)}
                for warehouse, has, zone in zip(found, on_hand, zones, strict=True)
            ]
        return [self.native(row) for row in rows]

    def native(self, row: Row) -> Native:
        fields: Fields = {
            "id": str(row["id"]),
            "code": row["code"],
            **row["figures"],
            "forecast": row["forecast"],
            "warehouses": row["warehouses"],
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

    def _on_shelf(self, ids: Sequence[int], warehouse: Row, within: Deadline) -> Quantities:
        rows = self.session.search_read(
            self.model,
            [["id", "in", list(ids)]],
            ["quantity", "forecast_quantity"],
            within=within,
            context=self._shelf(warehouse, self._day.get(within)),
        )
        return _quantities(rows)

    def _zones(self, within: Deadline) -> list[Zones]:
        """Return which locations are in each warehouse, with those that stand in others."""
        warehouses = self.warehouses(within)
        roots = [row[name] for row in warehouses for name in ("id", "storage_location", "input_location")]
        rows = self.session.search_read(
            "stock.location", [["parent", "child_of", sorted(set(roots))]], ["parent"], within=within
        )
        parents = {row["id"]: row["parent"] for row in rows}
        return [
            Zones.of(*(_below(row[name], parents) for name in ("id", "storage_location", "input_location")))
            for row in warehouses
        ]

    @staticmethod
    def _owned() -> PermanentError:
        return PermanentError(
            "stock: Tryton owns it and keeps it by moves", mend="give the field the ERP as its owner"
        )


def _figures(on_hand: Decimal, moves: Iterable[Row], zones: Zones) -> Fields:
    """Return one part's figures in these zones; ``moves`` are its planned ones, wherever they go."""
    allocated, on_order, day = _ZERO, _ZERO, None
    for move in moves:
        start, end = move["from_location"], move["to_location"]
        is_in = start not in zones.house and end in zones.house
        is_put_away = start in zones.entry and end in zones.storage and start not in zones.storage
        if start in zones.storage and end not in zones.storage:
            allocated += move["internal_quantity"]
        elif is_in or is_put_away:
            on_order += move["internal_quantity"]
            due = move["planned_date"]
            day = due if day is None or (due and due < day) else day
    return {
        "on_hand": on_hand, "allocated": allocated, "available": on_hand - allocated, "on_order": on_order,
        "on_order_date": day,
    }  # fmt: skip


def _quantities(rows: Iterable[Row]) -> Quantities:
    return {row["id"]: (row["quantity"], row["forecast_quantity"]) for row in rows}


def _below(root: int, parents: Mapping[int, int | None]) -> frozenset[int]:
    """Return a location with all that stands in it."""
    inside = {root}
    waiting = [root]
    children: dict[int | None, list[int]] = {}
    for location, parent in parents.items():
        children.setdefault(parent, []).append(location)
    while waiting:
        found = [one for one in children.get(waiting.pop(), ()) if one not in inside]
        inside.update(found)
        waiting += found
    return frozenset(inside)
