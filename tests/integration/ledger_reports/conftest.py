"""A migrated ledger per test, and a few hands that put rows into it as the engine would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sync_workers.ledger import claims, inbox, settle
from sync_workers.ledger.attempts import Opened, Opening, open_attempts
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.ledger.works import ErrorInfo

VERSIONS = {"order": 1, "customer": 1, "stock": 1, "part": 1}


class Desk:
    """The ledger under test with the engine's acts in short."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def arrive(self, external_id: str = "7", *, kind: str = "order", system: str = "crm", **more: Any) -> int:
        arrival = inbox.Arrival(system, kind, external_id, more.pop("source", "webhook"), **more)
        return self.ledger.run(lambda tx: inbox.record_arrivals(tx, [arrival]))[0].record_id

    def claim(self, record_id: int, *, lease_s: float = 60.0) -> claims.Claim:
        found = self.ledger.run(
            lambda tx: claims.claim(tx, [record_id], owner="desk", lease_s=lease_s, versions=VERSIONS))
        assert found, f"record {record_id} cannot be claimed"
        return found[0]

    def open(self, claim: claims.Claim, *, system: str = "erp", op: str = "create", rule: str = "created from crm",
             before: Any = None, after: Any = "PO-1", field: str = "po_number", mode: str = "live") -> int:
        opening = Opening(claim, system, claim.kind, op, "", f"crm-order-{claim.origin_id}", 1,
                          {field: {"before": before, "after": after, "rule": rule}}, {"id": None}, 1.0)
        answer = self.ledger.run(lambda tx: open_attempts(
            tx, [opening], call_s=1.0, margin_s=0.0, modes={(claim.kind, system): mode}, versions=VERSIONS))[0]
        assert isinstance(answer, Opened), answer
        return answer.attempt_id

    def done(self, claim: claims.Claim, attempt_id: int | None = None, *, outcome: str | None = None) -> None:
        """Settle a run; with an attempt, as written and answered."""
        closings = [settle.Closing(attempt_id, "done", {"id": "SO-1"}, 12.5)] if attempt_id else []
        told = settle.Settlement(claim, "done", outcome=outcome or ("applied" if attempt_id else "unchanged"),
                                 closings=closings)
        assert self.ledger.run(lambda tx: settle.settle(tx, [told])) == {claim.id}

    def apply(self, external_id: str = "7", **more: Any) -> int:
        """Carry one event through: arrived, claimed, one create written, settled."""
        record_id = self.arrive(external_id, **more)
        claim = self.claim(record_id)
        self.done(claim, self.open(claim))
        return record_id

    def bury(self, external_id: str = "7", *, error: str = "PermanentError", message: str = "no such unit",
             field: str | None = "unit", facts: str = "f", **more: Any) -> int:
        record_id = self.arrive(external_id, **more)
        self.die(record_id, error=error, message=message, field=field, facts=facts)
        return record_id

    def die(self, record_id: int, *, error: str = "PermanentError", message: str = "no such unit",
            field: str | None = "unit", facts: str = "f") -> None:
        claim = self.claim(record_id)
        info = ErrorInfo(error, message, "add the unit in the ERP, then requeue", field)
        told = settle.Settlement(claim, "dead", outcome="dead", facts=facts, error=info)
        self.ledger.run(lambda tx: settle.settle(tx, [told]))

    def hold(self, record_id: int, code: str, reason: str) -> None:
        claim = self.claim(record_id)
        told = settle.Settlement(claim, "hold", hold=settle.HoldInfo(code, reason, "release it there"))
        self.ledger.run(lambda tx: settle.settle(tx, [told]))

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Do by hand what no code of ours does."""
        with self.ledger.transaction() as tx:
            tx.execute(statement, parameters or None)
            return tx.fetchall() if tx.cursor.description else []

    def one(self, statement: str, *parameters: Any) -> Any:
        return self.sql(statement, *parameters)[0][0]

    def letter_of(self, record_id: int) -> int:
        return int(self.one("SELECT id FROM dead_letters WHERE record_id = %s ORDER BY id DESC LIMIT 1", record_id))


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    migrate(database_url)
    ledger = Ledger(database_url)
    yield Desk(ledger)
    ledger.dispose()
