"""What the clock looks at: the systems' metadata, and whether they are still set up as the sync needs it."""

from __future__ import annotations

import pytest

from sync_workers.connectors.contract import FieldType, Finding
from sync_workers.connectors.plain.connector import PlainConnector
from sync_workers.errors import SystemDown
from sync_workers.flows import contracts, subscriptions
from sync_workers.ledger import contracts as pins
from sync_workers.runtime import Runtime

GOOD = {"po_number": FieldType("text"), "po": FieldType("text"), "reference": FieldType("text")}


def incidents(runtime: Runtime) -> list[str]:
    with runtime.ledger.transaction() as tx:
        return [row[0] for row in tx.rows("SELECT incident FROM alerts WHERE closed_at IS NULL ORDER BY 1")]


def describe(monkeypatch: pytest.MonkeyPatch, **fields: FieldType | None) -> None:
    now = {path: field for path, field in {**GOOD, **fields}.items() if field is not None}
    monkeypatch.setattr(PlainConnector, "describe", lambda self, kind: now)


def test_the_first_look_pins_what_the_mapping_uses_and_agrees(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(monkeypatch, unused=FieldType("date"))
    assert contracts.check(runtime) == {}
    with runtime.ledger.transaction() as tx:
        assert set(pins.pinned(tx, "crm", "order") or {}) == {"po_number"}
    assert incidents(runtime) == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        pytest.param(None, "po is gone", id="a field vanished"),
        pytest.param(FieldType("integer"), "po was text and is integer", id="a type changed"),
    ],
)
def test_drift_is_told_once_with_the_field_and_closed_when_it_is_put_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, after: FieldType | None, said: str
) -> None:
    describe(monkeypatch)
    contracts.check(runtime)
    describe(monkeypatch, po=after)
    for _ in range(3):
        assert contracts.check(runtime) == {("order", "erp"): [said]}
    assert incidents(runtime) == [pins.incident_of("erp", "order")]
    describe(monkeypatch)
    contracts.check(runtime)
    assert incidents(runtime) == []


def test_a_system_that_does_not_answer_has_not_drifted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, kind: str) -> None:
        raise SystemDown("away")

    monkeypatch.setattr(PlainConnector, "describe", refuse)
    assert contracts.check(runtime) == {}
    assert incidents(runtime) == []


def test_what_a_platform_switched_off_is_told_and_closed_when_it_is_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Finding("subscribed to orders", False, "switch it on again")]
    monkeypatch.setattr(PlainConnector, "examine", lambda self, paths, fix=False: found)
    subscriptions.check(runtime)
    assert incidents(runtime) == ["subscription:crm"], "the ERP sends no hooks, so it has none to lose"
    found.clear()
    subscriptions.check(runtime)
    assert incidents(runtime) == []
