"""What may not change any more: kept where the lock is, put back everywhere else, and said in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sync_workers.domain.merge import after_write, merge
from sync_workers.domain.records import Op, Plan, Ref, Value, View, Write
from sync_workers.errors import SettingsError
from tests.unit.domain.stores import make_sheet

LOCKED = {"state": ["processing", "done"]}
LINES: dict[str, Any] = {
    "name": "lines", "owner": "crm", "locked_when": LOCKED, "key": {"crm": "id", "erp": "note"}, "crm": "items",
    "erp": "lines",
    "field": [
        {"name": "part", "crm": "part", "erp": "part"},
        {"name": "quantity", "as": "quantity", "crm": "quantity", "erp": {"path": "quantity", "digits": 2}},
        {"name": "shipped", "owner": "erp", "as": "quantity", "crm": "shipped",
         "erp": {"path": "shipped", "read_only": True}},
    ],
}  # fmt: skip
SHEET = make_sheet(
    [
        {"name": "po", "owner": "crm", "locked_when": LOCKED, "crm": "po", "erp": "po"},
        {"name": "state", "owner": "erp", "crm": "state", "erp": {"path": "state", "read_only": True}},
    ],
    list=[LINES],
)


def item(quantity: str, shipped: str = "0", part: str = "BRG") -> dict[str, Value]:
    return {"part": part, "quantity": Decimal(quantity), "shipped": Decimal(shipped)}


def plan_of(crm: dict[str, Value], erp: dict[str, Value], held: dict[str, Value], state: str = "processing") -> Plan:
    """Merge one order; ``held`` is what both held of what is given."""
    full_held = {"po": "PO-1", "state": state, "lines": {"1": item("4")}, **held}
    shown = {name: {**full_held, **values, "state": state} for name, values in (("crm", crm), ("erp", erp))}
    views = {name: View(name, values) for name, values in shown.items()}
    refs = {name: Ref(name, "1", sent=full_held, held=full_held) for name in views}
    return merge(SHEET, views, refs, origin="crm")


def write_to(plan: Plan, system: str) -> Write | None:
    return next((write for write in plan.writes if write.system == system), None)


def test_before_the_lock_the_owner_wins() -> None:
    plan = plan_of({"po": "PO-2"}, {}, {}, state="draft")
    assert [(write.system, write.changes["po"].after) for write in plan.writes] == [("erp", "PO-2")]


def test_a_change_after_the_lock_is_put_back_where_it_was_made_and_told() -> None:
    plan = plan_of({"po": "PO-2"}, {}, {})
    (write,) = plan.writes
    assert (write.system, write.op, write.changes["po"].after) == ("crm", Op.UPDATE, "PO-1")
    (overrule,) = plan.overrules
    assert (overrule.system, overrule.lost, overrule.won, overrule.winner) == ("crm", "PO-2", "PO-1", "erp")
    assert overrule.locked
    assert "po: PO-2 was put back to PO-1 (locked, state is processing in erp)" in write.note


def test_what_was_put_back_is_what_stood_there_not_how_the_other_side_writes_it() -> None:
    """The ERP rounds to two digits; a change that is taken back must not leave its rounding behind."""
    held = {"lines": {"1": item("4.125")}}
    erp = {"lines": {"1": item("4.13")}}
    views = {"crm": View("crm", {"po": "PO-1", "state": "processing", "lines": {"1": item("400")}}),
             "erp": View("erp", {"po": "PO-1", "state": "processing", **erp})}  # fmt: skip
    refs = {"crm": Ref("crm", "1", sent={"po": "PO-1", "state": "processing", **held},
                       held={"po": "PO-1", "state": "processing", **held}),
            "erp": Ref("erp", "2", sent={"po": "PO-1", "state": "processing", **held},
                       held={"po": "PO-1", "state": "processing", **erp})}  # fmt: skip
    (write,) = merge(SHEET, views, refs, origin="crm").writes
    assert write.system == "crm"
    lines = write.changes["lines"].after
    assert isinstance(lines, dict)
    assert lines["1"]["quantity"] == Decimal("4.125")


def test_a_side_that_stood_still_is_not_written_for_its_rounding() -> None:
    held = {"lines": {"1": item("4.125")}}
    views = {"crm": View("crm", {"po": "PO-1", "state": "processing", **held}),
             "erp": View("erp", {"po": "PO-1", "state": "processing", "lines": {"1": item("4.13")}})}  # fmt: skip
    refs = {"crm": Ref("crm", "1", sent={**held}, held={"po": "PO-1", "state": "processing", **held}),
            "erp": Ref("erp", "2", sent={**held}, held={"po": "PO-1", "state": "processing",
                                                        "lines": {"1": item("4.13")}})}  # fmt: skip
    plan = merge(SHEET, views, refs, origin="crm")
    assert plan.writes == ()
    assert plan.overrules == ()


def test_a_change_that_the_locking_system_makes_itself_reaches_the_others() -> None:
    plan = plan_of({}, {"po": "PO-9"}, {})
    (write,) = plan.writes
    assert (write.system, write.changes["po"].after, write.note) == ("crm", "PO-9", "")
    assert plan.overrules == ()


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        pytest.param({"1": item("40")}, "lines[1].quantity", id="a quantity is changed"),
        pytest.param({}, "lines[1]", id="a line is taken out"),
        pytest.param({"1": item("4"), "2": item("1", part="NUT")}, "lines[2]", id="a line is added"),
    ],
)
def test_a_locked_list_goes_back_item_by_item(lines: Value, field: str) -> None:
    plan = plan_of({"lines": lines}, {}, {})
    (write,) = plan.writes
    after = write.changes["lines"].after
    assert write.system == "crm"
    assert after == {"1": item("4")}
    assert [one.field for one in plan.overrules] == [field]
    assert write.note


def test_what_the_erp_owns_in_a_locked_list_still_flows() -> None:
    plan = plan_of({}, {"lines": {"1": item("4", shipped="3")}}, {})
    (write,) = plan.writes
    after = write.changes["lines"].after
    assert isinstance(after, dict)
    assert after["1"]["shipped"] == Decimal(3)
    assert plan.overrules == ()
    assert write.note == ""


def test_what_is_only_read_beside_a_written_list_says_nothing_about_whether_it_took() -> None:
    sheet = make_sheet([], list=[{**LINES, "locked_when": {}, "field": [
        *LINES["field"],
        {"name": "amount", "owner": "erp", "as": "decimal", "crm": {"path": "amount", "read_only": True},
         "erp": {"path": "amount", "read_only": True}},
    ]}])  # fmt: skip
    before = {"1": {**item("4"), "amount": Decimal(40)}}
    after = {"1": {**item("5"), "amount": Decimal(40)}}
    back = {"1": {**item("5"), "amount": Decimal(50)}}
    (write,) = merge(
        sheet, {"crm": View("crm", {"lines": after}), "erp": View("erp", {"lines": before})},
        {name: Ref(name, "1", held={"lines": before}, sent={"lines": before}) for name in ("crm", "erp")}, origin="crm",
    ).writes  # fmt: skip
    taken = after_write(sheet, "erp", None, write.changes, {"lines": back})
    assert taken.held["lines"] == back
    assert taken.refused == ()


def test_a_blank_in_the_owner_that_says_nothing_leaves_the_others_alone() -> None:
    sheet = make_sheet([{"name": "ship_to", "owner": "crm", "when_blank": "leave", "crm": "s", "erp": "s"}])
    views = {"crm": View("crm", {"ship_to": None}), "erp": View("erp", {"ship_to": "dock"})}
    refs = {name: Ref(name, "1") for name in views}
    assert merge(sheet, views, refs, origin="crm").writes == ()


SHIP_TO = make_sheet(
    [
        {"name": "ship_to", "owner": "crm", "when_blank": "leave", "locked_when": LOCKED, "crm": "s", "erp": "s"},
        {"name": "state", "owner": "erp", "crm": "state", "erp": {"path": "state", "read_only": True}},
    ]
)


@pytest.mark.parametrize(
    ("crm", "erp", "written"),
    [
        pytest.param((None, None), (None, "dock"), [], id="the keeper shows it again"),
        pytest.param((None, None), ("pier", "dock"), [], id="the keeper moved"),
        pytest.param((), ("dock",), [], id="seen for the first time"),
        pytest.param(("pier", None), ("pier", "pier"), ["pier"], id="the owner lost what it said"),
        pytest.param((None, "dock"), ("pier", "pier"), [None], id="the owner says something too late"),
        pytest.param(("pier", "pier"), ("pier", "dock"), ["dock"], id="the owner said something else"),
    ],
)  # fmt: skip
def test_a_blank_in_the_owner_says_nothing_under_a_lock_either(
    crm: tuple[Value, ...], erp: tuple[Value, ...], written: list[Value]
) -> None:
    """Each side is (held, shown), or only shown where nothing was settled."""
    sides = {"crm": crm or (None,), "erp": erp}
    views = {name: View(name, {"ship_to": side[-1], "state": "processing"}) for name, side in sides.items()}
    refs = {name: Ref(name, "1", held={"state": "processing", **({"ship_to": side[0]} if len(side) == 2 else {})})
            for name, side in sides.items()}  # fmt: skip
    plan = merge(SHIP_TO, views, refs, origin="crm")
    assert [write.changes["ship_to"].after for write in plan.writes] == written
    if not written:
        assert plan.agreed["erp"]["ship_to"] == erp[-1]
        assert plan.overrules == ()


def step_sheet() -> Any:
    return make_sheet(
        [
            {"name": "outcome", "owner": "crm", "crm": {"path": "o", "read_only": True}},
            {"name": "state", "owner": "erp", "crm": "state", "erp": {"path": "state", "read_only": True}},
        ],
        step=[{"name": "reopen", "system": "erp", "why": "won again", "when": {"state": "cancelled"},
               "needs": {"outcome": "won"}, "was": {"outcome": "lost"}}],
    )  # fmt: skip


@pytest.mark.parametrize(("before", "expected"), [("lost", ["reopen"]), ("won", [])])
def test_a_step_that_goes_by_a_change_needs_the_change(before: str, expected: list[str]) -> None:
    views = {"crm": View("crm", {"outcome": "won", "state": "cancelled"}), "erp": View("erp", {"state": "cancelled"})}
    refs = {"crm": Ref("crm", "1", held={"outcome": before, "state": "cancelled"}), "erp": Ref("erp", "2")}
    plan = merge(step_sheet(), views, refs, origin="crm")
    assert [write.action for write in plan.writes] == expected
    assert ("outcome" in plan.agreed["crm"]) is (not expected), "until the step is done the change stays a change"


def test_a_lock_must_look_at_a_field_that_one_system_owns() -> None:
    with pytest.raises(SettingsError, match="must be a field that one system owns"):
        make_sheet([{"name": "po", "owner": "crm", "locked_when": {"note": "x"}, "crm": "po", "erp": "po"},
                    {"name": "note", "owner": "shared", "prefer": "crm", "crm": "n", "erp": "n"}])  # fmt: skip
