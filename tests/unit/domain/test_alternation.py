"""The same two values, three times within an hour: a machine on the other side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sync_workers.domain.alternation import Turn, alternates, name_of, turn, turns_in
from sync_workers.domain.records import Items, Value

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def turns(*swaps: tuple[int, str, str]) -> list[Turn]:
    return [Turn(NOW - timedelta(minutes=minutes), before, after) for minutes, before, after in swaps]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([], False, id="no writes"),
        pytest.param(turns((9, "b", "a"), (0, "b", "a")), False, id="put back twice"),
        pytest.param(turns((9, "b", "a"), (5, "b", "a"), (0, "b", "a")), True, id="put back three times"),
        pytest.param(turns((9, "b", "a"), (5, "a", "b"), (0, "b", "a")), True, id="to and fro"),
        pytest.param(turns((61, "b", "a"), (5, "b", "a"), (0, "b", "a")), False, id="over an hour"),
        pytest.param(
            turns((9, "b", "a"), (5, "c", "a"), (0, "d", "a")), False, id="different values: people"
        ),
        pytest.param(
            turns((9, "b", "a"), (8, "x", "y"), (5, "b", "a"), (0, "b", "a")), True, id="another edit between"
        ),
        pytest.param(
            turns((9, "b", "a"), (8, "b", "a"), (7, "b", "a"), (0, "c", "a")), False, id="it has stopped"
        ),
    ],
)
def test_alternation(history: list[Turn], expected: bool) -> None:
    assert alternates(history, NOW) is expected
    assert alternates(history[::-1], NOW) is expected


BEARING: Items = {"7": {"part": "BRG", "quantity": "4"}}
TYPED: Items = {"7": {"part": "BRG", "quantity": "400"}}
MORE: Items = {**BEARING, "b]1": {"part": "NUT"}}


@pytest.mark.parametrize(
    ("field", "before", "after", "expected"),
    [
        pytest.param("po", "a", "b", [("a", "b")], id="a field"),
        pytest.param("lines[7].quantity", TYPED, BEARING, [("400", "4")], id="a field of an item"),
        pytest.param("lines[8].quantity", TYPED, BEARING, [], id="a field of another item"),
        pytest.param("lines[7]", TYPED, BEARING, [], id="which items there are, and they stay"),
        pytest.param("lines[b]1]", MORE, BEARING, [({"": {"part": "NUT"}}, None)], id="an item is taken out"),
        pytest.param("lines[99]", BEARING, MORE, [(None, {"": {"part": "NUT"}})], id="an item comes back"),
        pytest.param("lines[7].quantity", None, BEARING, [], id="the list is new"),
    ],
)
def test_what_one_write_did(field: str, before: Value, after: Value, expected: list[tuple[Value, Value]]) -> None:
    assert [(each.before, each.after) for each in turns_in(field, NOW, before, after)] == expected
    assert name_of(field) == ("po" if field == "po" else "lines")


def test_an_item_is_known_by_its_values_whatever_its_key() -> None:
    assert turn(NOW, {"8": {"part": "NUT"}}, None) == next(turns_in("lines[9]", NOW, MORE, BEARING))
