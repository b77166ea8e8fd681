"""The facts that decide whether a story of the demo ended as promised."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.commands.demo.books import Books
from sync_workers.commands.demo.report import Told, Verdict
from sync_workers.commands.demo.scenario import Fact, says
from sync_workers.commands.demo.stories import SCENARIOS


def test_a_fact_says_what_was_found_and_where_it_is_wrong_what_was_promised() -> None:
    assert Fact("parcels", 3, 3).sentence == "parcels: 3"
    assert Fact("parcels", [], ["4 u A"]).sentence == "parcels: none; promised was 4 u A"
    assert Fact("on backorder", Decimal("6.000"), Decimal(0)).sentence == "on backorder: 6; promised was 0"
    assert not Fact("a hold", "", "on credit hold").is_well


@pytest.mark.parametrize(
    ("text", "is_well"),
    [("20.00 was quoted, erp has 29.15", True), ("20.00 was quoted", False), ("", False), (None, False)],
)
def test_a_text_must_name_every_word(text: str | None, is_well: bool) -> None:
    fact = says("the note", text, "20.00", "29.15")
    assert fact.is_well is is_well
    assert is_well or "29.15" in fact.sentence


def test_each_story_has_acts_and_a_check_and_the_day_comes_first() -> None:
    assert next(iter(SCENARIOS)) == "day"
    for name, story in SCENARIOS.items():
        assert story.name == name
        assert story.acts
        assert name == "day" or story.check.__name__ == "check", f"{name} decides nothing"


@pytest.mark.parametrize(
    ("facts", "went_wrong", "counted", "wrong"),
    [
        pytest.param([Fact("parcels", 3, 3)], [], [], [], id="as promised"),
        pytest.param([Fact("parcels", 2, 3)], [], [], ["parcels: 2; promised was 3"], id="a fact"),
        pytest.param([], ["an act: not there"], [], ["an act: not there"], id="an act"),
        pytest.param([], [], ["deal 1: lost"], ["deal 1: lost"], id="the books"),
    ],
)
def test_whatever_is_not_as_promised_is_named_and_decides(
    facts: list[Fact], went_wrong: list[str], counted: list[str], wrong: list[str]
) -> None:
    told = Told(SCENARIOS["shipments"], [], [], facts, Books(wrong=counted), went_wrong, 1.0)
    verdict = Verdict([told, told], {"holds": True, "laws": []}, 2.0)
    assert verdict.wrong == wrong
    assert verdict.is_well is not bool(wrong)
