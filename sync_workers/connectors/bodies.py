"""JSON bodies in both directions, bounded: size, depth, and numbers that mean something.

Shared by the calls that we make and the deliveries that we receive.
"""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from math import isinf
from typing import Any, NoReturn

import orjson

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


def parse(body: bytes | str, *, depth: int = MAX_DEPTH) -> Any:
    """Parse JSON; UnreadableError for what is not JSON, is not UTF-8, or nests too deep."""
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    value = _parse(raw)
    may_be_deep = raw.count(b"[") + raw.count(b"{") > depth  # counting is far cheaper than walking through
    if may_be_deep and type(value) in (dict, list) and not _depth_within(value, depth - 1):
        raise UnreadableError(f"the JSON nests deeper than {depth}")
    return value


def _parse(raw: bytes) -> Any:
    """Read with orjson what it reads as the standard library does, and leave all else to that one.

    orjson makes a float of an integer beyond 64 bits, and refuses lone surrogates.
    """
    if _LONG_NUMBER not in raw.translate(_DIGITS_ALIKE):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(raw)
    try:
        return json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise UnreadableError("the JSON nests too deep") from None
    except UnreadableError:
        raise
    except (ValueError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not JSON: {error}") from None


_LONG_NUMBER = b"0" * 19
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")  # a tenth of a regular expression's time


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise UnreadableError(f"the number {text[:40]} is larger than any that can be kept")
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
    """Write compact UTF-8 JSON; a Decimal becomes a number if none of it is lost.

    orjson makes null of a float that is no number: where a null stands, the standard library looks again.
    """
    with suppress(orjson.JSONEncodeError):
        made = orjson.dumps(value, _unusual, orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS)
        if b"null" not in made:
            return made
    return _encoder.encode(value).encode()
