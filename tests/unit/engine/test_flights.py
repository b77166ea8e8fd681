"""How long the calls that are under way will take, going by the last ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sync_workers.connectors.callers import Callers
from sync_workers.engine.flights import Flights, _Lane


@pytest.mark.parametrize(("lanes", "left_s"), [
    pytest.param([], 0.0, id="no calls"),
    pytest.param([("erp", 0, 1)], 0.2, id="the only one, which nobody has taken up yet"),
    pytest.param([("erp", 4, 0)], 0.2, id="the last ones are out"),
    pytest.param([("erp", 4, 8)], 0.6, id="each thread has two to come"),
    pytest.param([("erp", 1, 0), ("crm", 1, 0)], 3.0, id="the slower system counts"),
    pytest.param([("erp", 1, 0), ("crm", 0, 0)], 0.2, id="but not once it has answered"),
])
def test_what_is_left_goes_by_the_threads_and_the_calls_that_wait(
    lanes: list[tuple[str, int, int]], left_s: float
) -> None:
    callers = Callers()
    callers.note("erp", 0.2, answered=True)
    callers.note("crm", 3.0, answered=True)
    batch: Any = SimpleNamespace(runtime=SimpleNamespace(callers=callers))
    flights = Flights(batch)
    for system, threads, waiting in lanes:
        flights._lanes[system] = _Lane(system, threads=threads)
        flights._lanes[system].waiting.extend([] for _ in range(waiting))
    assert flights.left_s() == pytest.approx(left_s)
