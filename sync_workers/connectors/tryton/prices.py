"""Prices of parts per price list, currency and quantity, as the server computes them, per base unit.

``[systems.NAME.prices]`` names the lists, currencies and quantities; what it does not name is never read.
``sale_price_uom`` of the product is asked with them in the context, a page of products at a time: formulas,
rates and rounding are the server's own. No row of a product tells that a list, a line of it or a rate has
changed, so those tables are polled, and each of their rows is news of every part: a line may have named
another part before, and a deleted line stamps its list alone. A rate entered for a later day becomes true
without any row; the sweep finds it. Source: trytond modules ``sale`` 8.2, ``product.py``
(``get_sale_price``), ``sale_price_list`` 8.2, ``product.py``, ``product_price_list`` 8.2, ``price_list.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from sync_workers.connectors.contract import Fields, Finding
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import EVERY, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError, SettingsError

LIST = "product.price_list"
CURRENCY = "currency.currency"
PLACES: Mapping[str, Place] = {
    "prices": Place("product.product", "sale_price_uom"),
    "prices.key": Place(LIST, "name"),
    "prices.price": Place("product.product", "sale_price_uom"),
}


@dataclass(frozen=True)
class Scope:
    """Which prices are read; none by default."""

    lists: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    quantities: tuple[Decimal, ...] = (Decimal(1),)

    @classmethod
    def read(cls, system: str, table: Any) -> Scope:
        """Return the scope that ``[systems.NAME.prices]`` names. SettingsError names what is wrong with it."""
        where = f"systems.{system}.prices"
        if table is None:
            return cls()
        if not isinstance(table, Mapping) or set(table) - {"lists", "currencies", "quantities"}:
            raise _wrong(where, table)
        lists, currencies = (_texts(f"{where}.{name}", table.get(name)) for name in ("lists", "currencies"))
        quantities = table.get("quantities", [1])
        if not isinstance(quantities, list) or not quantities or not all(_is_quantity(one) for one in quantities):
            raise _wrong(f"{where}.quantities", quantities)
        return cls(lists, currencies, tuple(Decimal(str(one)) for one in quantities))

    def keys(self) -> list[str]:
        return [f"{name}/{code}/{quantity.normalize():f}" for name, code, quantity in self.combinations()]

    def combinations(self) -> list[tuple[str, str, Decimal]]:
        return list(product(self.lists, self.currencies, self.quantities))


class Prices:
    """Asks one server for the prices in scope."""

    def __init__(self, session: Session, lookups: Lookups, scope: Scope) -> None:
        self.scope = scope
        self._session = session
        self._lookups = lookups
        self._own: str | None = None

    def of(self, rows: Sequence[Row], within: Deadline) -> dict[int, list[Fields]]:
        """Return ``[{"key": "Gold/USD/12", "price": ...}]`` of each product, empty for what is not sold.

        ``rows`` show salable, sale_uom and default_uom. A price is None where the server has none.
        """
        found: dict[int, list[Fields]] = {int(row["id"]): [] for row in rows}
        by_unit: dict[int, list[int]] = {}
        for row in rows:
            # without a unit of sale the server fails for the whole page
            if row["salable"] and row["sale_uom"]:
                by_unit.setdefault(int(get(row, "default_uom", "id")), []).append(int(row["id"]))
        for (name, code, quantity), key in zip(self.scope.combinations(), self.scope.keys(), strict=True):
            context = {
                "price_list": self._lookups.named(LIST, name, "prices", within),
                "currency": self._lookups.coded(CURRENCY, "code", code, "prices", within),
                "quantity": float(quantity),
            }
            for unit, ids in by_unit.items():
                for number, price in self._ask(ids, context | {"uom": unit}, within).items():
                    found[number].append({"key": key, "price": price})
        return found

    def tables(self, within: Deadline) -> tuple[Table, ...]:
        """Return what is polled beside the products: nothing when nothing is in scope."""
        if not self.scope.lists:
            return ()
        lists = list(self.scope.lists)
        found = [
            Table(LIST, EVERY, (["name", "in", lists],)),
            Table("product.price_list.line", EVERY, (["price_list.name", "in", lists],)),
        ]
        own = self._own_currency(within)
        if foreign := [code for code in self.scope.currencies if code != own]:
            found.append(Table("currency.currency.rate", EVERY, (["currency.code", "in", [own, *foreign]],)))
        return tuple(found)

    def findings(self, within: Deadline) -> list[Finding]:
        """Return whether the server has each list and currency in scope."""
        found = []
        wanted = [(LIST, "name", name) for name in self.scope.lists]
        wanted += [(CURRENCY, "code", code) for code in self.scope.currencies]
        for model, field, value in wanted:
            try:
                self._lookups.coded(model, field, value, "prices", within)
            except PermanentError as error:
                found.append(Finding(f"Tryton: {error.message}", False, error.mend))
            else:
                found.append(Finding(f"Tryton: prices of {value}", True))
        return found

    def _own_currency(self, within: Deadline) -> str:
        if self._own is None:
            company = self._session.login(within).context["company"]
            (row,) = self._session.search_read(
                "company.company", [["id", "=", company]], ["currency.code"], within=within
            )
            self._own = str(row["currency"]["code"])
        return self._own

    def _ask(self, ids: Sequence[int], context: Mapping[str, Any], within: Deadline) -> dict[int, Decimal | None]:
        rows = self._session.search_read(
            "product.product", [["id", "in", list(ids)]], ["sale_price_uom"], within=within, context=context
        )
        return {int(row["id"]): row["sale_price_uom"] for row in rows}


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise _wrong(where, value)
    return tuple(dict.fromkeys(value))


def _is_quantity(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _wrong(where: str, value: Any) -> SettingsError:
    return SettingsError(
        f"{where} is {value!r}",
        mend='write lists = ["..."], currencies = ["USD"] and, where there are breaks, quantities = [1, 12]',
        field=where,
    )
