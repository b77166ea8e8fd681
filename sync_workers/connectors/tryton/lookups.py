"""Names and codes to Tryton's ids: terms, price lists, currencies, countries, units, parts.

Small tables are kept for a few minutes and asked again on a miss, so that a term added in Tryton is
known at once. A name that nobody has, or that two have, is refused with what would mend it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.lately import STANDING_S, Lately
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError

KEPT_S = 300.0


@dataclass(frozen=True)
class Part:
    """What a sale line needs to know of a product."""

    id: int
    code: str
    category: int  # of its units of measure


class Lookups:
    """Looks up by what people write, in one company of one server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._rounding = Lately(self._ask_rounding, KEPT_S)
        self._currency = Lately(self._ask_currency, STANDING_S)
        self._kept: dict[tuple[str, tuple[str, ...]], tuple[float, dict[str, list[int]]]] = {}

    def named(self, model: str, name: Any, path: str, within: Deadline) -> int | None:
        """Return the id of the record with this name; None for an empty one."""
        return self.coded(model, "name", name, path, within)

    def coded(self, model: str, field: str, value: Any, path: str, within: Deadline) -> int | None:
        """Return the id of the one active record whose ``field`` is ``value``; None for an empty value."""
        if value is None or value == "":
            return None
        ids = self._ids(model, (field,), str(value), within)
        if len(ids) != 1:
            has = "none has" if not ids else f"{len(ids)} have"
            raise PermanentError(
                f"{path}: of {model} in Tryton {has} the {field} {value!r}",
                field=path,
                mend="add it there, then requeue" if not ids else "rename all but one there, then requeue",
            )
        return ids[0]

    def currency(self, code: Any, within: Deadline) -> int | None:
        """Return the id of a currency; one without a rate is refused before the server trips over it."""
        if code is None or code == "":
            return None
        rows = self._session.search_read(
            "currency.currency", [["code", "=", str(code)]], ["active", "rate"], within=within
        )
        live = [row for row in rows if row["active"]]
        is_own = len(live) == 1 and not live[0]["rate"] and live[0]["id"] == self.company_currency(within)["id"]
        if (refusal := no_currency(str(code), live, is_own=is_own)) is not None:
            raise refusal
        return int(live[0]["id"])

    def company_currency(self, within: Deadline) -> Row:
        """Return the currency of the company that we work in, with its code, digits and today's rate."""
        return self._currency.get(within)

    def _ask_currency(self, within: Deadline) -> Row:
        company = self._session.login(within).context["company"]
        fields = [f"currency.{name}" for name in ("code", "digits", "rounding", "rate")]
        rows = self._session.search_read("company.company", [["id", "=", company]], fields, within=within)
        currency: Row = rows[0]["currency"]
        return currency

    def tax_rounding(self, within: Deadline) -> str:
        """Return ``line`` or ``document``: at what level the company rounds taxes. Kept like the small tables."""
        return self._rounding.get(within)

    def _ask_rounding(self, within: Deadline) -> str:
        rows = self._session.call("model.account.configuration.read", [1], ["tax_rounding"], within=within)
        return str(rows[0]["tax_rounding"])

    def country(self, code: Any, within: Deadline) -> int | None:
        """Return the id of a country by its two letters."""
        return self.coded("country.country", "code", code, "addresses.country.code", within)

    def parts(self, codes: Iterable[str], within: Deadline) -> dict[str, Part]:
        """Return the salable product of each part number; PermanentError names the first that has none."""
        wanted = sorted(set(codes))
        rows = self._session.search_read(
            "product.product",
            [["code", "in", wanted]],
            ["code", "active", "salable", "replaced_by.code", "default_uom_category"],
            within=within,
        )
        found: dict[str, Part] = {}
        for code in wanted:
            same = [row for row in rows if row["code"] == code]
            live = [row for row in same if row["active"] and row["salable"]]
            if len(live) != 1:
                raise no_part(code, same, len(live))
            found[code] = Part(live[0]["id"], code, live[0]["default_uom_category"])
        return found

    def unit(self, symbol: str, category: int, part: str, within: Deadline) -> int:
        """Return the unit with this symbol in the part's category; symbols repeat between categories."""
        ids = self._ids("product.uom", ("symbol", "category"), f"{symbol}\0{category}", within)
        if len(ids) != 1:
            raise PermanentError(
                f"part {part}: Tryton has no unit {symbol!r} that fits it",
                field="unit.symbol",
                mend="add it to the part's category of units there, or map it in the sheet; then requeue",
            )
        return ids[0]

    def warehouse(self, name: str | None, within: Deadline) -> Row:
        """Return the warehouse with this name or code, or the only one there is."""
        rows = self._session.search_read(
            "stock.location",
            [["type", "=", "warehouse"], ["active", "=", True]],
            ["name", "code", "storage_location", "output_location", "input_location"],
            within=within,
        )
        if name is not None:
            rows = [row for row in rows if name in (row["name"], row["code"], str(row["id"]))]
        if len(rows) != 1:
            raise PermanentError(
                f"Tryton has {len(rows)} warehouses" + (f" called {name!r}" if name else ""),
                field="warehouse",
                mend="set warehouse of this system to the name or code of one",
            )
        return rows[0]

    def _ids(self, model: str, fields: tuple[str, ...], key: str, within: Deadline) -> list[int]:
        with self._lock:
            kept = self._kept.get((model, fields))
        if kept is not None and time.monotonic() - kept[0] < KEPT_S and key in kept[1]:
            return kept[1][key]
        table: dict[str, list[int]] = {}
        for row in self._session.search_read(model, [], fields, within=within, context={"active_test": True}):
            table.setdefault("\0".join(str(row[field]) for field in fields), []).append(row["id"])
        with self._lock:
            self._kept[model, fields] = (time.monotonic(), table)
        return table.get(key, [])


def no_currency(code: str, live: list[Row], *, is_own: bool) -> PermanentError | None:
    """Say why an order cannot be in a currency, None when it can; the company's own needs no rate."""
    if len(live) != 1:
        return PermanentError(
            f"Tryton has no currency {code!r}" if not live else f"{len(live)} currencies are called {code!r}",
            field="currency.code",
            mend=f"add the currency {code} and its rate there, then requeue",
        )
    if not live[0]["rate"] and not is_own:
        return PermanentError(
            f"Tryton has no exchange rate for the currency {code!r}",
            field="currency.code",
            mend=f"add a rate of {code} that is valid today there, then requeue",
        )
    return None


def no_part(code: str, same: list[Row], live: int) -> PermanentError:
    if live > 1:
        return PermanentError(
            f"part {code}: {live} active parts in Tryton have this number",
            field="product.code",
            mend="give all but one another code there, then requeue",
        )
    if not same:
        return PermanentError(
            f"part {code}: Tryton has no such part",
            field="product.code",
            mend="add the part there or correct the number on the order, then requeue",
        )
    successor = next((get(row, "replaced_by", "code") for row in same if row.get("replaced_by")), None)
    if successor:
        return PermanentError(
            f"part {code}: was replaced in Tryton by {successor}",
            field="product.code",
            mend=f"order {successor} instead",
        )
    why = "is switched off" if not any(row["active"] for row in same) else "is not marked as salable"
    return PermanentError(
        f"part {code}: {why} in Tryton",
        field="product.code",
        mend="switch it on there or replace it on the order, then requeue",
    )
