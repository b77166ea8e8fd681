"""The preview of a sheet reads every record: it does so under the limits that the fleet shares."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sync_workers.commands.plan import plans
from sync_workers.errors import Throttled
from tests.world import World


def test_a_preview_makes_no_call_that_the_shared_limits_forbid(world: World) -> None:
    world.work(world.tell("crm", "order", world.place_order()))
    sheet = world.runtime.sheets["order"]
    assert [each.problem for each in plans(world.runtime, sheet, sheet)] == [""]
    asked = len(world.erp.log) + len(world.crm.log)
    for system in world.runtime.connectors:
        world.runtime.limiter.pause(system, timedelta(seconds=30))
    with pytest.raises(Throttled):
        list(plans(world.runtime, sheet, sheet))
    assert len(world.erp.log) + len(world.crm.log) == asked
