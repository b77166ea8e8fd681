"""Every order of arrival ends the same (complaint 5): created, updated, paid, shipped and cancelled, doubled and late.

The facts change in one order, as they do; what we hear of them comes in any, each notice with the whole record as
it was then. A platform with a version counter lets such a payload stand in for a read, one without is always read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.engine.laws import assert_all_laws_hold, hurry_until_quiet
from tests.world import World, make_order, make_world

STAGES: tuple[dict[str, Any], ...] = (
    {"status": "created"},
    {"status": "updated", "po_number": "PO-2"},
    {"status": "paid"},
    {"status": "shipped"},
    {"status": "cancelled", "po_number": "PO-2, cancelled"},
)
RANK = {str(stage["status"]): number for number, stage in enumerate(STAGES)}
ALL = range(len(STAGES))


@pytest.fixture(params=[True, False], ids=["counts versions", "has no counter"])
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url, crm={"counts_versions": request.param}) as made:
        made.crm.rules("order", stamp_s=1.0)  # all of it within one second of the system's own stamps
        yield made


class Story:
    """One order, its facts changing stage by stage, and the notices that tell of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.customer = world.crm.put("customer", {"name": "Nordlicht"})
        self.order = ""
        self.notices: list[tuple[str, dict[str, Any]]] = []

    def change(self) -> None:
        """Let the next thing happen to the order."""
        stage = STAGES[len(self.notices)]
        if not self.notices:
            self.order = self.world.crm.put("order", make_order(company=self.customer, **stage))
        else:
            self.world.crm.edit("order", self.order, stage)
        record = self.world.crm.store.get("order", self.order)
        self.notices.append((str(record.version), dict(record.fields)))

    def hear(self, number: int) -> None:
        """Let the notice of one stage arrive, now or again."""
        version, payload = self.notices[number]
        self.world.tell("crm", "order", self.order, version=version, payload=payload)

    def work(self) -> None:
        due = self.world.rows("SELECT id FROM records WHERE due_at <= clock_timestamp() AND state <> 'merged'")
        self.world.work(*(record_id for (record_id,) in due))

    def end(self) -> None:
        hurry_until_quiet(self.world)
        (record,) = [each for each in self.world.erp.store.all("order")
                     if each.fields["reference"] == f"crm-order-{self.order}"]
        assert (record.fields["status"], record.fields["po"]) == ("cancelled", "PO-2, cancelled")
        assert len(record.fields["lines"]) == 2
        written = [RANK[status] for status in self._written_statuses()]
        assert written == sorted(written), "an older state was written over a newer one"
        outcomes = self.world.rows(
            "SELECT DISTINCT e.outcome FROM events e JOIN refs f ON f.record_id = e.record_id"
            " WHERE f.system = 'crm' AND f.external_id = %s", self.order)
        assert {outcome for (outcome,) in outcomes} <= {"applied", "unchanged", "superseded"}

    def _written_statuses(self) -> list[str]:
        found = self.world.rows(
            "SELECT a.fields -> 'status' ->> 'after' FROM attempts a JOIN refs f ON f.record_id = a.record_id"
            " WHERE f.system = 'crm' AND f.external_id = %s AND a.system = 'erp' AND a.status = 'done'"
            " AND a.fields ? 'status' ORDER BY a.id", self.order)
        return [status for (status,) in found]


def test_all_120_orders_in_which_five_notices_can_arrive_end_the_same(world: World) -> None:
    """Each twice in that order, worked off after every arrival; all facts had happened before."""
    for order in permutations(ALL):
        story = Story(world)
        for _ in STAGES:
            story.change()
        for number in (*order, *order):
            story.hear(number)
            story.work()
        story.end()
    assert_all_laws_hold(world.runtime)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_notices_that_come_late_doubled_and_between_the_facts_end_the_same(world: World, data: st.DataObject) -> None:
    story = Story(world)
    heard: set[int] = set()
    for _ in range(data.draw(st.integers(5, 25), label="moments")):
        known = len(story.notices)
        deeds = ["change"] if known < len(STAGES) else []
        deeds += ["hear", "work"] if known else []
        deed = data.draw(st.sampled_from(deeds or ["work"]), label="deed")
        if deed == "change":
            story.change()
        elif deed == "hear":
            number = data.draw(st.integers(0, known - 1), label="notice")
            story.hear(number)
            heard.add(number)
        else:
            story.work()
    while len(story.notices) < len(STAGES):
        story.change()
    for number in data.draw(st.permutations(sorted(set(ALL) - heard)), label="the rest"):
        story.hear(number)
    story.end()
