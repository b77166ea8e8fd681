"""The short way of reading a delivery of plain says what its schema says, or leaves it to the schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.connectors.plain.payloads import DeliverySchema, _events_plainly, load_events
from sync_workers.errors import Malformed

WHOLE = {"id": "e1", "kind": "order", "record_id": "7", "version": 3, "by": "rep", "same_as": ["5"],
         "record": {"id": "7", "fields": {"a": [1, {"b": None}]}}}
ODD = st.sampled_from([None, True, 0, 1.0, "", "x", [], ["x"], [1], {}, {"a": 1}])


@given(st.lists(st.dictionaries(st.sampled_from([*WHOLE, "extra"]), ODD, max_size=3), max_size=3))
def test_whatever_is_odd_about_an_event(changes: list[dict[str, Any]]) -> None:
    document = {"events": [{**WHOLE, **change} for change in changes]}
    plainly = _events_plainly(document)
    if plainly is not None:
        assert plainly == DeliverySchema().load(document)["events"]


@pytest.mark.parametrize("missing", ["id", "kind", "record_id", "version"])
def test_what_is_required_is_named_when_it_is_missing(missing: str) -> None:
    event = {name: value for name, value in WHOLE.items() if name != missing}
    with pytest.raises(Malformed, match=missing):
        load_events({"events": [event]})


def test_a_usual_delivery_goes_the_short_way() -> None:
    least = {name: WHOLE[name] for name in ("id", "kind", "record_id", "version")}
    assert _events_plainly({"events": [WHOLE, least]}) == [WHOLE, {**least, "by": "", "same_as": [], "record": None}]
    assert _events_plainly({"events": {}}) is None
