"""The product's own proof, asked about a test's world."""

from __future__ import annotations

from sync_workers.commands.prove import covered, proving
from sync_workers.engine.sweep import sweep
from sync_workers.ledger import proof
from sync_workers.runtime import Runtime
from tests.world import World

NOBODY_SENDS_ALERTS_S = 86_400.0


def prove(runtime: Runtime, *, systems: bool = True) -> proof.Proof:
    """Return what ``sync-workers prove`` would say; with ``systems`` as ``--systems`` does."""
    look = {"sweep": lambda: sweep(runtime), "covers": covered(runtime.sheets, runtime.connectors)} if systems else {}
    return proof.prove(runtime.ledger, sheets=runtime.sheets, proving=proving(runtime.sheets, runtime.connectors),
                       untold_s=NOBODY_SENDS_ALERTS_S, **look)  # type: ignore[arg-type]


def assert_all_laws_hold(runtime: Runtime) -> None:
    found = prove(runtime)
    assert found.holds, [law.as_json() for law in found.laws if not law.holds]


def hurry(world: World) -> None:
    """Bring every date of the ledger forward to now, instead of waiting for it."""
    world.rows("UPDATE records SET due_at = clock_timestamp() WHERE due_at IS NOT NULL RETURNING id")


def hurry_until_quiet(world: World, *, most: int = 60) -> None:
    """Work off all dates as if they had come; leases and what is not yet sure are still waited for."""
    for _ in range(most):
        hurry(world)
        due = [row[0] for row in world.rows("SELECT id FROM records WHERE due_at IS NOT NULL AND state <> 'merged'")]
        if not due:
            return
        world.work(*due)
        world.rows("SELECT pg_sleep(0.05)")
    left = world.rows("SELECT id, kind, state, due_at, note FROM records WHERE due_at IS NOT NULL")
    raise AssertionError(f"not quiet after {most} rounds: {left}")
