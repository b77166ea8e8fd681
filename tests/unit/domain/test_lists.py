"""Lines merge by their key: added, changed, removed, put back; never by place or product."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.lists import ListMerge
from sync_workers.domain.mapping import Condition
from sync_workers.domain.merge import merge
from sync_workers.domain.native import ListChange
from sync_workers.domain.records import Ref, View
from sync_workers.domain.translate import read_native, write_native
from tests.unit.domain.stores import NoLinks, Store, World, make_sheet

KEYS = {"crm": "id", "erp": "key"}


def sheet_with_lines(owner: str = "crm", keys: dict[str, str] = KEYS, **more: Any) -> Any:
    lines = {
        "name": "lines",
        "owner": owner,
        "why": "a test",
        "key": keys,
        "crm": "lines",
        "erp": "lines",
        "field": [
            {"name": "part", "why": "a test", "crm": "part", "erp": "part", **more},
            {
                "name": "qty",
                "why": "a test",
                "crm": {"path": "qty", "as": "decimal"},
                "erp": {"path": "qty", "as": "decimal"},
                **more,
            },
            {"name": "shipped", "owner": "erp", "why": "a test", "crm": "shipped", "erp": "shipped"},
        ],
    }
    return make_sheet([{"name": "name", "crm": "name", "erp": "name"}], list=[lines])


def world_with_lines(*lines: tuple[str, int], **options: Any) -> World:
    stores = {"crm": Store(), "erp": Store()}
    stores["crm"].row = {"id": "1", "name": "n"}
    for part, qty in lines:
        stores["crm"].add_line(part=part, qty=Decimal(qty))
    world = World(sheet_with_lines(**options), stores)
    world.settle()
    return world


def parts(world: World, system: str) -> list[tuple[str, int]]:
    return list(
        zip(world.lines(system, "part"), (int(qty) for qty in world.lines(system, "qty")), strict=True)
    )


def test_lines_are_created_in_their_order_with_their_keys() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    assert parts(world, "erp") == [("A", 1), ("B", 2)]
    assert world.lines("erp", "key") == world.lines("crm", "id")


def test_the_same_part_twice_stays_two_lines() -> None:
    world = world_with_lines(("A", 1), ("A", 1))
    world.stores["crm"].edit_line(world.lines("crm", "id")[1], "qty", Decimal(7))
    world.settle()
    assert parts(world, "erp") == [("A", 1), ("A", 7)]


def test_a_changed_line_is_written_by_its_id_and_with_the_changed_field_alone() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    line_id = world.lines("crm", "id")[1]
    world.stores["crm"].edit_line(line_id, "qty", Decimal(3))
    refs = {system: world.refs[system] for system in ("crm", "erp")}
    views = {system: world.view(system) for system in refs}
    [write] = merge(world.sheet, views, refs, origin="crm").writes
    native = write_native(world.sheet, "erp", write.changes, links=NoLinks(), item_ids=views["erp"].item_ids)
    erp_id = views["erp"].item_ids["lines"][line_id]
    assert native == {"lines": ListChange(change=((erp_id, {"qty": Decimal(3)}),))}


def test_a_removed_line_goes_and_an_added_one_comes() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    world.stores["crm"].drop_line(world.lines("crm", "id")[0])
    world.stores["crm"].add_line(part="C", qty=Decimal(3))
    world.settle()
    assert parts(world, "erp") == [("B", 2), ("C", 3)]


def test_reordered_lines_are_no_change() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    row = world.stores["crm"].row
    assert row is not None
    row["lines"].reverse()
    assert world.run()[0].writes == ()


def test_what_is_not_the_owners_list_is_put_back_and_reported() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    erp = world.stores["erp"]
    erp.drop_line(world.lines("erp", "id")[0])
    extra = erp.add_line(part="X", qty=Decimal(9))
    erp.edit_line(world.lines("erp", "id")[0], "qty", Decimal(5))
    plan, _ = world.run()
    world.settle()
    assert sorted(parts(world, "erp")) == [("A", 1), ("B", 2)]
    lost = {overrule.field: overrule.lost for overrule in plan.overrules}
    first, second = world.lines("crm", "id")
    assert lost[f"lines[{first}]"] is None
    assert lost[f"lines[{second}].qty"] == 5
    assert f"lines[erp:{extra}]" in lost


def test_a_list_is_written_under_the_rules_of_what_changes_in_it() -> None:
    world = world_with_lines(("A", 1), ("B", 2))
    world.stores["erp"].edit_line(world.lines("erp", "id")[0], "shipped", "1")
    assert [(write.system, write.changes["lines"].rule) for write in world.run()[0].writes] == [("crm", "owner erp")]
    world.settle()
    world.stores["crm"].add_line(part="C", qty=Decimal(3))
    assert [(write.system, write.changes["lines"].rule) for write in world.run()[0].writes] == [("erp", "owner crm")]


def test_a_copied_line_that_carries_our_key_twice_is_a_new_line() -> None:
    world = world_with_lines(("A", 1))
    [key] = world.lines("erp", "key")
    world.stores["erp"].add_line(part="A", qty=Decimal(1), key=key)
    world.settle()
    assert parts(world, "erp") == [("A", 1)]


def test_a_line_field_of_another_owner_flows_back() -> None:
    world = world_with_lines(("A", 1), ("A", 2))
    world.stores["erp"].edit_line(world.lines("erp", "id")[1], "shipped", "yes")
    world.settle()
    assert world.lines("crm", "shipped") == [None, "yes"]


def test_a_shared_list_takes_what_either_side_adds_and_drops_what_either_side_removes() -> None:
    keys = {"crm": "key", "erp": "key"}
    world = world_with_lines(("A", 1), ("B", 2), owner="shared", keys=keys, prefer="crm")
    world.stores["erp"].add_line(part="C", qty=Decimal(3))
    world.stores["crm"].add_line(part="D", qty=Decimal(4))
    world.stores["erp"].drop_line(world.lines("erp", "id")[0])
    plan, _ = world.run()
    assert {write.system for write in plan.writes} == {"crm", "erp"}
    assert sorted(parts(world, "crm")) == sorted(parts(world, "erp")) == [("B", 2), ("C", 3), ("D", 4)]


class TestItemKeys:
    """Which item of the record a native item is."""

    def keys(
        self, system: str, lines: list[dict[str, Any]], known: dict[str, str] | None = None
    ) -> list[str]:
        values, ids = read_native(
            sheet_with_lines(), system, {"lines": lines}, links=NoLinks(), item_ids={"lines": known or {}}
        )
        assert list(ids["lines"].values()) == [line["id"] for line in lines]
        items = values["lines"]
        assert isinstance(items, dict)
        return list(items)

    def test_a_known_item_keeps_its_key_whatever_it_carries(self) -> None:
        assert self.keys("erp", [{"id": "5", "key": "other"}], {"k": "5"}) == ["k"]

    def test_an_unknown_item_says_its_key_itself(self) -> None:
        assert self.keys("erp", [{"id": "5", "key": " k "}]) == ["k"]

    def test_the_owners_own_id_is_the_key(self) -> None:
        assert self.keys("crm", [{"id": "5"}]) == ["5"]

    def test_an_item_born_elsewhere_is_told_apart_by_its_system(self) -> None:
        assert self.keys("erp", [{"id": "5", "key": ""}, {"id": "6"}]) == ["erp:5", "erp:6"]


def test_a_list_is_left_alone_where_it_may_not_be_written() -> None:
    sheet = sheet_with_lines()
    refs = {system: Ref(system, "1") for system in ("crm", "erp")}
    views = {
        "crm": View("crm", {"name": "n", "lines": {"k": {"part": "A", "qty": None, "shipped": None}}}),
        "erp": View("erp", {"name": "n", "lines": {}}),
    }
    plan = merge(sheet, views, refs, origin="crm", live=["crm"])
    assert plan.writes == ()
    assert "lines" not in plan.agreed["crm"]


QUANTITIES = st.sampled_from([None, Decimal("1"), Decimal("1.0"), Decimal("2.50"), Decimal("2.5")])
ITEMS = st.dictionaries(
    st.sampled_from("abc"),
    st.fixed_dictionaries({"part": st.sampled_from([None, "A", "B"]), "qty": QUANTITIES, "shipped": QUANTITIES}),
    max_size=3,
)


def describe(system: str, shows: Any, held: Any, sent: Any) -> tuple[View, Ref]:
    base = {} if held is None else {"name": "n", "lines": held}
    ref = Ref(system, "1", sent=base and {"name": "n", "lines": sent}, held=base)
    return View(system, {"name": "n", "lines": shows}), ref


@pytest.mark.parametrize(
    "more",
    [{}, {"owner": "origin"}, {"owner": "once"}, {"owner": "erp"}, {"owner": "shared", "prefer": "crm"},
     {"owner": "crm", "when_blank": "leave"}],
    ids=["list's", "origin", "once", "erp", "shared", "leave"],
)
@pytest.mark.parametrize("is_locked", [False, True])
@given(st.lists(ITEMS, min_size=2, max_size=2), st.lists(st.none() | ITEMS, min_size=4, max_size=4), st.data())
def test_lines_on_which_all_agree_come_out_as_if_every_field_had_been_decided(
    more: dict[str, Any], is_locked: bool, shows: list[Any], bases: list[Any], data: st.DataObject
) -> None:
    sheet = sheet_with_lines(data.draw(st.sampled_from(["crm", "erp", "origin", "once"])))
    part, *others = sheet.lists[0].fields
    sheet = replace(sheet, lists=(replace(sheet.lists[0], fields=(replace(part, **more), *others)),))
    if is_locked:
        lock = (Condition("name", ("n",)),)
        rules = [replace(rule, owner=data.draw(st.sampled_from(["crm", "erp"]))) for rule in sheet.fields]
        sheet = replace(sheet, fields=tuple(rules), lists=(replace(sheet.lists[0], locked_when=lock),))
    pairs = [describe(system, items, bases[at], bases[at + 2] or {})
             for at, (system, items) in enumerate(zip(("crm", "erp"), shows, strict=True))]
    pairs = pairs[:data.draw(st.integers(1, 2))]
    views, refs = {view.system: view for view, _ in pairs}, {ref.system: ref for _, ref in pairs}
    found = merge(sheet, views, refs, origin="crm")
    with patch.multiple(ListMerge, _undisputed=lambda *_: None, _agreed=lambda *_: None):
        assert repr(merge(sheet, views, refs, origin="crm")) == repr(found)
