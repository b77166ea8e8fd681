"""What the person who must act reads: the record, the field, the value, what would mend it and how to say so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.commands.conftest import Shell
from tests.world import World


@pytest.fixture
def dead(world: World) -> str:
    """Let the ERP refuse an order for its part number; return the deal's id."""
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    deal = world.place_order(lines=[{"sku": "NO-SUCH-PART", "quantity": "1", "price": "4.25"}])
    world.tell("crm", "order", deal)
    world.settle()
    return deal


def overrule(world: World) -> str:
    """Let somebody edit in the ERP what the CRM owns; return the deal's id."""
    deal = world.place_order()
    world.tell("crm", "order", deal)
    world.settle()
    order = world.erp.store.all("order")[0].id
    world.erp.edit("order", order, {"po": "typed in the ERP"})
    world.tell("erp", "order", order)
    world.settle()
    return deal


def test_the_json_of_the_reports_has_the_shapes_that_others_rely_on(world: World, shell: Shell, dead: str) -> None:
    deal = overrule(world)
    status = shell.json("status", exit_code=1)
    assert {"received", "pending", "applied", "unchanged", "superseded", "dead", "handled", "discarded"} == set(
        status["events"])
    assert {"due", "held", "dead", "oldest_due_s"} <= set(status["records"])
    assert all(system["state"] == "up" for system in status["systems"].values())
    assert {"open", "unsent"} <= set(status["alerts"])

    proof = shell.json("prove")
    assert set(proof) == {"holds", "laws"}
    assert all({"law", "holds", "checked", "broken", "unproven"} <= set(law) for law in proof["laws"])

    (letter,) = shell.json("dead", "list", exit_code=1)
    assert {"id", "kind", "refs", "error", "message", "mend", "since", "attempts"} <= set(letter)
    assert letter["refs"] == {"crm": dead}

    told = shell.json("explain", "order", deal, "--system", "crm")
    assert {"kind", "refs", "state", "events", "attempts", "overrules"} <= set(told)
    attempt: dict[str, Any] = told["attempts"][-1]
    assert {"system", "mapping", "fields", "status", "at", "took_ms"} <= set(attempt)
    assert attempt["fields"]["po_number"] == {"before": "typed in the ERP", "after": "PO-1", "rule": "owner crm"}
    assert told["overrules"][0]["lost"] == "typed in the ERP"


def test_explain_shows_lines_as_people_write_them(world: World, shell: Shell) -> None:
    page = shell("explain", "order", overrule(world), "--system", "crm").stdout
    assert "part BRG-6204, quantity 10, unit_price 4.25" in page
    assert "$" not in page, "no tag of ours is shown"


def test_explain_shows_what_was_overruled_and_by_which_rule(world: World, shell: Shell) -> None:
    page = shell("explain", "order", overrule(world), "--system", "crm").stdout
    row = next(line for line in page.splitlines() if "owner crm (v1)" in line)
    assert all(word in row for word in ("po_number", "typed in the ERP", "PO-1"))


def test_explain_of_a_refused_order_shows_what_the_system_answered(shell: Shell, dead: str) -> None:
    result = shell("explain", "order", dead)
    assert result.exit_code == 1
    assert "answered: erp: order: lines.part may not be 'NO-SUCH-PART'" in result.stdout


def test_a_dead_letter_names_its_record_and_the_commands_that_end_it(shell: Shell, dead: str) -> None:
    page = shell("dead", "list").stdout
    assert f"order crm {dead}" in page
    assert "NO-SUCH-PART" in page
    (letter,) = shell.json("dead", "list", exit_code=1)
    shown = shell("dead", "show", str(letter["id"])).stdout
    assert f"crm {dead}" in shown
    for act in ("requeue", "handled", "discard"):
        assert f"sync-workers dead {act} {letter['id']}" in shown
    shell("dead", "discard", str(letter["id"]), "--why", "a test order")
    assert "sync-workers dead requeue" not in shell("dead", "show", str(letter["id"])).stdout


def test_a_system_that_is_down_is_shown_with_since_when_and_when_it_is_asked_again(
    world: World, shell: Shell
) -> None:
    world.erp.refuse()
    for number in range(world.runtime.circuit_threshold):
        world.work(world.tell("crm", "order", world.place_order(po_number=f"PO-{number}")))
    page = shell("status").stdout
    assert "asked again at" in page
    assert "since" in next(line for line in page.splitlines() if "system" in line)


@pytest.mark.parametrize("flow", [("ordr", "erp"), ("order", "nowhere")])
def test_a_flow_that_no_sheet_names_is_not_switched(world: World, shell: Shell, flow: tuple[str, str]) -> None:
    result = shell("mode", *flow, "off")
    assert result.exit_code == 2
    assert "order erp" in result.output, "it says which flows there are"
    assert world.rows("SELECT count(*) FROM modes") == [(0,)]


def test_mapping_check_names_a_system_that_it_could_not_ask(world: World, shell: Shell) -> None:
    world.erp.refuse()
    result = shell("mapping", "check")
    assert result.exit_code == 1
    first = result.output.index("erp answers")
    assert first < result.output.index("could not be compared with erp")
