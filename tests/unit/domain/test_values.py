"""Canonical values survive JSON, and equal facts have equal prints."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.values import JsonText, decode, encode, fingerprint, values_text

SCALARS = (
    st.none()
    | st.booleans()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
)
NAMES = st.text(min_size=1)
ITEMS = st.dictionaries(NAMES, st.dictionaries(NAMES, SCALARS, max_size=3), max_size=3)


@given(st.dictionaries(NAMES, SCALARS | ITEMS, max_size=4))
def test_values_come_back_from_json_as_they_went(values: dict) -> None:
    assert decode(json.loads(json.dumps(encode(values)))) == values


@given(st.dictionaries(NAMES, SCALARS | ITEMS, max_size=4))
def test_text_says_the_same_as_data(values: dict) -> None:
    text = values_text(values)
    assert type(text) is JsonText
    assert json.loads(text) == encode(values)


def test_a_value_that_no_canonical_value_is_has_no_text() -> None:
    with pytest.raises(TypeError, match="no canonical value"):
        values_text({"a": {1, 2}})  # type: ignore[dict-item]


def test_a_lone_surrogate_has_a_text_for_the_ledger_to_refuse() -> None:
    assert json.loads(values_text({"a": "\ud800"})) == {"a": "\ud800"}


def test_items_keep_their_order_through_a_column_that_sorts_keys() -> None:
    items = {"lines": {"b": {"qty": Decimal(1)}, "a": {"qty": Decimal(2)}}}
    found = decode(json.loads(json.dumps(encode(items), sort_keys=True)))
    assert list(found["lines"]) == ["b", "a"]


def test_an_item_key_that_looks_like_a_tag_is_no_tag() -> None:
    items = {"lines": {"$decimal": {"$at": "x"}}}
    assert decode(encode(items)) == items


def test_equal_facts_have_equal_prints() -> None:
    berlin = timezone(timedelta(hours=1))
    one = {"crm": {"a": Decimal("1.50"), "b": datetime(2026, 11, 24, 9, tzinfo=UTC)}, "erp": None}
    two = {"erp": None, "crm": {"b": datetime(2026, 11, 24, 10, tzinfo=berlin), "a": Decimal("1.5")}}
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint({**one, "erp": {}})


def test_the_type_of_a_value_tells() -> None:
    prints = {fingerprint({"crm": {"a": value}}) for value in ("1", Decimal(1), True, None, date(2026, 1, 1))}
    assert len(prints) == 5


def test_a_number_longer_than_the_default_precision_is_not_rounded() -> None:
    long = Decimal("1234567890123456789012345678901234567890.10")
    assert decode(encode({"a": long})) == {"a": long}
