"""What is not over in time is told once; what was removed never is; and one look at a time stands out."""

from __future__ import annotations

import asyncio
import time

import pytest

from sync_workers.web import deadlines as deadlines_
from sync_workers.web.deadlines import Deadlines


def test_what_is_late_is_told_once_and_what_was_removed_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines_, "LOOK_EVERY_S", 0.01)
    late: list[str] = []

    async def scene() -> None:
        deadlines = Deadlines(late.append)
        now = time.monotonic()
        deadlines.add("soon", now + 0.03)
        deadlines.add("over", now + 0.03)
        deadlines.add("far", now + 60)
        assert deadlines.remove("over")
        assert not deadlines.remove("over")
        while not late:
            await asyncio.sleep(0.005)
        assert time.monotonic() >= now + 0.03
        await asyncio.sleep(0.05)
        assert not deadlines.remove("soon"), "it was late"
        assert deadlines.remove("far")
        await asyncio.sleep(0.03)  # nothing is left, so nobody looks
        deadlines.add("again", 0.0)
        while len(late) < 2:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(scene(), 10))
    assert late == ["soon", "again"]


def test_one_that_is_removed_because_another_was_late_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines_, "LOOK_EVERY_S", 0.01)
    late: list[str] = []

    def told(one: str) -> None:
        late.append(one)
        deadlines.remove("second")

    deadlines = Deadlines(told)

    async def scene() -> None:
        deadlines.add("first", 0.0)
        deadlines.add("second", 0.0)
        await asyncio.sleep(0.05)

    asyncio.run(scene())
    assert late == ["first"]
