"""An answer holds for its time, from when it was asked for; what failed is asked again."""

from __future__ import annotations

import pytest

from sync_workers.connectors.tryton.lately import Lately
from sync_workers.connectors.tryton.session import Deadline
from sync_workers.errors import TransientError


def test_an_answer_holds_from_when_it_was_asked_for_and_is_then_asked_again() -> None:
    now, answers = 100.0, iter(["first", "second"])

    def ask(_: Deadline) -> str:
        nonlocal now
        now += 3.0  # so long the system takes
        return next(answers)

    lately, within = Lately(ask, 5.0, clock=lambda: now), Deadline(30)
    assert lately.get(within) == "first"
    now = 104.9
    assert lately.get(within) == "first"
    now = 105.0
    assert lately.get(within) == "second"


def test_what_failed_is_asked_again_at_once() -> None:
    asked = 0

    def ask(_: Deadline) -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TransientError("away")
        return asked

    lately, within = Lately(ask, 60.0), Deadline(30)
    with pytest.raises(TransientError):
        lately.get(within)
    assert (lately.get(within), lately.get(within)) == (2, 2)
