"""The converters and derivations that a sheet may name, and the options each one takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync_workers.domain.amounts import ROUNDINGS, Integer, Money, Number, Quantity, Unit, Units, exact
from sync_workers.domain.converters import (
    Bool,
    Converter,
    Country,
    Exact,
    HtmlText,
    Record,
    Text,
    Unconvertible,
    ValueMap,
)
from sync_workers.domain.counts import Counted
from sync_workers.domain.moments import PRECISIONS, Day, EpochMs, Instant
from sync_workers.domain.records import Scalar, Value

CONVERTERS: Mapping[str, tuple[Callable[..., Converter], tuple[str, ...]]] = {
    "text": (Text, ()),
    "text_upper": (partial(Text, case="upper"), ()),
    "text_lower": (partial(Text, case="lower"), ()),
    "exact": (Exact, ()),
    "html_text": (HtmlText, ()),
    "bool": (Bool, ()),
    "integer": (Integer, ()),
    "decimal": (Number, ("digits", "rounding")),
    "money": (Money, ("currency", "rounding")),
    "quantity": (Quantity, ("unit", "units", "digits", "rounding", "count_in")),
    "unit_price": (partial(Quantity, per_unit=True), ("unit", "units", "digits", "rounding")),
    "unit": (Unit, ("units",)),
    "date": (Day, ("zone",)),
    "datetime": (Instant, ("zone", "precision")),
    "epoch_ms": (EpochMs, ()),
    "country": (Country, ("form",)),
    "map": (ValueMap, ("map",)),
}
OPTIONS = tuple(sorted({option for _, options in CONVERTERS.values() for option in options} - {"units"}))
COUNTRY_FORMS = ("alpha2", "alpha3", "name")


def build_converter(name: str, options: Mapping[str, Any], units: Units | None = None) -> Converter:
    """Return the converter of that name. ValueError in plain words for a name or option that is not there."""
    kind, _, target = name.partition(":")
    if kind == "record":
        if not target:
            raise ValueError("'record' needs the kind it points to, as in 'record:customer'")
        if options:
            raise ValueError(f"{name!r} takes no option {sorted(options)[0]!r}")
        return Record(target)
    if name not in CONVERTERS:
        raise ValueError(
            f"no converter is called {name!r}; there are {', '.join(CONVERTERS)} and record:<kind>"
        )
    make, known = CONVERTERS[name]
    given = dict(options)
    for option in given:
        if option not in known:
            raise ValueError(f"the converter {name!r} takes no option {option!r}")
    _check_options(given)
    if "count_in" in given:
        return _counted(given, units)
    if "units" in known:
        given["units"] = units
    if name == "map":
        return ValueMap(tuple(_map_entries(given)))
    return make(**given)


def _counted(given: Mapping[str, Any], units: Units | None) -> Counted:
    unit, held = given["count_in"], {name: holds for name, holds, _ in units.entries} if units else {}
    if "unit" in given:
        raise ValueError("an amount is counted either in count_in or in the unit that stands beside it, not in both")
    if unit not in held:
        known = f"which has {', '.join(held)}" if held else "which this sheet has not"
        raise ValueError(f"count_in = {unit!r} is no unit of this system's [units] table, {known}")
    try:
        exact(held[unit])
    except Unconvertible:
        raise ValueError(f"count_in = {unit!r}: {held[unit]} of the base unit is no decimal number") from None
    options = {name: given[name] for name in ("digits", "rounding") if name in given}
    return Counted(unit=unit, holds=held[unit], **options)


def _check_options(given: Mapping[str, Any]) -> None:
    for option, allowed in (("rounding", ROUNDINGS), ("precision", PRECISIONS), ("form", COUNTRY_FORMS)):
        if option in given and given[option] not in allowed:
            raise ValueError(f"{option} must be one of {', '.join(allowed)}, not {given[option]!r}")
    digits = given.get("digits")
    if digits is not None and (
        not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 12
    ):
        raise ValueError(f"digits must be a whole number from 0 to 12, not {digits!r}")
    if "zone" in given:
        try:
            ZoneInfo(str(given["zone"]))
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"zone {given['zone']!r} is not a time zone such as Europe/Berlin") from None


def _map_entries(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    entries = given.get("map")
    if not isinstance(entries, Mapping) or not entries:
        raise ValueError("the converter 'map' needs a table map = { native = \"canonical\" }")
    for native, canonical in entries.items():
        if not isinstance(canonical, str) or not canonical:
            raise ValueError(f"map entry {native!r} must name a canonical value, not {canonical!r}")
    return list(entries.items())


def _join(values: Sequence[Value]) -> Scalar:
    """Put the values that are there one after the other, with a blank between."""
    return " ".join(str(value) for value in values if value is not None) or None


def _first(values: Sequence[Value]) -> Scalar:
    """Take the first value that is there."""
    found = next((value for value in values if value is not None), None)
    if isinstance(found, dict):
        raise ValueError("'first' takes single values, not lists")
    return found


def _count(values: Sequence[Value]) -> Scalar:
    """Count the items of the lists."""
    return str(sum(len(value) for value in values if isinstance(value, dict)))


def _mail_domain(values: Sequence[Value]) -> Scalar:
    """Take what stands behind the @ of an e-mail address."""
    address = next((value for value in values if isinstance(value, str)), "")
    return address.rpartition("@")[2].lower() or None if "@" in address else None


def _contents(values: Sequence[Value]) -> Scalar:
    """Write the items of the lists as people read them, a line each: quantity, unit, part or description, amount."""
    return "\n".join(_content(item) for value in values if isinstance(value, dict) for item in value.values()) or None


def _content(item: Mapping[str, Scalar]) -> str:
    words = [_short(item.get(name)) for name in ("quantity", "unit")]
    words.append(_short(item.get("part") or item.get("description")))
    amount = item.get("amount")
    return " ".join(word for word in words if word) + (f": {_amount(amount)}" if amount is not None else "")


def _amount(value: Scalar) -> str:
    """Write equal amounts the same, however many zeros they came with: the ledger keeps the value alone."""
    shown = _short(value)
    if not isinstance(value, Decimal) or "." not in shown:
        return shown
    return f"{value.normalize():f}" if value != value.quantize(CENTS) else f"{value.quantize(CENTS):f}"


def _short(value: Scalar) -> str:
    if value is None:
        return ""
    return f"{value.normalize():f}" if isinstance(value, Decimal) and value == value.to_integral() else str(value)


CENTS = Decimal("0.01")
DERIVATIONS: Mapping[str, Callable[[Sequence[Value]], Scalar]] = {
    "join": _join,
    "first": _first,
    "count": _count,
    "contents": _contents,
    "mail_domain": _mail_domain,
}
