"""The stories that ``sync-workers demo --scenario`` can play alone, one module each."""

from __future__ import annotations

from sync_workers.commands.demo.day import Scenario
from sync_workers.commands.demo.working_day import WORKING_DAY

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (WORKING_DAY,)}
