"""The stories that ``sync-workers demo --scenario`` can play alone, one module each."""

from __future__ import annotations

from sync_workers.commands.demo.scenario import Scenario
from sync_workers.commands.demo.stories import (
    archived,
    arrival,
    cancel,
    changes,
    credit,
    customers,
    deactivated,
    invoices,
    merge,
    parts,
    payment,
    period,
    returns,
    shipments,
    stock,
    totals,
    undone,
    unknown,
)
from sync_workers.commands.demo.working_day import WORKING_DAY

TOLD_IN_ORDER = (
    WORKING_DAY, customers.STORY, merge.STORY, parts.STORY, totals.STORY, credit.STORY, payment.STORY,
    shipments.STORY, undone.STORY, invoices.STORY, changes.STORY, cancel.STORY, returns.STORY, arrival.STORY,
    stock.STORY, archived.STORY, deactivated.STORY, unknown.STORY, period.STORY,
)  # fmt: skip
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in TOLD_IN_ORDER}
