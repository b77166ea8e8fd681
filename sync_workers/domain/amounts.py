"""Numbers: decimals, money in its currency's digits, whole numbers, quantities and units of measure.

Numbers are ``Decimal`` here; natively they may be Decimal, int, float or text. What a system keeps
fewer digits of is rounded on the way in, so that the merge knows beforehand what it will show.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from sync_workers.domain.converters import Converter, Spot, Unconvertible
from sync_workers.domain.native import look
from sync_workers.domain.records import Scalar

MOST_TEXTS, SHORT_TEXT = 4096, 40  # remembered: a number may be as long as a whole delivery
ROUNDINGS = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "down": decimal.ROUND_DOWN,
    "up": decimal.ROUND_UP,
}
# ISO 4217, list one, column "minor unit"; all others have two digits.
CURRENCY_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def digits_of(currency: str) -> int:
    """Return how many digits a currency's amounts have behind the point."""
    return CURRENCY_DIGITS.get(currency.upper(), 2)


@dataclass(frozen=True)
class Number(Converter):
    """A decimal; ``digits`` None keeps all that there are."""

    digits: int | None = None
    rounding: str = "half_up"

    def read(self, native: Any, spot: Spot) -> Scalar:
        return read_number(native, self.digits, self.rounding)

    def write(self, value: Any, spot: Spot) -> Any:
        return rounded(number(value), self.digits, self.rounding)


@dataclass(frozen=True)
class Integer(Converter):
    """A whole number; a fraction is refused, never cut off."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        return self._whole(native)

    def write(self, value: Any, spot: Spot) -> Any:
        return int(self._whole(value))

    @staticmethod
    def _whole(value: Any) -> Decimal:
        found = number(value)
        if found != found.to_integral_value():
            raise Unconvertible("is not a whole number")
        return found.to_integral_value()


@dataclass(frozen=True)
class Money(Converter):
    """An amount in the digits of the currency that the canonical field ``currency`` names."""

    currency: str = "currency"
    rounding: str = "half_up"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.currency,)

    def read(self, native: Any, spot: Spot) -> Scalar:
        return read_number(native, self._digits(spot), self.rounding)

    def write(self, value: Any, spot: Spot) -> Any:
        # Without the currency at hand it goes over as it was read: already in the currency's digits.
        digits = self._digits(spot) if spot.values.get(self.currency) is not None else None
        return rounded(number(value), digits, self.rounding)

    def _digits(self, spot: Spot) -> int:
        code = spot.values.get(self.currency)
        if not isinstance(code, str) or len(code) != 3:
            mend = f"fill the field {self.currency!r} with a currency code such as EUR"
            raise Unconvertible("is money without a currency", mend)
        return digits_of(code)


_ONE = Fraction(1)


@dataclass(frozen=True)
class Units:
    """A system's units: native name, how many canonical units it holds, canonical name."""

    entries: tuple[tuple[str, Fraction, str], ...]

    def factor(self, native: str) -> Fraction:
        for name, factor, _ in self.entries:
            if name == native:
                return factor
        raise self._unknown(native)

    def canonical(self, native: str) -> str:
        for name, _, canonical in self.entries:
            if name == native:
                return canonical
        raise self._unknown(native)

    def native(self, canonical: str) -> str:
        """Return the system's own unit that is exactly one canonical unit."""
        for name, factor, found in self.entries:
            if found == canonical and factor == 1:
                return name
        mend = f"add one that is exactly one {canonical} to the sheet's [units] table in its next version"
        raise Unconvertible(f"needs the unit {canonical!r}, which the sheet does not know there", mend)

    def _unknown(self, unit: str) -> Unconvertible:
        known = ", ".join(name for name, _, _ in self.entries) or "none"
        mend = (f"write a unit that it knows there ({known}), or add {unit!r} to the sheet's [units] table in its next"
                " version")  # fmt: skip
        return Unconvertible(f"needs the unit {unit!r}, which the sheet does not know", mend)


@dataclass(frozen=True)
class Unit(Converter):
    """The unit's name; a system's box of twelve is canonical pieces, and ``Quantity`` multiplies."""

    units: Units | None = None

    def read(self, native: Any, spot: Spot) -> Scalar:
        return self.units.canonical(str(native).strip()) if self.units else str(native).strip()

    def write(self, value: Any, spot: Spot) -> Any:
        return self.units.native(str(value)) if self.units else str(value)


@dataclass(frozen=True)
class Quantity(Converter):
    """An amount of goods in canonical units; exact or refused, never rounded on conversion.

    ``unit`` is the native path, beside this one, of the unit it is counted in.
    ``per_unit``: the number is a price per unit, so it is divided where quantities are multiplied.
    """

    unit: str = ""
    units: Units | None = None
    digits: int | None = None
    rounding: str = "half_up"
    per_unit: bool = False

    def read(self, native: Any, spot: Spot) -> Scalar:
        return self._times(number(native), self._factor(spot) if self.units else _ONE, spot)

    def write(self, value: Any, spot: Spot) -> Any:
        # A new item gets the native unit whose factor is one; one that is there keeps the unit it has.
        return self._times(number(value), 1 / self._factor(spot) if self.units else _ONE, spot)

    def _factor(self, spot: Spot) -> Fraction:
        name = look(spot.native, self.unit) if self.unit else None
        if self.units is None or name in (None, ""):
            return _ONE
        factor = self.units.factor(str(name).strip())
        return 1 / factor if self.per_unit else factor

    def _times(self, value: Decimal, factor: Fraction, spot: Spot) -> Decimal:
        if factor is _ONE or factor == 1:
            return rounded(value, self.digits, self.rounding)
        try:
            times = exact(Fraction(value) * factor)
        except Unconvertible as error:
            unit = look(spot.native, self.unit)
            mend = f"quote a price that comes to full digits by {factor}, or in the base unit" if self.per_unit else ""
            raise Unconvertible(f"{error}: {value:f} by {factor}, the factor of {unit!r}", mend or error.mend) from None
        return rounded(times, self.digits, self.rounding)


def number(value: Any) -> Decimal:
    """Read a native number; a float by its shortest text, so that 0.1 is 0.1."""
    if isinstance(value, bool):
        raise Unconvertible("is not a number")
    try:
        found = value if isinstance(value, Decimal) else Decimal(value if type(value) is str else str(value))
    except decimal.InvalidOperation:
        raise Unconvertible("is not a number", "write digits and a decimal point only") from None
    if not found.is_finite():
        raise Unconvertible("is not a finite number")
    return found


def read_number(native: Any, digits: int | None, rounding: str) -> Decimal:
    """Read a native number and round it. Short texts are remembered: prices and quantities come again and again."""
    if type(native) is str and len(native) <= SHORT_TEXT:
        return _read_text(native, digits, rounding)
    return rounded(number(native), digits, rounding)


@lru_cache(MOST_TEXTS)
def _read_text(native: str, digits: int | None, rounding: str) -> Decimal:
    return rounded(number(native), digits, rounding)


def rounded(value: Decimal, digits: int | None, rounding: str) -> Decimal:
    """Round to ``digits`` places. A number too long for exact arithmetic is refused."""
    if digits is None:
        return value
    try:
        return value.quantize(_step(digits), rounding=ROUNDINGS[rounding])
    except decimal.InvalidOperation:
        raise Unconvertible("has more digits than an amount can have") from None


@cache
def _step(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)


def exact(value: Fraction) -> Decimal:
    """Turn a fraction into a decimal, or refuse: a third of a box has no exact number of pieces."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        raise Unconvertible(
            "cannot be converted exactly into the other unit", "order a whole number of units"
        )
    return Decimal(value.numerator) / Decimal(value.denominator)
