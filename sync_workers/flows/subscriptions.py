"""Whether the systems still send: subscriptions that are gone, and hooks that fell silent while polls found news."""

from __future__ import annotations

from functools import partial

import structlog

from sync_workers.errors import SyncError
from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.statements import Tx
from sync_workers.runtime import Runtime
from sync_workers.sheets import paths_of

log = structlog.get_logger(__name__)

SILENT_PROOF = 5  # changes that a poll applied in a day and no hook of that system told
HOOKLESS = """
SELECT count(*) FILTER (WHERE source = 'webhook'),
       count(*) FILTER (WHERE source IN ('poll', 'reconcile') AND outcome = 'applied')
  FROM events WHERE system = %s AND received_at > clock_timestamp() - interval '1 day'
"""


def check(runtime: Runtime) -> dict[str, list[str]]:
    """Ask every system that pushes for its subscriptions; return what is missing, by system."""
    missing: dict[str, list[str]] = {}
    for system, connector in runtime.connectors.items():
        if not runtime.settings.systems[system].webhook_secret:
            continue
        try:
            findings = connector.examine(paths_of(runtime.sheets, system))
        except SyncError as error:
            log.info("Subscriptions could not be checked", system=system, error=type(error).__name__)
            continue
        lost = [finding.what for finding in findings if not finding.ok and "subscri" in finding.what]
        runtime.ledger.run(partial(_tell, system=system, lost=lost))
        if lost:
            missing[system] = lost
    return missing


def _tell(tx: Tx, *, system: str, lost: list[str]) -> None:
    row = tx.execute(HOOKLESS, (system,)).fetchone()
    hooks, healed = row or (0, 0)
    incident = f"subscription:{system}"
    if lost or (hooks == 0 and healed >= SILENT_PROOF):
        said = "\n".join(f"not {what}" for what in lost) or f"no delivery in a day, while polls found {healed} changes"
        raise_alert(tx, incident, "error", f"{system} does not send what it should",
                    f"{said}\nPolls heal it more slowly. What to do: sync-workers doctor --fix")
    else:
        close_incident(tx, incident)
