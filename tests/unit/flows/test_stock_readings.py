"""What of a part is compared in bulk: its figures, and whether anything else that it shows is another."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Native
from sync_workers.flows.stock import reading_of
from sync_workers.ledger.readings import Reading, fault_of, is_same, shown

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WEST = {"name": "West", "available": Decimal(3), "on_order_date": None}


def read(**fields: Any) -> Reading:
    whole = {"id": "7", "code": "BRG-6204", "on_hand": Decimal(5), "allocated": Decimal(2), "available": Decimal(3)}
    return reading_of(Native("7", {**whole, **fields}, False, None), AT)


def test_a_reading_has_the_figures_that_the_ledger_shows_to_people():
    found = read()
    assert (found.external_id, found.part_number, found.at) == ("7", "BRG-6204", AT)
    assert (found.on_hand, found.allocated, found.available) == (5, 2, 3)


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        pytest.param({"on_order": Decimal(3)}, {"on_order": Decimal(4)}, True, id="more is expected"),
        pytest.param({"on_order": Decimal(3)}, {"on_order": Decimal("3.00")}, False, id="the same, with more digits"),
        pytest.param({"on_order": Decimal(3)}, {"on_order": 3.0}, False, id="the same, as a float"),
        pytest.param({"on_order": Decimal("-0.0")}, {"on_order": 0}, False, id="two zeros"),
        pytest.param({"on_order": Decimal("1e3")}, {"on_order": 1000}, False, id="the same, with an exponent"),
        pytest.param({"on_order_date": None}, {"on_order_date": date(2026, 3, 9)}, True, id="it has a day now"),
        pytest.param({"on_order_date": date(2026, 3, 9)}, {"on_order_date": date(2026, 3, 10)}, True, id="a day later"),
        pytest.param({"warehouses": [WEST]}, {"warehouses": [{**WEST, "available": Decimal(2)}]}, True, id="one house"),
        pytest.param({"warehouses": [WEST]}, {"warehouses": [dict(reversed(WEST.items()))]}, False, id="other order"),
        pytest.param({"warehouses": [WEST]}, {"warehouses": [WEST, {"name": "North"}]}, True, id="a new house"),
        pytest.param({"name": "a"}, {"name": "\x00\ud800"}, True, id="what no text column holds"),
    ],
)
def test_any_other_figure_is_part_of_the_comparison(before: dict[str, Any], after: dict[str, Any], differs: bool):
    old, new = read(**before), read(**after)
    assert (fault_of(old), fault_of(new)) == (None, None)
    assert is_same(new, shown(old)) is not differs
    assert (shown(old) != shown(new)) is differs


@pytest.mark.parametrize("impossible", ["a dozen", None, "", float("nan"), float("inf"), [5]])
def test_a_figure_that_is_no_number_is_left_to_the_ledger_to_refuse(impossible: Any):
    found = read(on_hand=impossible)
    assert "on_hand is" in (fault_of(found) or "")


def test_a_system_that_does_not_show_one_of_the_figures_has_none_of_it():
    assert reading_of(Native("7", {"available": "3"}, False, None), AT).on_hand == 0
