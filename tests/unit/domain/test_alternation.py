"""The same two values, three times within an hour: a machine on the other side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sync_workers.domain.alternation import Turn, alternates

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
