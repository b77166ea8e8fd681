"""What a person does while a run is under way: `mode off` and `dead requeue` at each of its steps (K1, K2)."""

from __future__ import annotations

from typing import Any

import pytest

from sync_workers.ledger import letters, modes
from tests.integration.engine.interposed import BESIDE, STEPS, after_step
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World


@pytest.mark.parametrize("step", STEPS)
def test_after_mode_off_has_returned_no_call_is_opened_and_back_on_all_goes_on(step: str, world: World) -> None:
    deal = world.place_order()
    record = world.tell("crm", "order", deal)
    switched_at: list[Any] = []

    def switch_off() -> None:
        modes.switch(world.ledger, "order", "erp", "off", "a person", "month end")
        switched_at.append(world.rows("SELECT clock_timestamp()")[0][0])

    with after_step(step, switch_off) as done:
        world.work(record)
    world.settle()
    assert done == [step]
    # a second change, so that at the latest steps too there is something left to send
    world.crm.edit("order", deal, {"status": "changed while off"})
    world.tell("crm", "order", deal)
    world.settle()

    assert world.rows("SELECT id FROM attempts WHERE system = 'erp' AND started_at > %s", switched_at[0]) == []
    assert world.rows("SELECT state, hold_code FROM records") == [("held", "mode_off")]
    modes.switch(world.ledger, "order", "erp", "live", "a person", "over")
    world.settle()
    assert [order["status"] for order in world.orders()] == ["changed while off"]
    assert_all_laws_hold(world.runtime)


@pytest.mark.parametrize("step", STEPS)
def test_a_requeue_while_the_last_try_fails_is_not_overwritten_by_it(step: str, world: World) -> None:
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    deal = world.place_order(lines=[{"sku": "NO-SUCH-PART", "quantity": "1", "price": "1"}])
    record = world.tell("crm", "order", deal)
    world.work(record)
    assert world.outcomes() == ["dead"]
    [(letter,)] = world.rows("SELECT id FROM dead_letters WHERE state = 'open'")
    world.crm.edit("order", deal, {"status": "still wrong"})
    world.tell("crm", "order", deal)

    def mend_and_requeue() -> None:
        world.erp.rules("order", refused={})
        world.ledger.run(lambda tx: letters.requeue(tx, [letter], "a person", "the part exists now"))

    with after_step(step, mend_and_requeue) as done:
        world.work(record)
    if not done:  # a run that is refused has no such step
        assert step not in BESIDE
        mend_and_requeue()
    world.settle()

    assert len(world.orders()) == 1
    assert world.rows("SELECT state FROM dead_letters") == [("healed",)]
    assert world.rows("SELECT id FROM alerts WHERE closed_at IS NULL") == []
    assert None not in world.outcomes()
    assert_all_laws_hold(world.runtime)
