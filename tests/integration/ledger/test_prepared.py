"""Prepared statements on a real connection: through rollbacks, new plans and new connections."""

from __future__ import annotations

import pytest

from sync_workers.ledger.connection import Ledger, Unstorable
from sync_workers.ledger.statements import REPLAN_AFTER, Prepared

DOUBLE = Prepared("SELECT %(n)s::int * 2, current_setting('plan_cache_mode')")


def test_a_statement_answers_alike_however_often_it_was_planned_anew(ledger: Ledger) -> None:
    for n in range(3 * REPLAN_AFTER):
        with ledger.transaction() as tx:
            assert tx.rows(DOUBLE, {"n": n}) == [(2 * n, "force_generic_plan")]


def test_a_rollback_does_not_forget_what_was_prepared(ledger: Ledger) -> None:
    def fail_after_preparing() -> None:
        with ledger.transaction() as tx:
            tx.execute(DOUBLE, {"n": 1})
            raise RuntimeError("roll back")

    with pytest.raises(RuntimeError):
        fail_after_preparing()

    with ledger.transaction() as tx:
        assert tx.rows(DOUBLE, {"n": 2})[0][0] == 4


def test_a_failed_statement_leaves_the_next_transaction_sound(ledger: Ledger) -> None:
    broken = Prepared("SELECT 1 / %(n)s::int")
    for n, expected in ((1, 1), (0, None), (1, 1), (0, None), (1, 1)):
        if expected is None:
            with pytest.raises(Unstorable, match="division by zero"), ledger.transaction() as tx:
                tx.execute(broken, {"n": n})
        else:
            with ledger.transaction() as tx:
                assert tx.rows(broken, {"n": n}) == [(expected,)]


def test_a_new_connection_prepares_for_itself(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        tx.execute(DOUBLE, {"n": 1})
    ledger.dispose()

    with ledger.transaction() as tx:
        assert tx.rows(DOUBLE, {"n": 3})[0][0] == 6
