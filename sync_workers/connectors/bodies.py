"""JSON bodies in both directions, bounded: size, depth, and numbers that mean something.

Shared by the calls that we make and the deliveries that we receive.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from sync_workers.errors import Malformed, PermanentError

MAX_BODY = 32 * 1024 * 1024
MAX_DELIVERY = 4 * 1024 * 1024
MAX_DEPTH = 64
SURE_DIGITS = 15  # so many significant digits survive the way through a float (IEEE 754 binary64)


class UnreadableError(ValueError):
    """A body that is not acceptable JSON."""


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError(f"{name} is not JSON")


def _depth_within(value: Any, left: int) -> bool:
    inner = value.values() if type(value) is dict else value
    for item in inner:
        kind = type(item)
        if (kind is dict or kind is list) and (left == 0 or not _depth_within(item, left - 1)):
            return False
    return True


def _may_nest(body: bytes | str, depth: int) -> bool:
    """Whether there are brackets enough to nest so deep; counting them is far cheaper than walking through."""
    if isinstance(body, bytes):
        return body.count(b"{") + body.count(b"[") > depth
    return body.count("{") + body.count("[") > depth


def parse(body: bytes | str, *, depth: int = MAX_DEPTH) -> Any:
    """Parse JSON; UnreadableError for what is not JSON, is not UTF-8, or nests too deep."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise UnreadableError("the JSON nests too deep") from None
    except UnreadableError:
        raise
    except (ValueError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not JSON: {error}") from None
    if type(value) in (dict, list) and _may_nest(body, depth) and not _depth_within(value, depth - 1):
        raise UnreadableError(f"the JSON nests deeper than {depth}")
    return value


def parse_delivery(body: bytes, *, most: int = MAX_DELIVERY) -> Any:
    """Parse what a sender delivered; Malformed when it cannot be read."""
    if len(body) > most:
        raise Malformed(f"the delivery has {len(body)} bytes, {most} are allowed")
    try:
        return parse(body)
    except UnreadableError as error:
        raise Malformed(str(error)) from None


def _unusual(value: Any) -> Any:
    if isinstance(value, Decimal):
        if len(text := str(value)) <= SURE_DIGITS and "E" not in text and value.is_finite():
            short = float(text)
            return int(short) if short.is_integer() else short
        if value == value.to_integral_value():
            return int(value)
        as_float = float(value)
        if Decimal(repr(as_float)) == value:
            return as_float
        raise PermanentError(
            f"the number {value} cannot travel as a JSON number without loss",
            mend="give the field a converter that sends it as text",
        )
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_unusual, allow_nan=False)


def encode(value: Any) -> bytes:
    """Write compact UTF-8 JSON; a Decimal becomes a number if none of it is lost."""
    return _encoder.encode(value).encode()
