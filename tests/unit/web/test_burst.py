"""What goes to the writer, what goes on the doorstep, and who hears of it; a line that tests hold stands in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from sync_workers.errors import TransientError
from sync_workers.ledger.inbox import Arrival
from sync_workers.web import burst as bursts
from sync_workers.web.burst import BURST, STILL, Burst
from sync_workers.web.writer import MOST_IN_A_GROUP, Delivery, QueueFull, Unknown


def arrival(name: str, **more: Any) -> Arrival:
    return Arrival("crm", "order", name, "webhook", **more)


class Writer:
    """Stands in for the group writer: says how many wait and keeps what it is given."""

    def __init__(self, waiting: int = BURST) -> None:
        self.waiting = waiting
        self.given: list[list[str]] = []

    def submit(self, arrivals: Sequence[Arrival], tell: Any) -> Delivery:
        self.given.append([one.external_id for one in arrivals])
        return Delivery(arrivals, tell)


class Line:
    """Stands in for the connection: keeps the rows, waits when told to, fails when told to."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.error: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def execute(self, sql: str, parameters: tuple[int, str]) -> None:
        await self.go.wait()
        if self.error is not None:
            raise self.error
        ids = [one["external_id"] for one in json.loads(parameters[1])]
        assert len(ids) == parameters[0]
        self.rows.append(ids)

    def close(self) -> None:
        self.go.set()


class Scene:
    """A burst with its stand-ins, and who was told on the loop."""

    def __init__(self, waiting: int = BURST) -> None:
        self.writer, self.line = Writer(waiting), Line()
        self.told: list[list[Delivery]] = []
        self.knocks = 0
        self.burst = Burst(self.writer, self.line, tell=lambda _: None,  # type: ignore[arg-type]
                           tell_here=lambda group: self.told.append(list(group)), knock=self._knock)

    def _knock(self) -> None:
        self.knocks += 1

    async def end(self) -> None:
        while self.burst.is_on:
            await asyncio.sleep(0)
        self.burst.close()


def play(scene: Callable[[Scene], Awaitable[None]], waiting: int = BURST) -> Scene:
    async def main() -> Scene:
        made = Scene(waiting)
        await scene(made)
        await made.end()
        return made

    return asyncio.run(main())


def test_while_few_wait_the_writer_records_as_ever() -> None:
    async def scene(made: Scene) -> None:
        made.burst.submit([arrival("1")])

    made = play(scene, waiting=BURST - 1)
    assert (made.writer.given, made.line.rows) == ([["1"]], [])


def test_in_a_burst_all_that_comes_in_one_turn_of_the_loop_is_one_row_and_is_told_at_once() -> None:
    async def scene(made: Scene) -> None:
        for number in range(5):
            made.burst.submit([arrival(f"{number}a"), arrival(f"{number}b")])

    made = play(scene)
    assert made.line.rows == [[f"{number}{letter}" for number in range(5) for letter in "ab"]]
    assert [len(group) for group in made.told] == [5]
    assert [each.outcome() for each in made.told[0]] == [[]] * 5
    assert (made.writer.given, made.knocks) == ([], 1)


def test_a_burst_lasts_while_something_waits_and_then_the_writer_is_asked_again() -> None:
    async def scene(made: Scene) -> None:
        made.line.go.clear()
        made.burst.submit([arrival("1")])
        await asyncio.sleep(0)
        made.writer.waiting = 0
        made.burst.submit([arrival("2")])
        made.line.go.set()
        await made.end()
        made.burst.submit([arrival("3")])

    made = play(scene)
    assert (made.line.rows, made.writer.given) == ([["1"], ["2"]], [["3"]])


def test_after_a_large_group_the_next_ones_follow_it_for_a_moment_and_after_a_small_one_they_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bursts, "LINGER_S", 0.05)

    async def scene(made: Scene) -> None:
        for number in range(STILL):
            made.burst.submit([arrival(f"large-{number}")])
        while not made.told:
            await asyncio.sleep(0)
        made.writer.waiting = 0
        made.burst.submit([arrival("soon")])
        while len(made.told) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.06)
        made.burst.submit([arrival("later")])

    made = play(scene)
    assert made.line.rows == [[f"large-{number}" for number in range(STILL)], ["soon"]]
    assert made.writer.given == [["later"]]


def test_a_knock_follows_a_short_burst_and_comes_now_and_then_in_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "LINGER_S", 0.01)
    monkeypatch.setattr(bursts, "KNOCK_S", 0.2)
    counted: list[int] = []

    async def scene(made: Scene) -> None:
        made.burst.submit([arrival("1")])
        made.burst.submit([arrival("2")])
        await asyncio.sleep(0.1)
        counted.append(made.knocks)
        began = time.monotonic()
        while time.monotonic() < began + 0.5:
            made.burst.submit([arrival("more")])
            await asyncio.sleep(0)
        counted.append(made.knocks)
        await asyncio.sleep(0.1)
        counted.append(made.knocks)

    made = play(scene)
    short, long, after = counted
    assert short == 1
    assert 2 <= long <= 4, "half a second of burst, a fifth apart"
    assert after == long + 1, "for what came last"
    assert made.knocks == after, "there is nothing left to say at the end"


def test_a_receiver_that_stops_in_a_burst_knocks_for_what_it_put() -> None:
    async def scene(made: Scene) -> None:
        made.burst.submit([arrival("1")])
        while not made.told:
            await asyncio.sleep(0)
        assert made.knocks == 0
        made.burst.close()
        assert made.knocks == 1

    assert play(scene).knocks == 1


@pytest.mark.parametrize(("error", "told"), [
    pytest.param(TransientError("no answer"), TransientError, id="the ledger is away"),
    pytest.param(RuntimeError("a defect"), Unknown, id="a defect of ours"),
])
def test_a_row_that_was_not_stored_is_told_to_each_and_the_next_one_is_tried(
    error: Exception, told: type[Exception]
) -> None:
    async def scene(made: Scene) -> None:
        made.line.error = error
        failed = [made.burst.submit([arrival(str(number))]) for number in range(3)]
        await made.end()
        for each in failed:
            with pytest.raises(told):
                each.outcome()
        made.line.error = None
        made.burst.submit([arrival("3")])

    made = play(scene)
    assert made.line.rows == [["3"]]
    assert [len(group) for group in made.told] == [3, 1]


@pytest.mark.parametrize("payload", [
    pytest.param({"name": "a\x00b"}, id="a NUL"),
    pytest.param({"name": "\ud800"}, id="a lone surrogate"),
    pytest.param({"number": 2**70}, id="an integer beyond 64 bits"),
])
def test_what_the_ledger_may_not_hold_is_left_to_the_writer_which_says_so(payload: dict[str, Any]) -> None:
    async def scene(made: Scene) -> None:
        made.burst.submit([arrival("1", payload=payload), arrival("2")])
        made.burst.submit([arrival("3")])

    made = play(scene)
    assert (made.writer.given, made.line.rows) == ([["1", "2"]], [["3"]])


def test_what_nobody_waits_for_any_longer_is_not_stored() -> None:
    async def scene(made: Scene) -> None:
        made.burst.submit([arrival("1")]).give_up()
        made.burst.submit([arrival("2")])

    assert play(scene).line.rows == [["2"]]


def test_a_row_is_bounded_and_so_is_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "MOST_WAITING", 3)
    monkeypatch.setattr(bursts, "MOST_TEXT", 400)
    many = [arrival(f"m{number}") for number in range(MOST_IN_A_GROUP + 1)]

    async def scene(made: Scene) -> None:
        made.burst.submit(many)
        made.burst.submit([arrival("x", note="n" * 300)])
        made.burst.submit([arrival("y")])
        with pytest.raises(QueueFull):
            made.burst.submit([arrival("z")])

    made = play(scene)
    assert [len(row) for row in made.line.rows] == [len(many), 1, 1]
