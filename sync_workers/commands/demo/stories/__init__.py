"""The stories that ``sync-workers demo --scenario`` can play alone, one module each."""

from __future__ import annotations

from sync_workers.commands.demo.scenario import Scenario
from sync_workers.commands.demo.stories import (
    credit,
    invoices,
    shipments,
    undone,
)
from sync_workers.commands.demo.working_day import WORKING_DAY

TOLD_IN_ORDER = (
    WORKING_DAY, credit.STORY, shipments.STORY, undone.STORY, invoices.STORY,
)  # fmt: skip
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in TOLD_IN_ORDER}
