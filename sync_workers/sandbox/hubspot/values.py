"""The rules a property value must meet before HubSpot keeps it, and the text it keeps.

Numbers stay as sent, instants become ISO 8601 UTC, dates YYYY-MM-DD, e-mail addresses lower
case. Pure: uniqueness and pipelines, which need other records, are checked in ``records``.
Source: developers.hubspot.com, "Properties API", "Values"; error codes from public captures of
"Property values were not valid".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sync_workers.sandbox.hubspot.properties import Property
from sync_workers.sandbox.hubspot.wire import Json, Refusal, invalid, iso

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclass(frozen=True)
class Fault:
    """One property that a write got wrong."""

    name: str
    code: str
    message: str


def refuse(faults: list[Fault]) -> Refusal:
    """Build the one 400 that lists every wrong property, as HubSpot does."""
    listed = [
        {
            "isValid": False,
            "message": f.message,
            "error": f.code,
            "name": f.name,
            "localizedErrorMessage": f.message,
        }
        for f in faults
    ]
    errors: list[Json] = [
        {"message": f.message, "code": f.code, "context": {"propertyName": [f.name]}} for f in faults
    ]
    return invalid(f"Property values were not valid: {json.dumps(listed)}", errors)


def canonical(prop: Property, value: Any) -> str | Fault:
    """Return the text HubSpot would keep for ``value`` ("" clears), or what is wrong with it."""
    text = _text(value)
    if text == "":
        return ""
    if prop.name == "email":
        return (
            text.strip().lower()
            if EMAIL.fullmatch(text.strip())
            else Fault(prop.name, "INVALID_EMAIL", f"Email address {text} is invalid")
        )
    check = _CHECKS.get(prop.type)
    return check(prop, text) if check else text


def instant_ms(text: str) -> int:
    """Read an instant given as epoch milliseconds or ISO 8601; raises ValueError for anything else."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(prop: Property, text: str) -> str | Fault:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        return Fault(prop.name, "INVALID_NUMBER", f"{text} was not a valid number.")
    if prop.name == "price" and number < 0:
        return Fault(prop.name, "INVALID_NUMBER", f"{text} is not allowed: price must not be negative.")
    return text.strip()


def _enumeration(prop: Property, text: str) -> str | Fault:
    if prop.role or not prop.options:
        return text
    allowed = [str(option["value"]) for option in prop.options]
    chosen = text.strip(";").split(";") if prop.field_type == "checkbox" else [text]
    if all(each in allowed for each in chosen):
        return ";".join(chosen)
    return Fault(
        prop.name, "INVALID_OPTION", f"{text} was not one of the allowed options: {json.dumps(allowed)}"
    )


def _bool(prop: Property, text: str) -> str | Fault:
    if text.lower() in ("true", "false"):
        return text.lower()
    return Fault(prop.name, "INVALID_OPTION", f'{text} was not one of the allowed options: ["true", "false"]')


def _datetime(prop: Property, text: str) -> str | Fault:
    try:
        return iso(instant_ms(text))
    except (ValueError, OverflowError, OSError):
        return Fault(prop.name, "INVALID_LONG", f"{text} was not a valid long.")


def _date(prop: Property, text: str) -> str | Fault:
    if re.fullmatch(r"-?\d+", text):
        days, rest = divmod(int(text), 86_400_000)
        if rest == 0:
            return date.fromordinal(date(1970, 1, 1).toordinal() + days).isoformat()
        return Fault(
            prop.name, "INVALID_DATE", f"{text} is not midnight UTC; a date property takes no time of day."
        )
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return Fault(prop.name, "INVALID_DATE", f"{text} was not a valid date (YYYY-MM-DD or midnight UTC).")


_CHECKS = {
    "number": _number,
    "enumeration": _enumeration,
    "bool": _bool,
    "datetime": _datetime,
    "date": _date,
}
