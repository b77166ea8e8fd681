"""The event loop's own connection: committed when it says so, and never believed after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from sync_workers.ledger import line as lines
from sync_workers.ledger.connection import Ledger, LedgerDown
from sync_workers.ledger.line import Line
from tests.integration.ledger.steps import rows, value

INSERT = "INSERT INTO heartbeats (worker, queues) VALUES (%s, %s)"


@pytest.fixture
def line(ledger: Ledger) -> Iterator[Line]:
    made = Line(ledger.url)
    yield made
    made.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_statement_is_committed_when_it_returns_however_long_it_is(ledger: Ledger, line: Line) -> None:
    async def work() -> None:
        await line.execute(INSERT, ("a", "live"))
        assert value(ledger, "SELECT count(*) FROM heartbeats") == 1
        await line.execute(INSERT, ("b", "x" * 8_000_000))  # more than a socket takes at once

    run(work)
    assert rows(ledger, "SELECT worker, length(queues) FROM heartbeats ORDER BY 1") == [("a", 4), ("b", 8_000_000)]


def test_the_loop_goes_on_while_the_ledger_works(line: Line) -> None:
    turns: list[int] = []

    async def work() -> None:
        async def count() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count())
        await line.execute("SELECT pg_sleep(%s)", (0.3,))
        counting.cancel()

    run(work)
    assert len(turns) > 5


def test_a_connection_that_was_cut_is_ledger_down_once_and_then_opened_anew(ledger: Ledger, line: Line) -> None:
    async def work() -> None:
        await line.execute(INSERT, ("a", ""))
        with ledger.transaction() as tx:
            tx.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                       " WHERE pid <> pg_backend_pid() AND datname = current_database()")
        with pytest.raises(LedgerDown):
            await line.execute(INSERT, ("b", ""))
        await line.execute(INSERT, ("c", ""))

    run(work)
    assert rows(ledger, "SELECT worker FROM heartbeats ORDER BY 1") == [("a",), ("c",)]


def test_a_connection_that_was_cut_while_it_rested_is_nobodys_trouble(
    ledger: Ledger, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        await line.execute(INSERT, ("a", ""))
        with ledger.transaction() as tx:
            tx.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                       " WHERE pid <> pg_backend_pid() AND datname = current_database()")
        monkeypatch.setattr(lines, "PING_AFTER_S", 0.0)
        await line.execute(INSERT, ("b", ""))

    run(work)
    assert rows(ledger, "SELECT worker FROM heartbeats ORDER BY 1") == [("a",), ("b",)]


def test_a_ledger_that_does_not_answer_in_time_is_down_and_so_is_one_that_is_not_there(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "WITHIN_S", 0.1)

    async def work() -> None:
        with pytest.raises(LedgerDown):
            await line.execute("SELECT pg_sleep(%s)", (5,))
        with pytest.raises(LedgerDown):
            await Line("postgresql://nobody:secret@127.0.0.1:1/nothing").execute("SELECT 1", ())

    run(work)


def test_a_statement_that_is_wrong_leaves_no_broken_connection_behind(ledger: Ledger, line: Line) -> None:
    async def work() -> None:
        with pytest.raises(LedgerDown):
            await line.execute("INSERT INTO nothing VALUES (%s)", (1,))
        await line.execute(INSERT, ("a", ""))

    run(work)
    assert value(ledger, "SELECT count(*) FROM heartbeats") == 1
