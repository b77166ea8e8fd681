"""Goods counted in one unit of a system: seven pieces are one box of six there, and one piece is none.

The amount itself is ``amounts.Quantity``'s: this shows it to people who sell boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

from sync_workers.domain.amounts import Number, exact, number
from sync_workers.domain.converters import Spot, Unconvertible
from sync_workers.domain.records import Scalar


def _half_up(value: Fraction) -> int:
    return floor(abs(value) + Fraction(1, 2)) * (-1 if value < 0 else 1)


# Down is towards less, whatever the sign: seven pieces too few are two boxes of six too few, not one.
WHOLE: Mapping[str, Callable[[Fraction], int]] = {"half_up": _half_up, "half_even": round, "down": floor, "up": ceil}


@dataclass(frozen=True)
class Counted(Number):
    """How many of a ``unit`` an amount in canonical units makes; ``holds`` is what is in one.

    ``digits`` None: exactly, or it is refused. Read back it is what that many units hold, so that the merge
    knows beforehand what the system will show of an amount that does not fill the last one.
    """

    rounding: str = "down"
    unit: str = ""
    holds: Fraction = Fraction(1)

    def read(self, native: Any, spot: Spot) -> Scalar:
        # Not rounded first: half a box that somebody typed is another number than what was written.
        return exact(Fraction(number(native)) * self.holds)

    def write(self, value: Any, spot: Spot) -> Any:
        count = Fraction(number(value)) / self.holds
        if self.digits is not None:
            return Decimal(WHOLE[self.rounding](count * 10**self.digits)).scaleb(-self.digits)
        try:
            return exact(count)
        except Unconvertible:
            mend = "give this place digits and rounding in the sheet's next version"
            raise Unconvertible(f"makes no exact number of {self.unit!r}, which holds {self.holds}", mend) from None
