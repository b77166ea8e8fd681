"""The ownership table of the design, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.merge import _Merge, merge
from sync_workers.domain.records import Conflict, Op, Plan, Ref, View
from sync_workers.errors import PermanentError
from tests.unit.domain.stores import make_sheet

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NO_BASE = object()


def decide(
    rule: dict[str, Any],
    crm: Any,
    erp: Any,
    *,
    held: Any = "a",
    origin: str = "crm",
    live: Any = None,
    stamps: tuple[datetime | None, datetime | None] = (None, None),
) -> Plan:
    """Merge one text field; ``held`` is what both systems held, or NO_BASE."""
    sheet = make_sheet([{"name": "f", "crm": "f", "erp": "f", **rule}])
    base = {} if held is NO_BASE else {"f": held}
    refs = {system: Ref(system, "1", sent=base, held=base) for system in ("crm", "erp")}
    views = {
        system: View(system, {"f": value}, changed_at=stamp)
        for system, value, stamp in zip(("crm", "erp"), (crm, erp), stamps, strict=True)
    }
    return merge(sheet, views, refs, origin=origin, live=live)


def outcome(plan: Plan) -> Any:
    if plan.conflicts:
        return "conflict"
    if not plan.writes:
        return None
    [write] = plan.writes
    change = write.changes["f"]
    return write.system, change.after, change.rule, len(plan.overrules)


@pytest.mark.parametrize(
    ("crm", "erp", "held", "expected"),
    [
        pytest.param("a", "a", "a", None, id="nothing moved"),
        pytest.param("b", "a", "a", ("erp", "b", "owner crm", 0), id="the owner moved"),
        pytest.param("a", "b", "a", ("erp", "a", "owner crm", 1), id="only the other moved: put back"),
        pytest.param("b", "c", "a", ("erp", "b", "owner crm", 1), id="both moved: the owner wins"),
        pytest.param("b", "b", "a", None, id="both moved to the same"),
        pytest.param(None, "a", "a", ("erp", None, "owner crm", 0), id="the owner cleared it"),
        pytest.param("b", "c", NO_BASE, ("erp", "b", "owner crm", 0), id="no base: no overrule row"),
    ],
)
def test_an_owned_field(crm: Any, erp: Any, held: Any, expected: Any) -> None:
    assert outcome(decide({"owner": "crm"}, crm, erp, held=held)) == expected


@pytest.mark.parametrize(
    ("crm", "erp", "held", "prefer", "expected"),
    [
        pytest.param("a", "a", "a", "erp", None, id="nothing moved"),
        pytest.param("b", "a", "a", "erp", ("erp", "b", "shared, crm moved", 0), id="one side moved"),
        pytest.param("a", "b", "a", "crm", ("crm", "b", "shared, erp moved", 0), id="the other side moved"),
        pytest.param("b", "b", "a", "ask", None, id="both moved to the same"),
        pytest.param("b", "c", "a", "erp", ("crm", "c", "shared, prefer erp", 1), id="both moved, erp wins"),
        pytest.param("b", "c", "a", "ask", "conflict", id="both moved, a person decides"),
        pytest.param("b", "c", "a", "newest", "conflict", id="both moved, no stamps to tell the newest"),
        pytest.param("b", "b", NO_BASE, "ask", None, id="no base, equal"),
        pytest.param("b", "c", NO_BASE, "crm", ("erp", "b", "shared, prefer crm", 0), id="no base, differ"),
        pytest.param(
            None, "c", NO_BASE, "crm", ("crm", "c", "shared, erp knows", 0), id="no base, one side blank"
        ),
    ],
)
def test_a_shared_field(crm: Any, erp: Any, held: Any, prefer: str, expected: Any) -> None:
    assert outcome(decide({"owner": "shared", "prefer": prefer}, crm, erp, held=held)) == expected


def test_the_newest_of_two_edits_wins_where_both_are_stamped() -> None:
    rule = {"owner": "shared", "prefer": "newest"}
    plan = decide(rule, "b", "c", stamps=(NOON, NOON.replace(hour=13)))
    assert outcome(plan) == ("crm", "c", "shared, prefer newest", 1)
    assert outcome(decide(rule, "b", "c", stamps=(NOON, NOON))) == "conflict"


def test_a_conflict_names_what_each_side_says_and_agrees_on_nothing() -> None:
    plan = decide({"owner": "shared", "prefer": "ask"}, "b", "c")
    assert plan.conflicts == (Conflict("f", {"crm": "b", "erp": "c"}),)
    assert plan.agreed == {}


def test_an_overrule_names_the_loser_the_winner_and_the_rule() -> None:
    [overrule] = decide({"owner": "crm"}, "a", "typed in").overrules
    assert (overrule.field, overrule.system, overrule.lost) == ("f", "erp", "typed in")
    assert (overrule.winner, overrule.won, overrule.rule) == ("crm", "a", "owner crm")


@pytest.mark.parametrize(("origin", "target"), [("crm", "erp"), ("erp", "crm")])
def test_a_field_of_the_origin_follows_the_system_of_birth(origin: str, target: str) -> None:
    plan = decide({"owner": "origin"}, "b", "c", origin=origin)
    assert [write.system for write in plan.writes] == [target]


def test_a_field_copied_once_is_left_alone_afterwards() -> None:
    plan = decide({"owner": "once"}, "b", "c")
    assert plan.writes == ()
    assert plan.agreed == {"crm": {"f": "b"}, "erp": {"f": "c"}}


def test_what_a_system_sends_once_more_is_not_written() -> None:
    """It shows what it held, and we would send what we sent (protocol G2)."""
    sheet = make_sheet([{"name": "f", "crm": "f", "erp": "f"}])
    refs = {
        "crm": Ref("crm", "1", sent={"f": "a"}, held={"f": "a"}),
        "erp": Ref("erp", "1", sent={"f": "a"}, held={"f": "A!"}),
    }
    views = {"crm": View("crm", {"f": "a"}), "erp": View("erp", {"f": "A!"})}
    plan = merge(sheet, views, refs, origin="crm")
    assert plan.writes == ()
    assert "erp" not in plan.agreed  # its base stays as it is


def test_a_read_only_place_is_never_written() -> None:
    plan = decide({"owner": "crm", "erp": {"path": "f", "read_only": True}}, "b", "a")
    assert plan.writes == ()


def test_a_system_that_may_not_be_written_keeps_the_difference_for_later() -> None:
    plan = decide({"owner": "crm"}, "b", "c", live=["crm"])
    assert plan.writes == ()
    assert plan.overrules == ()
    assert plan.agreed == {}


def test_a_derived_field_is_computed_from_settled_values_and_put_back() -> None:
    sheet = make_sheet(
        [
            {"name": "first", "crm": "first"},
            {"name": "last", "crm": "last"},
            {"name": "full", "owner": "derived", "from": ["first", "last"], "by": "join", "erp": "full"},
        ]
    )
    refs = {"crm": Ref("crm", "1"), "erp": Ref("erp", "2", held={"full": "Ada L"}, sent={"full": "Ada L"})}
    views = {"crm": View("crm", {"first": "Ada", "last": "L"}), "erp": View("erp", {"full": "x"})}
    plan = merge(sheet, views, refs, origin="crm")
    assert plan.writes[0].changes["full"].after == "Ada L"
    assert plan.overrules[0].winner == "derived"


class TestBirth:
    """When a record is created elsewhere, and with what."""

    FIELDS = (
        {"name": "name", "crm": "name", "erp": "name", "at_birth": True},
        {"name": "limit", "owner": "erp", "crm": "limit", "erp": "limit"},
        {"name": "won", "as": "bool", "crm": "won"},
    )

    def sheet(self, **more: Any) -> Any:
        return make_sheet(self.FIELDS, **{"created_by": ["crm", "erp"], **more})

    def plan(self, sheet: Any, values: dict[str, Any], origin: str = "crm", live: Any = None) -> Plan:
        views = {origin: View(origin, values)}
        return merge(sheet, views, {origin: Ref(origin, "1")}, origin=origin, live=live)

    def test_a_create_never_carries_what_the_target_owns(self) -> None:
        plan = self.plan(self.sheet(), {"name": "n", "limit": "typed by a rep", "won": True})
        [write] = plan.writes
        assert (write.system, write.op, dict(write.changes).keys()) == ("erp", Op.CREATE, {"name"})
        assert write.changes["name"].rule == "created from crm"

    def test_a_record_born_elsewhere_brings_along_what_its_owner_wants_at_birth(self) -> None:
        plan = self.plan(self.sheet(), {"name": "n", "limit": "9"}, origin="erp")
        [write] = plan.writes
        assert write.system == "crm"
        assert {name: change.after for name, change in write.changes.items()} == {"name": "n", "limit": "9"}

    def test_the_sheet_says_who_may_give_birth(self) -> None:
        sheet = self.sheet(created_by=["crm"])
        assert self.plan(sheet, {"name": "n", "limit": None}, origin="erp").writes == ()

    @pytest.mark.parametrize(("won", "created"), [(True, 1), (False, 0), (None, 0)])
    def test_a_deal_becomes_an_order_when_it_is_won(self, won: bool | None, created: int) -> None:
        sheet = self.sheet(created_when={"field": "won", "is": True})
        assert len(self.plan(sheet, {"name": "n", "won": won, "limit": None}).writes) == created

    def test_a_record_deleted_by_a_person_is_not_created_again(self) -> None:
        views = {"crm": View("crm", {"name": "n"}), "erp": View("erp", None)}
        refs = {"crm": Ref("crm", "1"), "erp": Ref("erp", "2")}
        assert merge(self.sheet(), views, refs, origin="crm").writes == ()

    def test_a_facet_of_another_kind_is_never_created(self) -> None:
        assert self.plan(self.sheet(extends="part"), {"name": "n"}).writes == ()

    def test_a_system_that_may_not_be_written_gets_no_create(self) -> None:
        assert self.plan(self.sheet(), {"name": "n"}, live=["crm"]).writes == ()

    def test_a_blank_that_the_target_needs_is_an_error_that_names_it(self) -> None:
        sheet = make_sheet([{"name": "name", "crm": "name", "erp": "name", "required": True}])
        with pytest.raises(PermanentError, match="erp needs 'name', blank in crm; fill 'name' in crm"):
            self.plan(sheet, {"name": None})


class TestSteps:
    """Actions come after the fields, one at a time."""

    STEPS = (
        {"name": "quote", "system": "erp", "why": "x", "when": {"state": "draft"}, "needs": {"won": True}},
        {"name": "confirm", "system": "erp", "why": "x", "when": {"state": ["quotation", "sent"]}},
    )

    def plan(self, *, crm: dict[str, Any], erp: dict[str, Any], **rule: Any) -> Plan:
        sheet = make_sheet(
            [
                {"name": "won", "as": "bool", "crm": "won"},
                {"name": "po", "crm": "po", "erp": "po", **rule},
                {"name": "state", "owner": "erp", "crm": "state", "erp": "state"},
            ],
            step=[dict(step) for step in self.STEPS],
        )
        refs = {"crm": Ref("crm", "1"), "erp": Ref("erp", "2")}
        return merge(sheet, {"crm": View("crm", crm), "erp": View("erp", erp)}, refs, origin="crm")

    def actions(self, plan: Plan) -> list[str]:
        return [write.action for write in plan.writes if write.op is Op.ACTION]

    def test_fields_go_first(self) -> None:
        crm = {"won": True, "po": "1", "state": "draft"}
        plan = self.plan(crm=crm, erp={"po": None, "state": "draft"})
        assert [(write.system, write.op) for write in plan.writes] == [("erp", Op.UPDATE)]

    @pytest.mark.parametrize(
        ("state", "won", "expected"),
        [
            ("draft", True, ["quote"]),
            ("draft", False, []),
            ("quotation", False, ["confirm"]),
            ("sent", True, ["confirm"]),
            ("done", True, []),
        ],
    )
    def test_the_first_step_whose_conditions_hold_is_planned(
        self, state: str, won: bool, expected: list[str]
    ) -> None:
        crm = {"won": won, "po": "1", "state": state}
        plan = self.plan(crm=crm, erp={"po": "1", "state": state})
        assert self.actions(plan) == expected

    def test_a_write_to_one_system_does_not_hold_up_the_step_of_another(self) -> None:
        plan = self.plan(crm={"won": True, "po": "1", "state": None}, erp={"po": "1", "state": "draft"})
        assert [(write.system, write.op) for write in plan.writes] == [
            ("crm", Op.UPDATE),
            ("erp", Op.ACTION),
        ]

    def test_no_step_is_taken_while_a_person_must_decide(self) -> None:
        crm = {"won": True, "po": "1", "state": "draft"}
        plan = self.plan(crm=crm, erp={"po": "2", "state": "draft"}, owner="shared", prefer="ask")
        assert plan.conflicts
        assert self.actions(plan) == []


def test_money_is_compared_in_the_digits_of_its_currency() -> None:
    money = {"path": "total", "as": "money"}
    sheet = make_sheet(
        [
            {"name": "total", "owner": "erp", "crm": money, "erp": {"path": "total", "as": "decimal"}},
            {"name": "currency", "owner": "erp", "crm": "currency", "erp": "currency"},
        ]
    )
    refs = {"crm": Ref("crm", "1"), "erp": Ref("erp", "2")}
    erp = View("erp", {"currency": "JPY", "total": Decimal("1000.4")})
    crm = View("crm", {"currency": "JPY", "total": Decimal("1000")})
    assert merge(sheet, {"crm": crm, "erp": erp}, refs, origin="erp").writes == ()


NUMBERS = st.sampled_from([None, Decimal("1"), Decimal("1.0"), Decimal("2.50")])
OWNERS = st.sampled_from(["crm", "erp", "shop", "origin", "once", "shared"])


@given(st.data())
def test_what_all_agree_on_comes_out_as_if_the_rules_had_been_asked(data: st.DataObject) -> None:
    systems = data.draw(st.lists(st.sampled_from(["crm", "erp", "shop"]), min_size=1, max_size=3, unique=True))
    shows = {
        system: {name: data.draw(NUMBERS) for name in "ab"} | {"c": data.draw(st.sampled_from([None, "EUR", "JPY"]))}
        for system in systems
    }
    rules: list[dict[str, Any]] = []
    for name in "abc":
        rule: dict[str, Any] = {"name": name, "owner": data.draw(OWNERS), "as": "text" if name == "c" else "decimal"}
        if rule["owner"] == "shared":
            rule["prefer"] = "ask"
        elif rule["owner"] in ("crm", "erp", "shop") and data.draw(st.booleans()):
            rule["when_blank"] = "leave"
        if name == "a" and data.draw(st.booleans()):
            rule["locked_when"] = {"c": "EUR"}
        places = data.draw(st.sets(st.sampled_from(["crm", "erp", "shop"]), min_size=1))
        places |= {rule["owner"]} & {"crm", "erp", "shop"}
        rules.append(rule | dict.fromkeys(sorted(places), name))
    rules[2] |= {"owner": "crm", "crm": "c"}
    rules[2].pop("prefer", None)
    sheet = make_sheet([*rules, {"name": "d", "owner": "derived", "by": "join", "from": ["a", "c"], "erp": "d"}])
    views = {}
    for system, values in shows.items():
        known = {rule.name for rule in sheet.fields if system in rule.places}
        views[system] = View(system, {name: value for name, value in values.items() if name in known} | (
            {"d": data.draw(st.sampled_from([None, "1 EUR"]))} if system == "erp" else {}))
    bases = data.draw(st.booleans())
    refs = {
        system: Ref(system, "1", sent=dict(view.values or {}) if bases else {}, held=dict(view.values or {}))
        for system, view in views.items()
    }
    live = data.draw(st.none() | st.sets(st.sampled_from(["crm", "erp", "shop"])))
    found = merge(sheet, views, refs, origin="crm", live=live)
    with patch.object(_Merge, "_is_undisputed", lambda *_: False):
        assert told(merge(sheet, views, refs, origin="crm", live=live)) == told(found)


@pytest.mark.parametrize(("currency", "said"), [("EUR", "created from crm"), ("JPY", "once, created from crm")])
def test_a_field_carried_over_once_says_so_at_a_birth_unless_it_is_locked(currency: str, said: str) -> None:
    rules = [{"name": "a", "owner": "once", "locked_when": {"c": "EUR"}, "crm": "a", "erp": "a"},
             {"name": "c", "owner": "crm", "crm": "c"}]  # fmt: skip
    views, refs = {"crm": View("crm", {"a": "1", "c": currency})}, {"crm": Ref("crm", "1")}
    for settled_at_once in (True, False):
        with patch.object(_Merge, "_is_undisputed", _Merge._is_undisputed if settled_at_once else lambda *_: False):
            (write,) = merge(make_sheet(rules), views, refs, origin="crm").writes
        assert write.changes["a"].rule == said


def told(plan: Plan) -> str:
    """Write a plan out to the last digit; in what order systems and fields agree says nothing."""
    agreed = {system: dict(sorted(values.items())) for system, values in sorted(plan.agreed.items())}
    return repr(replace(plan, agreed=agreed))
