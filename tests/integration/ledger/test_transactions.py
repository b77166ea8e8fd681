"""Transactions on a real connection: what travels together, and that nothing is promised that was not committed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2
import pytest

from sync_workers.ledger.connection import Ledger, Unstorable
from sync_workers.ledger.statements import Prepared, Tx

NOTE = Prepared("INSERT INTO heartbeats (worker, queues) VALUES (%s, 1 / %s::int)")
MADE = "SELECT array_agg(worker ORDER BY seen_at) FROM heartbeats"


def made(ledger: Ledger) -> list[str] | None:
    with ledger.transaction() as tx:
        found: list[str] | None = tx.rows(MADE)[0][0]
    return found


def sent(tx: Tx) -> list[str]:
    """Return the messages that go out from here on."""
    messages: list[str] = []
    cursor = tx._cursor

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(cursor, name)

        def execute(self, text: str | bytes, *parameters: object) -> None:
            messages.append(text.decode() if isinstance(text, bytes) else text)
            cursor.execute(text, *parameters)

    tx._cursor = Listening()
    return messages


def test_what_nobody_waits_for_travels_with_the_next_statement_and_with_the_commit(ledger: Ledger) -> None:
    with ledger.transaction() as warm:
        for number in range(3):
            warm.execute(NOTE, (f"warm {number}", 1))
    with ledger.transaction() as tx:
        messages = sent(tx)
        tx.later(NOTE, ("a", 1))
        tx.later(NOTE, ("b", 1))
        assert tx.rows("SELECT count(*) FROM heartbeats WHERE worker IN ('a', 'b')") == [(2,)]
        tx.later(NOTE, ("c", 1))
    statements = [text for text in messages if not text.startswith(("PREPARE", "DEALLOCATE"))]
    assert [text.split("; ")[0] for text in statements] == ["BEGIN", statements[1].split("; ")[0]]
    assert statements[1].endswith("; COMMIT")
    assert made(ledger)[-3:] == ["a", "b", "c"]  # type: ignore[index]


def test_a_transaction_without_statements_sends_nothing(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        messages = sent(tx)
    assert messages == []


def test_a_late_statement_that_fails_undoes_all_and_is_heard(ledger: Ledger) -> None:
    def work(tx: Tx) -> None:
        tx.execute(NOTE, ("a", 1))
        tx.later(NOTE, ("b", 0))

    with pytest.raises(Unstorable, match="division by zero"):
        ledger.run(work)
    assert made(ledger) is None


def test_a_failure_that_somebody_swallowed_is_no_commit(ledger: Ledger) -> None:
    def swallow() -> None:
        with ledger.transaction() as tx:
            tx.execute(NOTE, ("a", 1))
            with pytest.raises(psycopg2.DataError):
                tx.execute(NOTE, ("b", 0))

    with pytest.raises(psycopg2.InternalError, match="ended with ROLLBACK"):
        swallow()
    assert made(ledger) is None


def test_statements_sent_singly_stand_by_themselves(ledger: Ledger, another_ledger: Callable[[], Ledger]) -> None:
    def work() -> None:
        with ledger.singly() as tx:
            tx.execute(NOTE, ("a", 1))
            assert made(another_ledger()) == ["a"]
            tx.execute(NOTE, ("b", 0))

    with pytest.raises(Unstorable):
        work()
    assert made(ledger) == ["a"]


def test_a_connection_goes_back_clean_whatever_became_of_its_transaction(ledger: Ledger) -> None:
    def fail(at: int) -> None:
        with ledger.transaction() as tx:
            tx.execute(NOTE, (f"{at}", 1))
            raise RuntimeError("roll back")

    for at in range(4):
        with pytest.raises(RuntimeError):
            fail(at)
    with ledger.transaction() as tx:
        assert tx.rows("SELECT now() = statement_timestamp()") == [(True,)]
    assert made(ledger) is None
