"""The commands that read and act on the ledger, on orders that really went from one server to the other."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sync_workers.commands.main import COMMANDS, cli
from sync_workers.ledger import claims
from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.settle import Settlement, settle
from sync_workers.ledger.works import ErrorInfo


def sell(world) -> str:
    deal = world.place_order()
    world.tell("crm", "order", deal)
    world.settle()
    return deal


def bury(world, external_id: str = "9") -> int:
    record_id = world.tell("crm", "order", external_id)

    def die(tx) -> None:
        (claim,) = claims.claim(tx, [record_id], owner="tests", lease_s=60, versions={"order": 1})
        error = ErrorInfo("PermanentError", "no unit '[/x]'", "add the unit, then requeue", "unit")
        settle(tx, [Settlement(claim, "dead", outcome="dead", facts="f", error=error)])

    world.ledger.run(die)
    return record_id


def test_an_order_that_went_through_leaves_nothing_to_look_at(world, shell):
    sell(world)
    found = shell.json("status")
    assert found["events"]["pending"] == 0
    assert found["events"]["applied"] >= 1
    assert found["alerts"] == {"open": 0, "unsent": 0, "list": []}
    assert found["systems"]["erp"]["state"] == "up"
    page = shell("status")
    assert page.exit_code == 0
    assert "applied" in page.stdout


def test_status_says_with_its_exit_code_that_a_person_should_look(world, shell):
    world.ledger.run(lambda tx: raise_alert(tx, "down:erp", "critical", "erp is down"))
    assert shell.json("status", exit_code=1)["alerts"]["unsent"] == 1
    assert "erp is down" in shell("status").stdout


def test_the_laws_hold_after_a_working_day(world, shell):
    for _ in range(3):
        sell(world)
    assert len(world.orders()) == 3
    found = shell.json("prove")
    assert found["holds"] is True, found
    assert [law["law"] for law in found["laws"]] == [f"L{number}" for number in range(1, 9)]
    assert sum(law["checked"] for law in found["laws"]) > 10
    assert "All laws hold" in shell("prove").stdout


def test_prove_with_systems_finds_a_double_in_the_erp_and_names_both(world, shell):
    sell(world)
    assert shell.json("prove", "--systems")["holds"] is True
    world.erp.rules("order", unique=())
    (order,) = world.orders()
    double = world.erp.put("order", dict(order))
    law = shell.json("prove", "--systems", exit_code=1)["laws"][1]
    assert law["broken"]
    assert double in law["broken"][0]
    assert "L2 broken" in shell("prove").stdout, "and remembers it"


def test_prove_names_a_breach_and_exits_with_one(world, shell):
    sell(world)
    with world.ledger.transaction() as tx:
        tx.execute("UPDATE attempts SET request = NULL")
    found = shell.json("prove", exit_code=1)
    assert found["laws"][4]["holds"] is False
    assert "its request" in shell("prove").stdout


def test_explain_tells_which_rule_of_which_version_wrote_what(world, shell):
    deal = sell(world)
    told = shell.json("explain", "order", deal)
    assert set(told["refs"]) == {"crm", "erp"}
    creates = [attempt for attempt in told["attempts"] if attempt["op"] == "create"]
    assert creates[0]["fields"]["po_number"]["after"] == "PO-1"
    page = shell("explain", "order", f"crm:{deal}")
    assert page.exit_code == 0
    assert "PO-1" in page.stdout


def test_explain_of_what_nobody_knows_is_wrong_use(shell):
    result = shell("explain", "order", "nothing")
    assert result.exit_code == 2
    assert "no order 'nothing'" in result.output


def test_events_are_listed_by_outcome_and_paged(world, shell):
    for number in range(5):
        world.tell("crm", "order", str(number))
    first = shell.json("events", "--outcome", "pending", "--limit", "3")
    rest = shell.json("events", "--before", str(first[-1]["id"]))
    assert [event["external_id"] for event in first + rest] == ["4", "3", "2", "1", "0"]
    assert shell.json("events", "--since", "1h", "--kind", "customer") == []
    assert shell("events", "--since", "yesterday").exit_code == 2
    assert shell("events").exit_code == 0


def test_dead_list_shows_what_mends_it_and_requeue_lets_it_go_on(world, shell):
    record_id = bury(world)
    (letter,) = shell.json("dead", "list", exit_code=1)
    assert {"id", "kind", "refs", "error", "message", "mend", "since", "attempts"} <= set(letter)
    page = shell("dead", "list").stdout
    assert "add the unit, then requeue" in page
    assert "[/x]" in page, "what a system says is never taken for markup"
    assert "PermanentError" in shell("dead", "show", str(letter["id"])).stdout
    assert shell.json("dead", "requeue", str(letter["id"]), "--why", "added")["records"] == [record_id]
    assert shell.json("dead", "list") == []
    assert world.rows("SELECT who, why FROM audit") == [("ann", "added")]


@pytest.mark.parametrize("arguments", [
    ["dead", "requeue"], ["dead", "discard", "1"], ["dead", "show", "77"], ["dead", "requeue", "77"],
    ["dead", "handled", "1", "--why", "x", "--ref", "erp"], ["dead", "requeue", "--held", "--all"],
    ["mode", "order"], ["mode", "order", "erp", "on"], ["mode", "order", "erp", "canary"],
    ["mode", "order", "erp", "live", "--canary-percent", "5"], ["nonsense"], ["events", "--outcome", "lost"],
])
def test_wrong_use_is_told_with_exit_code_two_and_changes_nothing(world, shell, arguments):
    result = shell(*arguments)
    assert result.exit_code == 2, result.output
    assert world.rows("SELECT count(*) FROM audit") == [(0,)]


def test_letters_are_discarded_by_filter_and_handled_with_the_id_typed_in(world, shell):
    for name in ("1", "2"):
        bury(world, name)
    third = bury(world, "3")
    letter = world.rows("SELECT id FROM dead_letters WHERE record_id = %s", third)[0][0]
    assert shell.json("dead", "handled", str(letter), "--why", "keyed in", "--ref", "erp=SO-3")["records"] == [third]
    assert len(shell.json("dead", "discard", "--kind", "order", "--why", "test orders")["records"]) == 2
    assert shell("dead", "list").exit_code == 0


def test_a_flow_switched_off_holds_its_records_and_switched_on_lets_them_go(world, shell):
    assert shell("mode", "order", "erp", "off", "--why", "stocktaking").exit_code == 0
    deal = world.place_order()
    world.tell("crm", "order", deal)
    world.settle()
    assert world.orders() == []
    assert shell.json("status")["holds"][0]["code"] == "mode_off"
    assert "stocktaking" in shell("mode").stdout
    assert shell.json("mode", "order", "erp", "live")["woken"] == 1
    world.settle()
    assert len(world.orders()) == 1


def test_a_held_record_is_requeued_by_its_reason(world, shell):
    shell("mode", "order", "erp", "off")
    record_id = world.tell("crm", "order", world.place_order())
    world.settle()
    assert shell.json("dead", "requeue", "--held", "--code", "mode_off")["records"] == [record_id]


def test_a_ledger_that_is_away_is_said_plainly(world, shell):
    world.environ["SYNC_DATABASE_URL"] = "postgresql://nobody:secret-pw@127.0.0.1:1/x"
    result = shell("status")
    assert result.exit_code == 1
    assert "does not answer" in result.output
    assert "secret-pw" not in result.output
    assert "Traceback" not in result.output


def test_missing_settings_are_wrong_use(tmp_path):
    result = CliRunner().invoke(cli, ["status"], env={"SYNC_CONFIG": str(tmp_path)})
    assert result.exit_code == 2
    assert "systems.toml" in result.output


def test_help_lists_every_command_with_what_it_does():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name, (_, text, _) in COMMANDS.items():
        assert name in result.output
        assert text.split()[0] in result.output
    assert json.dumps(result.output)
