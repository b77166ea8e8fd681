"""A link to what is gone from a system counts as shown there, and is left out of what is created there."""

from __future__ import annotations

from typing import Any

import pytest

from sync_workers.domain.absentees import overlook
from sync_workers.domain.records import View
from tests.unit.domain.stores import make_sheet

SHEET = make_sheet([
    {"name": "customer", "as": "record:customer", "owner": "erp", "crm": "company", "erp": "party"},
    {"name": "number", "owner": "erp", "crm": "number", "erp": "number"},
])  # fmt: skip
GONE = ("41", "crm")


def views(crm: Any, erp: Any) -> dict[str, View]:
    """Return what both show; ``...`` for a system that has no counterpart."""
    return {system: View(system, {"customer": value, "number": "7"})
            for system, value in (("crm", crm), ("erp", erp)) if value is not ...}  # fmt: skip


@pytest.mark.parametrize(
    ("crm", "erp", "gone", "shown", "left_out"),
    [
        pytest.param(None, "41", {GONE}, "41", set(), id="a blank link to who is gone counts for it"),
        pytest.param(None, "41", set(), None, set(), id="a blank link to who is there stays blank"),
        pytest.param(None, "41", {("41", "erp")}, None, set(), id="gone from the other system only"),
        pytest.param("42", "41", {GONE}, "42", set(), id="a link to somebody else stays"),
        pytest.param("41", None, {GONE}, "41", set(), id="who is gone from one system is not taken out of another"),
        pytest.param(None, None, {GONE}, None, set(), id="nobody is named"),
        pytest.param(..., "41", {GONE}, ..., {"customer"}, id="what is created goes without the link"),
        pytest.param(..., "41", set(), ..., set(), id="what is created for who is there has the link"),
    ],
)
def test_a_link(crm: Any, erp: Any, gone: set[tuple[str, str]], shown: Any, left_out: set[str]) -> None:
    seen = views(crm, erp)
    found, without = overlook(SHEET, seen, seen, lambda record, system: (record, system) in gone)
    assert without == left_out
    assert (found["crm"].values or {}).get("customer") == shown if shown is not ... else "crm" not in found
    assert found["erp"] == seen["erp"]
    assert all((view.values or {})["number"] == "7" for view in found.values())


def test_a_counterpart_that_could_not_be_read_is_no_create() -> None:
    found, left_out = overlook(SHEET, {**views(..., "41"), "crm": View("crm", None)}, {"crm", "erp"}, lambda *_: True)
    assert (found["crm"].values, left_out) == (None, set())
