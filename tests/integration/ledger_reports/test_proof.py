"""``prove`` can fail: for each law a ledger is broken by hand, and the law is named with the record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sync_workers.domain.values import encode
from sync_workers.ledger import circuits, proof
from sync_workers.ledger.alerts import raise_alert
from sync_workers.ledger.texts import as_json
from sync_workers.mappings import load_sheets

SHEETS = {kind: versions[1] for kind, versions in
          load_sheets(Path(__file__).parents[2] / "data" / "plain" / "mappings").items()}


@dataclass(frozen=True)
class Found:
    law: str
    system: str
    kind: str
    text: str
    ids: tuple[str, ...]


def prove(desk, **more):
    return proof.prove(desk.ledger, sheets=SHEETS, **{"proving": [("order", "erp")], **more})


def assert_broken(desk, law: str, *words: str, **more) -> None:
    found = prove(desk, **more)
    assert not found.holds
    assert found.law(law).broken, [(one.law, one.broken) for one in found.laws]
    said = "\n".join(found.law(law).broken)
    for word in words:
        assert word in said


def agreed(desk) -> int:
    """One order, applied, on which both systems agree."""
    record_id = desk.apply("7")
    held = as_json(encode({"po_number": "PO-1"}))
    desk.sql("UPDATE refs SET held = %s::jsonb, sent = %s::jsonb WHERE record_id = %s", held, held,
             record_id)
    desk.sql("INSERT INTO refs (record_id, system, kind, external_id, held, sent)"
             " VALUES (%s, 'erp', 'order', 'SO-1', %s::jsonb, %s::jsonb)", record_id, held, held)
    return record_id


def test_an_honest_ledger_holds(desk):
    agreed(desk)
    desk.bury("8")
    held = desk.arrive("9")
    desk.hold(held, "credit_hold", "the customer is on hold")
    desk.arrive("10")
    found = prove(desk)
    assert found.holds, [(one.law, one.broken, one.unproven) for one in found.laws]
    shape = found.as_json()
    assert [law["law"] for law in shape["laws"]] == [f"L{number}" for number in range(1, 9)]
    assert {"law", "holds", "checked", "broken", "unproven"} <= set(shape["laws"][0])
    assert found.law("L1").checked == 4
    assert "order" in found.law("L7").facts["oldest_due_s"]


BREAKS: list[tuple[str, str, str]] = [
    ("L1", "UPDATE events SET outcome = NULL WHERE outcome = 'applied'", "without an outcome"),
    ("L1", "UPDATE events SET settled_at = NULL, outcome = NULL", "neither due nor held"),
    ("L1", "UPDATE events SET record_id = 999999", "does not exist"),
    ("L1", "UPDATE records SET asked = 0, settled = 0", "generation"),
    ("L1", "UPDATE records SET due_at = clock_timestamp() - interval '1 hour', asked = 2", "nobody works on it"),
    ("L1", "UPDATE records SET state = 'dead'", "without an open dead letter"),
    ("L1", "UPDATE events SET outcome = 'dead'", "never had a dead letter"),
    ("L1", "INSERT INTO deliveries (system, key, event_id) VALUES ('crm', 'k', 424242)", "424242"),
    ("L1", "UPDATE records SET state = 'merged', merged_into = NULL; UPDATE events SET settled_at = NULL,"
           " outcome = NULL", "event"),
    ("L1", "INSERT INTO doorstep (received_at, count, arrivals)"
           " VALUES (clock_timestamp() - interval '1 hour', 3, '[]')", "3 deliveries that were accepted"),
    ("L3", "UPDATE attempts SET op = 'update', fields = '{\"total\": {\"before\": \"1\", \"after\": \"2\","
           " \"rule\": \"owner erp\"}}'", "wrote total to erp"),
    ("L3", "UPDATE attempts SET op = 'update', fields = ('{\"lines\": {\"before\": null, \"after\": null,"
           " \"rule\": \"owner crm' || chr(59) || ' owner erp\"}}')::jsonb", "wrote lines to erp"),
    ("L3", "INSERT INTO overrules (record_id, field, system, winner, rule, mapping_version)"
           " SELECT id, 'total', 'crm', 'crm', 'owner crm', 1 FROM records", "lost to the same system"),
    ("L4", "UPDATE refs SET held = '{\"po_number\": \"PO-2\"}' WHERE system = 'erp'", "po_number"),
    ("L5", "UPDATE attempts SET request = NULL", "its request"),
    ("L5", "UPDATE attempts SET response = NULL", "its response"),
    ("L5", "UPDATE attempts SET took_ms = NULL", "how long it took"),
    ("L5", "DELETE FROM attempts", "no attempt says how"),
    ("L6", "INSERT INTO circuits (system, state) VALUES ('erp', 'open')", "circuit of erp"),
    ("L6", "INSERT INTO contracts (system, kind, pinned, drift) VALUES ('erp', 'order', '{}', '[\"gone\"]')",
     "contract of order in erp"),
    ("L7", "INSERT INTO dead_letters (record_id, kind, error, message) SELECT id, kind, 'SystemDown', 'x'"
           " FROM records", "SystemDown"),
    ("L8", "UPDATE records SET owner = 'w1', lease_until = clock_timestamp() - interval '1 hour'", "held by w1"),
    ("L8", "UPDATE records SET owner = 'w1', lease_until = NULL", "no end"),
    ("L8", "UPDATE attempts SET fence = 99", "fence 99"),
]


@pytest.mark.parametrize(("law", "breach", "words"), BREAKS)
def test_a_breach_made_by_hand_is_named(desk, law, breach, words):
    record_id = agreed(desk)
    for statement in breach.split(";"):
        desk.sql(statement)
    assert_broken(desk, law, words)
    assert prove(desk).law(law).as_json()["holds"] is False
    assert record_id


def test_l1_a_letter_that_never_raised_an_alert_is_named(desk):
    desk.bury("8")
    desk.sql("DELETE FROM alerts")
    assert_broken(desk, "L1", "never raised an alert")


def test_l2_two_counterparts_of_one_record_are_named(desk):
    record_id = agreed(desk)
    desk.sql("DROP INDEX refs_of_record")
    desk.sql("INSERT INTO refs (record_id, system, kind, external_id) VALUES (%s, 'erp', 'order', 'SO-2')", record_id)
    assert_broken(desk, "L2", "SO-1, SO-2")


def test_l2_one_foreign_record_under_two_of_ours_is_named(desk):
    agreed(desk)
    other = desk.apply("8")
    desk.sql("ALTER TABLE refs DROP CONSTRAINT refs_system_kind_external_id_key")
    desk.sql("INSERT INTO refs (record_id, system, kind, external_id) VALUES (%s, 'erp', 'order', 'SO-1')", other)
    assert_broken(desk, "L2", "order SO-1 of erp")


def test_l2_two_records_with_one_origin_are_named(desk):
    agreed(desk)
    desk.sql("INSERT INTO records (kind, origin_system, origin_id) VALUES ('order', 'crm', '7')")
    assert_broken(desk, "L2", "order crm:7")


def test_l2_two_creates_that_both_went_through_are_named(desk):
    agreed(desk)
    desk.sql("INSERT INTO attempts (record_id, system, kind, op, key, mapping_version, fence, fields, request,"
             " response, status, started_at, finished_at, took_ms, sure_at) SELECT record_id, system, kind, op, key,"
             " mapping_version, fence, fields, request, response, status, clock_timestamp(), clock_timestamp(), 1,"
             " sure_at FROM attempts")
    assert_broken(desk, "L2", "created 2 times in erp")


def repeated_create(desk) -> int:
    """A create without answer, not found by the look-up, then repeated."""
    record_id = agreed(desk)
    desk.sql("INSERT INTO attempts (record_id, system, kind, op, key, mapping_version, fence, fields, request, note,"
             " status, started_at, finished_at, sure_at) SELECT record_id, system, kind, op, key, mapping_version,"
             " 0, fields, request, 'looked up: not there', 'absent', started_at - interval '1 hour',"
             " started_at - interval '50 minutes', started_at - interval '55 minutes' FROM attempts")
    desk.sql("UPDATE attempts SET sure_at = clock_timestamp() - interval '1 second' WHERE status = 'done'")
    return record_id


def test_l2_a_create_repeated_where_only_a_look_up_speaks_is_unproven_until_a_sweep(desk):
    record_id = repeated_create(desk)
    law = prove(desk, proving=()).law("L2")
    assert (law.holds, law.broken) == (False, [])
    assert f"record {record_id}" in law.unproven[0]
    assert prove(desk).holds, "a unique key proves it"
    assert prove(desk, proving=(), sweep=list).holds
    assert prove(desk, proving=()).holds, "the sweep is remembered"
    desk.sql("UPDATE attempts SET sure_at = clock_timestamp() + interval '1 minute' WHERE status = 'done'")
    assert prove(desk, proving=()).law("L2").unproven, "the sweep was before it could be known"


def test_l2_a_sweep_of_another_flow_proves_nothing_here(desk):
    repeated_create(desk)
    assert prove(desk, proving=(), sweep=list, covers=[("customer", "erp")]).law("L2").unproven


def test_l2_what_a_sweep_finds_is_broken_until_a_later_sweep_finds_it_gone(desk):
    agreed(desk)
    double = Found("L2", "erp", "order", "crm-order-7 stands 2 times in erp", ("SO-1", "SO-2"))
    assert_broken(desk, "L2", "SO-1, SO-2", sweep=lambda: [double])
    assert_broken(desk, "L2", "SO-1, SO-2")
    assert prove(desk, sweep=list).holds


def test_a_sweep_that_fails_is_told_and_leaves_the_last_one(desk):
    repeated_create(desk)

    def fail():
        yield Found("L2", "erp", "order", "x", ("1",))
        raise TimeoutError("the ERP does not answer")

    with pytest.raises(TimeoutError):
        prove(desk, sweep=fail)
    assert desk.one("SELECT count(*) FROM sweeps") == 0


def write_update(desk, record_id: int, before: str, after: str = "PO-1") -> None:
    desk.arrive("7")
    claim = desk.claim(record_id)
    desk.done(claim, desk.open(claim, op="update", rule="owner crm", before=before, after=after))


def test_l3_a_put_back_without_an_overrule_is_named(desk):
    record_id = agreed(desk)
    write_update(desk, record_id, "typed in the ERP")
    assert_broken(desk, "L3", "po_number was put back in erp")
    desk.sql("INSERT INTO overrules (record_id, field, system, winner, rule, mapping_version)"
             " VALUES (%s, 'po_number', 'erp', 'crm', 'owner crm', 1)", record_id)
    assert prove(desk).law("L3").holds


def test_l4_a_field_written_to_and_fro_is_named(desk):
    record_id = agreed(desk)
    for _ in range(4):
        write_update(desk, record_id, "A", "B")
        write_update(desk, record_id, "B", "A")
    assert_broken(desk, "L4", "more than three times within an hour")


def test_l4_without_sheets_is_unproven_not_held(desk):
    agreed(desk)
    found = proof.prove(desk.ledger)
    assert found.law("L4").unproven
    assert not found.holds


def test_l4_leaves_out_what_is_not_settled_and_flows_that_are_not_live(desk):
    agreed(desk)
    desk.sql("UPDATE refs SET held = '{\"po_number\": \"PO-2\"}' WHERE system = 'erp'")
    desk.sql("INSERT INTO modes (kind, system, mode, who) VALUES ('order', 'erp', 'shadow', 'ann')")
    assert prove(desk).law("L4").holds
    desk.sql("DELETE FROM modes")
    desk.sql("UPDATE records SET asked = 2, due_at = clock_timestamp()")
    assert prove(desk).law("L4").holds


def test_l6_an_open_letter_whose_alert_was_closed_is_named(desk):
    desk.bury("8")
    desk.sql("UPDATE alerts SET closed_at = clock_timestamp()")
    assert_broken(desk, "L6", "is open, but its alert is not")


def test_l6_an_alert_that_nobody_was_told_of_for_a_minute_is_named(desk):
    desk.ledger.run(lambda tx: raise_alert(tx, "x", "error", "the ERP is gone"))
    assert prove(desk).law("L6").holds
    desk.sql("UPDATE alerts SET opened_at = opened_at - interval '2 minutes', error = 'no alert channel'")
    assert_broken(desk, "L6", "the ERP is gone", "no alert channel")


def test_l7_more_than_one_probe_at_a_time_is_named(desk):
    first, second = desk.apply("7"), desk.apply("8")
    desk.ledger.run(lambda tx: circuits.note_failure(tx, "erp", "refused", threshold=1, probe_s=15))
    desk.sql("UPDATE circuits SET opened_at = clock_timestamp() - interval '10 minutes'")
    desk.sql("UPDATE attempts SET started_at = date_trunc('second', clock_timestamp())")
    assert_broken(desk, "L7", f"{first}, {second}")


def test_l7_a_record_that_is_overtaken_by_later_ones_is_named(desk):
    early = desk.arrive("6")
    desk.sql("UPDATE records SET due_at = clock_timestamp() - interval '1 hour'")
    desk.apply("7")
    assert_broken(desk, "L7", f"record {early} ")


def test_l8_attempts_of_two_fences_that_overlap_are_named(desk):
    record_id = agreed(desk)
    write_update(desk, record_id, "A", "B")
    desk.sql("UPDATE attempts SET took_ms = 600000 WHERE op = 'create'")
    assert_broken(desk, "L8", "was under way")


def test_l8_an_older_fence_that_opens_later_is_named(desk):
    record_id = agreed(desk)
    write_update(desk, record_id, "A", "B")
    desk.sql("UPDATE attempts SET started_at = started_at + interval '1 minute' WHERE op = 'create'")
    assert_broken(desk, "L8", "after attempt")


def test_long_lists_are_cut_with_their_count(desk):
    for number in range(proof.LISTED + 5):
        desk.arrive(str(number))
    desk.sql("UPDATE records SET due_at = NULL")
    said = prove(desk).law("L1").as_json()["broken"]
    assert len(said) == proof.LISTED + 1
    assert said[-1] == "and 5 more"

