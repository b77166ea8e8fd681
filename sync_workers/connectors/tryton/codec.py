"""Tryton's JSON values in both directions, and its dotted answers nested as the sheets expect them.

Decimals, dates and time stamps travel as ``{"__class__": ...}`` objects; quantities are JSON floats;
stamps are naive and in UTC. Source: trytond 8.2, ``trytond/protocols/jsonrpc.py`` (JSONEncoder,
JSONDecoder) and ``trytond/model/modelstorage.py`` (dotted names in ``read``).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_STAMP = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def decode(value: Any) -> Any:
    """Return an answer with its typed values; floats become Decimal by their shortest text (0.1 is 0.1)."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        if "__class__" in value:
            return _typed(value)
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, float):
        return Decimal(repr(value))
    return value


def _typed(value: Mapping[str, Any]) -> Any:
    match value["__class__"]:
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return date(value["year"], value["month"], value["day"])
        case "datetime":
            return datetime(*(value[part] for part in _STAMP)).replace(tzinfo=UTC)  # noqa: DTZ001
        case "time":
            return time(value["hour"], value["minute"], value["second"], value["microsecond"])
        case "timedelta":
            return timedelta(seconds=value["seconds"])
        case "bytes":
            return base64.b64decode(value["base64"])
    return dict(value)


def encode(value: Any) -> Any:
    """Return what ``value`` looks like on the wire. An aware time goes out in UTC, as the server keeps it."""
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": format(value, "f")}
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return {"__class__": "datetime"} | {part: getattr(utc, part) for part in _STAMP}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, timedelta):
        return {"__class__": "timedelta", "seconds": value.total_seconds()}
    return value


def nest(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"party": 4, "party.": {"id": 4, "code": "A"}}`` into ``{"party": {"id": 4, "code": "A"}}``."""
    nested: dict[str, Any] = {key: item for key, item in row.items() if not key.endswith(".")}
    for key, item in row.items():
        if key.endswith("."):
            nested[key[:-1]] = (
                [nest(one) for one in item] if isinstance(item, list) else nest(item) if item else None
            )
    return nested


def get(row: Mapping[str, Any] | None, *path: str) -> Any:
    """Follow ``path`` through nested mappings; None where one is missing."""
    value: Any = row
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested fields into dotted paths; lists and list changes are leaves."""
    flat: dict[str, Any] = {}
    for key, item in fields.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{key}.")
        else:
            flat[prefix + key] = item
    return flat
