from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.connectors.tryton.codec import decode, encode, flatten, get, nest

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner)))
def test_what_is_encoded_is_decoded_to_the_same(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        pytest.param({"__class__": "Decimal", "decimal": "1.2300"}, Decimal("1.2300"), id="money"),
        pytest.param(0.1, Decimal("0.1"), id="a quantity is what its text says"),
        pytest.param({"__class__": "date", "year": 2026, "month": 2, "day": 3}, date(2026, 2, 3), id="date"),
        pytest.param({"__class__": "timedelta", "seconds": 90}, timedelta(seconds=90), id="timedelta"),
        pytest.param({"__class__": "bytes", "base64": "aGk=\n"}, b"hi", id="bytes"),
        pytest.param(
            {"__class__": "future", "x": 1}, {"__class__": "future", "x": 1}, id="unknown class is kept"
        ),
    ],
)
def test_a_typed_value_of_the_server(wire, value):
    assert decode(wire) == value


def test_a_stamp_without_zone_is_utc_to_the_microsecond():
    parts = {"year": 2026, "month": 1, "day": 2, "hour": 3, "minute": 4, "second": 5, "microsecond": 678901}
    assert decode({"__class__": "datetime", **parts}) == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_time_of_another_zone_goes_out_in_utc():
    local = datetime(2026, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=2)))
    assert encode(local)["hour"] == 1


def test_a_large_decimal_goes_out_without_an_exponent():
    assert encode(Decimal("1E+3")) == {"__class__": "Decimal", "decimal": "1000"}


def test_dotted_answers_nest():
    row = {
        "id": 1, "party": 4, "party.": {"id": 4, "lang": 2, "lang.": {"id": 2, "code": "en"}},
        "term": None, "term.": None, "lines.": [{"id": 7, "unit.": {"id": 1, "symbol": "u"}}],
    }  # fmt: skip
    nested = nest(row)
    assert get(nested, "party", "lang", "code") == "en"
    assert get(nested, "term", "name") is None
    assert nested["lines"] == [{"id": 7, "unit": {"id": 1, "symbol": "u"}}]


def test_fields_flatten_to_paths_and_lists_stay_whole():
    assert flatten({"a": {"b": {"c": 1}}, "d": [1]}) == {"a.b.c": 1, "d": [1]}
