"""Canonical values as JSON and back, and the fingerprint of what systems show.

The ledger keeps ``sent``, ``held`` and dead letters' facts in this form; nothing here knows a field.
``encode`` gives data, ``as_text`` the same as JSON text at a tenth of the cost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import orjson

from sync_workers.domain.records import Scalar, Value, Values

# One-key objects with these keys are tagged scalars; a list field's items are tagged too,
# so that no item key can be taken for a tag.
DECIMAL, DATE, INSTANT, ITEMS = "$decimal", "$date", "$at", "$items"


class JsonText(str):
    """Text that is JSON already: whoever stores it need not write it again."""

    __slots__ = ()


def encode(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return canonical values as plain JSON data; ``decode`` gives equal values back."""
    return {name: _encode(value) for name, value in values.items()}


def decode(data: Mapping[str, Any]) -> Values:
    """Return the canonical values that ``encode`` was given."""
    return {name: _decode(value) for name, value in data.items()}


def as_text(document: Mapping[str, Any]) -> JsonText:
    """Return JSON text of canonical values, alone or inside of dicts and lists; lists of items as ``tagged``.

    The same as ``json.dumps`` makes of ``encode``, but for its blanks.
    """
    try:
        return JsonText(orjson.dumps(document, _tag, orjson.OPT_PASSTHROUGH_DATETIME).decode())
    except TypeError:  # a lone surrogate, which only the ledger may refuse
        return JsonText(json.dumps(document, default=_tag, ensure_ascii=False, separators=(",", ":")))


def tagged(value: Value) -> Any:
    """Return a field's value fit for ``as_text``: a list's items marked as such, all else as it is."""
    # A list of pairs keeps the order of the source through JSON columns that sort their keys.
    return {ITEMS: list(value.items())} if type(value) is dict else value


def values_text(values: Mapping[str, Value]) -> JsonText:
    """Return canonical values as JSON text, which ``decode`` reads once it is parsed."""
    return as_text({name: tagged(value) for name, value in values.items()})


def fingerprint(facts: Mapping[str, Mapping[str, Value] | None]) -> str:
    """Hash what each system shows: equal facts give equal prints, whatever the order of fields."""
    plain = {system: None if values is None else encode(values) for system, values in facts.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _encode(value: Value) -> Any:
    if value is None or type(value) is str:
        return value
    if isinstance(value, dict):
        items = [[key, {name: _encode(inner) for name, inner in item.items()}] for key, item in value.items()]
        return {ITEMS: items}
    if isinstance(value, Decimal):
        return {DECIMAL: _shortest(value)}
    if isinstance(value, datetime):
        return {INSTANT: value.astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {DATE: value.isoformat()}
    return value


def _tag(value: Any) -> Any:
    """Give what JSON does not know the form that ``encode`` gives it."""
    if type(value) is Decimal:  # by far the most
        return {DECIMAL: _shortest(value)}
    found = _encode(value)
    if found is value:
        raise TypeError(f"{type(value).__name__} is no canonical value: {value!r}")
    return found


def _decode(data: Any) -> Value:
    if not isinstance(data, Mapping):
        return cast(Scalar, data)
    if ITEMS in data:
        return {
            key: {name: cast(Scalar, _decode(inner)) for name, inner in item.items()}
            for key, item in data[ITEMS]
        }
    if DECIMAL in data:
        return Decimal(data[DECIMAL])
    if INSTANT in data:
        return datetime.fromisoformat(data[INSTANT])
    if DATE in data:
        return date.fromisoformat(data[DATE])
    raise ValueError(f"not a canonical value: an object with the keys {sorted(data)}")


def _shortest(value: Decimal) -> str:
    """Write equal numbers alike (1.50 and 1.5, 0.00 and -0), without the rounding of ``normalize``."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
