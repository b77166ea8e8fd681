"""What must be true when everything is reachable again: at rest, all laws proven, both systems the same."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from sync_workers.ledger.connection import LedgerDown
from tests.fleets import is_quiet, wait_for
from tests.integration.engine.laws import prove
from tests.soak.people import BAD_PART
from tests.world import World

QUIET_WITHIN_S = 240.0
SHOWN = {
    "customer": {"name": "name", "phone": "phone", "credit_limit": "credit_limit"},
    "order": {"po_number": "po", "status": "status", "notes": "comment", "erp_number": "number"},
}


def look_back(world: World, console: Console) -> list[str]:
    """Return what is wrong, in words."""
    world.runtime.ledger.dispose(close=True)
    wrong: list[str] = []
    try:
        wait_for(lambda: _rests(world), QUIET_WITHIN_S)
    except AssertionError:
        wrong += [f"not at rest after {QUIET_WITHIN_S:g} s: {row}" for row in world.rows(
            "SELECT id, kind, state, due_at, owner, lease_until, waits_for, failures, note FROM records"
            " WHERE due_at IS NOT NULL OR owner IS NOT NULL LIMIT 20")]  # fmt: skip
    found = prove(world.runtime)
    for law in found.laws:
        wrong += [f"{law.law} broken: {text}" for text in law.broken]
        wrong += [f"{law.law} unproven: {text}" for text in law.unproven]
    console.print_json(json.dumps(found.as_json()))
    return wrong + _compare(world)


def _rests(world: World) -> bool:
    """Bring waits forward: what was tried for minutes must not need hours of backoff to be proven."""
    try:
        world.rows("UPDATE records SET due_at = clock_timestamp() + interval '1 second' WHERE owner IS NULL"
                   " AND due_at > clock_timestamp() + interval '3 seconds' AND failures > 0 RETURNING id")
        return is_quiet(world)
    except LedgerDown:
        return False


def _compare(world: World) -> list[str]:
    """Compare both systems record by record, without asking the ledger."""
    wrong = [f"{server.hooks.failed} events were given up by the sender" for server in (world.crm, world.erp)
             if server.hooks.failed]  # fmt: skip
    for kind, shown in SHOWN.items():
        there: dict[str, list[dict[str, Any]]] = {}
        for record in world.erp.store.all(kind):
            there.setdefault(str(record.fields.get("reference")), []).append(record.fields)
        for record in world.crm.store.all(kind):
            twins = there.pop(f"crm-{kind}-{record.id}", [])
            is_bad = any(line["sku"] == BAD_PART for line in record.fields.get("lines", ()))
            if len(twins) != (0 if is_bad else 1):
                wrong.append(f"{kind} {record.id} stands {len(twins)} times in the ERP")
            for twin in twins:
                wrong += [f"{kind} {record.id}: {ours} is {record.fields.get(ours)!r} in the CRM and"
                          f" {twin.get(theirs)!r} in the ERP" for ours, theirs in shown.items()
                          if _plain(record.fields.get(ours)) != _plain(twin.get(theirs))]
        wrong += [f"{kind} {reference} stands in the ERP alone" for reference in there]
    return wrong


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{float(text):g}" if text.replace(".", "", 1).isdigit() else text
