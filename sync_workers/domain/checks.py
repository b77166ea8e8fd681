"""What must be right before an order is confirmed: amounts, tax codes and prices, compared to the line.

Pure: each check gets what two systems show of one record, and returns an objection in words or None.
The amounts are recomputed as the ERP computes them: per line to the currency's digits, half to even, the
tax per line or per document. Source of that rule: trytond modules ``currency`` 8.2 (``Currency.round``),
``account`` 8.2 (``TaxableMixin._round_taxes``, ``tax_rounding``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from sync_workers.domain.amounts import digits_of
from sync_workers.domain.mapping import Check
from sync_workers.domain.records import Items, Scalar, Value, Values

LINES = "lines"
PER_LINE = "line"
GROSS = "gross"
RECHECK = timedelta(minutes=10)
"""Nothing tells that a tax was switched on again."""


class Objection(NamedTuple):
    """Why a step must not be taken. ``code`` is stable and short, ``message`` names line and figures.

    ``recheck`` is how soon to look again by ourselves, None when news of the record tell when it is mended.
    """

    code: str
    message: str
    mend: str
    recheck: timedelta | None = None


Judge = Callable[[Check, Mapping[str, Value], Mapping[str, Value]], Objection | None]


@dataclass(frozen=True)
class CheckKind:
    """A check that sheets may name: ``judge(check, quoted, shown)``, its options, and the fields it reads."""

    judge: Judge
    options: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


def judge_totals(check: Check, quoted: Mapping[str, Value], shown: Mapping[str, Value]) -> Objection | None:
    """Compare each line and the document with what was quoted, and the ERP's own sums with ours.

    ``tolerance`` counts the currency's smallest units, per document; a line may differ by one. ``basis``
    "gross": the quote's amounts hold the tax.
    """
    currency = str(shown.get("currency") or quoted.get("currency") or "")
    unit = Decimal(1).scaleb(-digits_of(currency))
    tolerance = unit * Decimal(check.options.get("tolerance", "2"))
    is_gross = check.options.get("basis") == GROSS
    rounding = str(shown.get("tax_rounding") or "document")
    ours, theirs = _items(quoted), _items(shown)
    found = [*_line_differences(ours, theirs, unit, is_gross), *_own_sums(theirs, shown, unit, tolerance, rounding)]
    expected, amount = _expected(quoted, ours, is_gross), shown.get("total" if is_gross else "subtotal")
    if expected is not None and isinstance(amount, Decimal):
        slack = tolerance + unit * len(theirs) / 2  # each line is rounded by itself
        if abs(expected - amount) > slack:
            what = "with tax" if is_gross else "before tax"
            found.append(f"{what} {_money(expected)} was quoted, {check.system} has {_money(amount)}")
    if not found:
        return None
    basis = f"{'gross' if is_gross else 'net'} prices, tax rounded per {rounding}"
    return Objection(
        "totals_differ",
        f"{'; '.join(found)} ({currency}, {basis})",
        f"correct the line in {check.quoted_by}, or confirm the order in {check.system} by hand if it is right",
    )


def _expected(quoted: Mapping[str, Value], ours: Items, is_gross: bool) -> Decimal | None:
    """Return what was quoted in all: the document's own figure, else the sum of its lines."""
    figure = quoted.get("quoted")
    if isinstance(figure, Decimal):
        return figure
    amounts = [_exact_amount(item) for item in ours.values()]
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal(0)) if known and not is_gross else None


def _exact_amount(item: Mapping[str, Scalar]) -> Decimal | None:
    quantity, price = item.get("quantity"), item.get("unit_price")
    return quantity * price if isinstance(quantity, Decimal) and isinstance(price, Decimal) else None


def _line_differences(ours: Items, theirs: Items, unit: Decimal, is_gross: bool) -> Iterator[str]:
    for number, (key, item) in enumerate(theirs.items(), start=1):
        amount, mine = item.get("amount"), ours.get(key, {}).get("amount")
        if not isinstance(amount, Decimal) or not isinstance(mine, Decimal):
            continue
        if is_gross:
            amount += _round(amount * _rate(item), unit)
        if abs(mine - amount) > unit:
            yield f"{_line(number, item)} was quoted at {_money(mine)} and comes to {_money(amount)}"
    for number, (key, item) in enumerate(ours.items(), start=1):
        if key not in theirs:
            yield f"{_line(number, item)} was quoted and is missing"


def _own_sums(
    theirs: Items, shown: Mapping[str, Value], unit: Decimal, tolerance: Decimal, rounding: str
) -> Iterator[str]:
    """Recompute the ERP's amounts with its own rule."""
    bases: dict[Decimal, Decimal] = defaultdict(Decimal)
    taxes = Decimal(0)
    for number, item in enumerate(theirs.values(), start=1):
        exact, amount = _exact_amount(item), item.get("amount")
        if exact is not None and isinstance(amount, Decimal) and abs(_round(exact, unit) - amount) > unit:
            yield f"{_line(number, item)} should come to {_money(_round(exact, unit))} and comes to {_money(amount)}"
        if isinstance(amount, Decimal) and (rate := _rate(item)):
            bases[rate] += amount
            taxes += _round(amount * rate, unit)
    if rounding != PER_LINE:
        taxes = sum((_round(base * rate, unit) for rate, base in bases.items()), Decimal(0))
    tax, subtotal, total = (shown.get(name) for name in ("tax", "subtotal", "total"))
    knows_rates = all("tax_rate" in item for item in theirs.values())
    if isinstance(tax, Decimal) and knows_rates and abs(tax - taxes) > tolerance:
        yield f"the tax should be {_money(taxes)} and is {_money(tax)}"
    if isinstance(tax, Decimal) and isinstance(subtotal, Decimal) and isinstance(total, Decimal) \
            and abs(subtotal + tax - total) > tolerance:
        yield f"{_money(subtotal)} and a tax of {_money(tax)} do not make {_money(total)}"


def judge_tax_codes(check: Check, quoted: Mapping[str, Value], shown: Mapping[str, Value]) -> Objection | None:
    """Compare the tax code of each line with the one that customer and ship-to call for; a blank quote passes.

    A tax that was switched off stops every order that it stands on, quoted or not.
    """
    if (objection := _switched_off(check, _items(shown))) is not None:
        return objection
    ours, found = _items(quoted), []
    for number, (key, item) in enumerate(_items(shown).items(), start=1):
        mine = ours.get(key, {}).get("tax_code")
        if mine is not None and mine != item.get("tax_code"):
            found.append(f"{_line(number, item)} was quoted with tax code {mine}, {check.system} says"
                         f" {item.get('tax_code') or 'no tax'}")
    if not found:
        return None
    where = shown.get("ship_to")
    return Objection(
        "tax_differs", "; ".join(found) + (f" (ship-to {where})" if where else ""),
        f"correct the tax code in {check.quoted_by}, or the line's taxes in {check.system}, or confirm the order there"
        " by hand if it is right",
    )


def _switched_off(check: Check, theirs: Items) -> Objection | None:
    found = [f"{_line(number, item)} has the tax code {item['tax_off']}, which is switched off in {check.system}"
             for number, item in enumerate(theirs.values(), start=1) if item.get("tax_off")]  # fmt: skip
    if not found:
        return None
    return Objection(
        "tax_off", "; ".join(found),
        f"switch it on in {check.system}, or give the line another tax there, or confirm the order there by hand if it"
        " is right; it is tried again every ten minutes", RECHECK,
    )


def judge_tier_prices(check: Check, quoted: Mapping[str, Value], shown: Mapping[str, Value]) -> Objection | None:
    """Refuse prices more than ``below_percent`` below the customer's tier (0 when left out)."""
    part = 1 - Decimal(check.options.get("below_percent", "0")) / 100
    found = []
    for number, item in enumerate(_items(shown).values(), start=1):
        price, tier = item.get("unit_price"), item.get("tier_price")
        if isinstance(price, Decimal) and isinstance(tier, Decimal) and price < tier * part:
            found.append(f"{_line(number, item)} is quoted at {_money(price)}, the customer's tier asks {_money(tier)}")
    if not found:
        return None
    return Objection(
        "price_below_tier", "; ".join(found),
        f"correct the price in {check.quoted_by}, or confirm the order in {check.system} by hand if it was agreed",
    )


CHECKS: Mapping[str, CheckKind] = {
    "totals": CheckKind(judge_totals, ("tolerance", "basis"), ("currency", "subtotal", "tax", "total"),
                        ("quantity", "unit_price", "amount")),
    "tax_codes": CheckKind(judge_tax_codes, (), (), ("tax_code",)),
    "tier_prices": CheckKind(judge_tier_prices, ("below_percent",), (), ("unit_price", "tier_price")),
}  # fmt: skip


def judge(check: Check, quoted: Values, shown: Values) -> Objection | None:
    """Apply one check of a sheet."""
    return CHECKS[check.name].judge(check, quoted, shown)


def _items(values: Mapping[str, Value]) -> Items:
    items = values.get(LINES)
    return items if isinstance(items, dict) else {}


def _rate(item: Mapping[str, Scalar]) -> Decimal:
    rate = item.get("tax_rate")
    return rate if isinstance(rate, Decimal) else Decimal(0)


def _round(value: Decimal, unit: Decimal) -> Decimal:
    return value.quantize(unit, rounding=ROUND_HALF_EVEN)


def _line(number: int, item: Mapping[str, Scalar]) -> str:
    return f"line {number} ({item.get('part') or item.get('description') or 'no part'})"


def _money(value: Decimal) -> str:
    return f"{value:f}"
