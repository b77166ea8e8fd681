"""JSON in both directions: bounded, and numbers without loss."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_workers.connectors.bodies import UnreadableError, encode, parse, parse_delivery
from sync_workers.errors import Malformed, PermanentError


@dataclass
class Sample:
    number: int


def test_a_decimal_travels_as_the_number_it_is() -> None:
    sent = json.loads(
        encode({"a": Decimal("9.995"), "b": Decimal("10.00"), "c": Decimal("-0.1")}), parse_float=str
    )
    assert sent == {"a": "9.995", "b": 10, "c": "-0.1"}


def test_a_decimal_that_would_lose_a_digit_is_refused() -> None:
    with pytest.raises(PermanentError):
        encode({"a": Decimal("1234567890123456.789")})


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-10**6, 10**6, places=4))
@example(Decimal("1E+30"))
@example(Decimal("999999999999.99"))
@example(Decimal("1E-400"))
def test_a_number_is_sent_whole_or_not_at_all(value: Decimal) -> None:
    try:
        sent = encode(value)
    except PermanentError:
        return
    assert json.loads(sent, parse_float=Decimal, parse_int=Decimal) == value


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_what_is_no_number_is_not_sent(value: str) -> None:
    with pytest.raises((PermanentError, ValueError, OverflowError)):
        encode({"a": Decimal(value)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("beside", [{}, {"b": None}, {"b": "null"}])
def test_a_float_that_is_no_number_is_never_sent_as_null(value: float, beside: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        encode({"a": value, **beside})


@pytest.mark.parametrize("value", [2**70, -(2**64), {"a": None}, "null", {1: "a"}, ["é", 1.5, True], (1, 2)])
def test_what_is_sent_reads_like_what_the_standard_library_writes(value: object) -> None:
    assert json.loads(encode({"a": value})) == json.loads(json.dumps({"a": value}))


def test_neither_a_date_nor_an_object_of_ours_is_sent_by_accident() -> None:
    for value in (date(2026, 3, 2), Sample(1)):
        with pytest.raises(TypeError, match="has no JSON form"):
            encode({"a": value})


@pytest.mark.parametrize("body", [b"NaN", b'{"a": Infinity}', b"\xff", b"", b"[" * 200 + b"]" * 200])
def test_what_is_not_bounded_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(body)


def test_nesting_up_to_the_cap_is_read() -> None:
    assert parse(b"[" * 64 + b"]" * 64)
    with pytest.raises(UnreadableError):
        parse(b"[" * 65 + b"]" * 65)


def test_an_oversized_delivery_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse_delivery(b'"' + b"x" * 100 + b'"', most=50)


@pytest.mark.parametrize(("body", "value"), [
    pytest.param(b"123456789012345678901234567890", 123456789012345678901234567890, id="beyond 64 bits"),
    pytest.param(b"[-9223372036854775809]", [-9223372036854775809], id="just beyond them, below zero"),
    pytest.param(b'{"a": 9999999999999999999}', {"a": 9999999999999999999}, id="nineteen digits"),
    pytest.param(b'"\\ud800"', "\ud800", id="a lone surrogate"),
    pytest.param(b'"\\u0000"', "\x00", id="a NUL"),
    pytest.param(b'\xef\xbb\xbf{"a": 1}', {"a": 1}, id="a byte order mark"),
    pytest.param('{"a": "é"}'.encode("utf-16"), {"a": "é"}, id="UTF-16"),
    pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="the last of two"),
    pytest.param(b"0.12345678901234567890", 0.12345678901234568, id="a long fraction"),
])
def test_what_is_read_is_what_the_standard_library_reads(body: bytes, value: object) -> None:
    assert parse(body) == json.loads(body) == value
    assert type(parse(body)) is type(value)


def test_a_number_that_would_be_stored_as_infinity_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="1e400"):
        parse(b'{"total": 1e400}')


def test_brackets_in_a_text_do_not_count_as_nesting() -> None:
    assert parse(b'{"a": "' + b"[{" * 100 + b'"}') == {"a": "[{" * 100}
