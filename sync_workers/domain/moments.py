"""Dates and times: days without a clock, instants in UTC, and the precision that a system keeps of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync_workers.domain.converters import Converter, Spot, Unconvertible
from sync_workers.domain.records import Scalar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PRECISIONS = {"second": 1_000_000, "millisecond": 1_000, "microsecond": 1}


@dataclass(frozen=True)
class Day(Converter):
    """A calendar day. An instant is read as the day it is in ``zone``."""

    zone: str = "UTC"

    def read(self, native: Any, spot: Spot) -> Scalar:
        if isinstance(native, datetime) or not isinstance(native, date):
            text = native if isinstance(native, datetime) else str(native).strip()
            if isinstance(text, str) and len(text) == 10 and text[4] == "-":
                return _day(text)
            return instant(text, self.zone).astimezone(ZoneInfo(self.zone)).date()
        return native

    def write(self, value: Any, spot: Spot) -> Any:
        return self.read(value, spot)


@dataclass(frozen=True)
class Instant(Converter):
    """A moment; native times without an offset are in ``zone``. Finer than ``precision`` is cut off."""

    zone: str = "UTC"
    precision: str = "microsecond"

    def read(self, native: Any, spot: Spot) -> Scalar:
        return cut(instant(native, self.zone), self.precision)

    def write(self, value: Any, spot: Spot) -> Any:
        return cut(instant(value, "UTC"), self.precision).astimezone(ZoneInfo(self.zone))


@dataclass(frozen=True)
class EpochMs(Converter):
    """A moment as milliseconds since 1970, number or text."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        return cut(instant(native, "UTC"), "millisecond")

    def write(self, value: Any, spot: Spot) -> Any:
        return (instant(value, "UTC") - EPOCH) // timedelta(milliseconds=1)


def instant(value: Any, zone: str) -> datetime:
    """Read a moment from a datetime, ISO 8601 text or epoch milliseconds, as aware UTC."""
    if isinstance(value, datetime):
        found = value
    else:
        text = str(value).strip()
        try:
            if text.lstrip("-").isdigit() and len(text) > 8:
                return EPOCH + timedelta(milliseconds=int(text))
            found = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            raise Unconvertible(
                "is not a date or time", "write it as 2026-11-24 or 2026-11-24T09:30:00Z"
            ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone))
    return found.astimezone(UTC)


def cut(moment: datetime, precision: str) -> datetime:
    """Drop what the system does not keep."""
    step = PRECISIONS[precision]
    return moment.replace(microsecond=moment.microsecond // step * step)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unconvertible("is not a date", "write it as 2026-11-24") from None
