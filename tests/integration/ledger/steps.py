"""Builders: each gives a valid thing, a test states only what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2.extensions

from sync_workers.ledger import records
from sync_workers.ledger.attempts import LostLease, Opened, Opening, Replan, Taken, open_attempts
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.inbox import Arrival, Arrived, record_arrivals
from sync_workers.ledger.records import Claim, Work
from sync_workers.ledger.settle import ErrorInfo, HoldInfo, RefState, Settlement, settle
from sync_workers.ledger.statements import Row

VERSIONS = {"order": 1, "customer": 1, "part": 1}
CALL_S, MARGIN_S = 30.0, 5.0


def arrive(ledger: Ledger, *external_ids: str, **given: Any) -> list[Arrived]:
    """Let orders of the CRM arrive by webhook, all in one group."""
    news = [
        Arrival(**{"system": "crm", "kind": "order", "source": "webhook", **given, "external_id": each})
        for each in external_ids
    ]
    return ledger.run(lambda tx: record_arrivals(tx, news))


def claim(
    ledger: Ledger,
    ids: Iterable[int],
    *,
    owner: str = "worker",
    lease_s: float = 120.0,
    versions: dict[str, int] | None = None,
) -> list[Claim]:
    return ledger.run(
        lambda tx: records.claim(
            tx, list(ids), owner=owner, lease_s=lease_s, versions=VERSIONS if versions is None else versions
        )
    )


def claim_new(ledger: Ledger, external_id: str = "1", **given: Any) -> Claim:
    """Let one order arrive and claim it."""
    [arrived] = arrive(ledger, external_id, **given)
    [held] = claim(ledger, [arrived.record_id])
    return held


def load(ledger: Ledger, *claims: Claim) -> list[Work]:
    with ledger.transaction() as tx:
        return records.load(tx, claims)


def opening(held: Claim, **given: Any) -> Opening:
    return Opening(
        **{
            "claim": held,
            "system": "erp",
            "kind": held.kind,
            "op": "create",
            "action": "",
            "key": f"crm-{held.kind}-{held.origin_id}",
            "mapping_version": 1,
            "fields": {},
            "request": {},
            "linger_s": 120.0,
            **given,
        }
    )


def open_all(
    ledger: Ledger, *openings: Opening, modes: dict[tuple[str, str], str] | None = None
) -> list[Opened | LostLease | Replan | Taken]:
    return ledger.run(
        lambda tx: open_attempts(
            tx, openings, call_s=CALL_S, margin_s=MARGIN_S, modes=modes or {}, versions=VERSIONS
        )
    )


def open_one(ledger: Ledger, held: Claim, **given: Any) -> Opened:
    [opened] = open_all(ledger, opening(held, **given))
    assert isinstance(opened, Opened)
    return opened


def done(held: Claim, **given: Any) -> Settlement:
    return Settlement(held, "done", **{"outcome": "applied", **given})


def dead(held: Claim, message: str = "the ERP has no such currency", **given: Any) -> Settlement:
    error = ErrorInfo("PermanentError", message, "add it there, then replay", given.pop("field", "currency"))
    return Settlement(held, "dead", outcome="dead", error=error, **{"facts": "f1", **given})


def hold(held: Claim, **given: Any) -> Settlement:
    info = HoldInfo(
        "credit_hold", "the customer owes too much", "raise the limit", given.pop("recheck_s", None)
    )
    return Settlement(held, "hold", hold=info, **given)


def retry(held: Claim, wait_s: float = 600, **given: Any) -> Settlement:
    return Settlement(held, "retry", wait_s=wait_s, **given)


def park(held: Claim, dependency: int, **given: Any) -> Settlement:
    return Settlement(held, "park", waits_for=dependency, **given)


def ref(external_id: str, system: str = "erp", **given: Any) -> RefState:
    return RefState(
        **{
            "system": system,
            "kind": "order",
            "external_id": external_id,
            "version": None,
            "sent": {},
            "held": {},
            "item_ids": {},
            **given,
        }
    )


def end(ledger: Ledger, *settlements: Settlement) -> set[int]:
    return ledger.run(lambda tx: settle(tx, settlements))


def rows(ledger: Ledger, sql: str, *parameters: Any) -> list[Row]:
    with ledger.transaction() as tx:
        return tx.rows(sql, parameters)


def value(ledger: Ledger, sql: str, *parameters: Any) -> Any:
    [[found]] = rows(ledger, sql, *parameters)
    return found


def column_of(ledger: Ledger, record_id: int, column: str) -> Any:
    return value(ledger, f"SELECT {column} FROM records WHERE id = %s", record_id)


def is_due(ledger: Ledger, record_id: int) -> bool:
    return bool(
        value(
            ledger,
            "SELECT coalesce(due_at <= clock_timestamp(), false) FROM records WHERE id = %s",
            record_id,
        )
    )


def lapse(ledger: Ledger, ids: Sequence[int]) -> None:
    """Let leases run out now instead of waiting for them."""
    with ledger.transaction() as tx:
        tx.execute(
            "UPDATE records SET lease_until = clock_timestamp() - interval '1 s' WHERE id = ANY(%s)",
            (list(ids),),
        )


def wait_until_blocked(watcher: Ledger, backend_pid: int) -> None:
    """Return once that backend waits for a lock: the database says so, no clock is guessed."""
    while not value(watcher, "SELECT cardinality(pg_blocking_pids(%s))", backend_pid):
        pass


def pid_of(tx: Any) -> int:
    connection: psycopg2.extensions.connection = tx.cursor.connection
    return connection.get_backend_pid()
