"""The owner wins and it settles: edits on both sides of two real systems (L3, L4, protocol section 8)."""

from __future__ import annotations

from pathlib import Path

from tests.world import World, make_world


def linked_customer(world: World) -> tuple[str, str]:
    company = world.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})
    world.work(world.tell("crm", "customer", company))
    [party] = world.erp.store.all("customer")
    return company, party.id


def test_a_change_where_the_field_is_not_owned_is_put_back_and_recorded(world: World) -> None:
    company, party = linked_customer(world)
    world.erp.edit("customer", party, {"name": "Südlicht"})

    world.work(world.tell("erp", "customer", party))

    assert world.erp.fields("customer", party)["name"] == "Nordlicht GmbH"
    assert world.crm.fields("customer", company)["name"] == "Nordlicht GmbH"
    assert world.rows("SELECT field, system, lost, winner, won FROM overrules") == [
        ("name", "erp", "Südlicht", "crm", "Nordlicht GmbH")
    ]


def test_a_shared_field_follows_whoever_moved_it(world: World) -> None:
    company, party = linked_customer(world)
    world.erp.edit("customer", party, {"phone": "2"})

    world.work(world.tell("erp", "customer", party))

    assert world.crm.fields("customer", company)["phone"] == "2"


def test_edits_on_both_sides_meet_in_one_run(world: World) -> None:
    company, party = linked_customer(world)
    world.crm.edit("customer", company, {"name": "Nordlicht AG"})
    world.erp.edit("customer", party, {"credit_limit": "500"})

    world.work(world.tell("crm", "customer", company))

    assert world.erp.fields("customer", party)["name"] == "Nordlicht AG"
    assert str(world.crm.fields("customer", company)["credit_limit"]) == "500"


def test_a_system_that_rounds_causes_no_ping_pong(tmp_path: Path, database_url: str) -> None:
    with make_world(tmp_path, database_url) as world:
        world.erp.rules("order", decimals={"lines.unit_price": 4})
        deal = world.place_order(lines=[{"sku": "A", "quantity": "1", "price": "9.99995"}])

        first = world.work(world.tell("crm", "order", deal))
        world.settle()
        writes = [call for call in world.erp.log if call.method != "GET"]
        again = world.work(world.tell("crm", "order", deal))

        assert first.counts.get("dead", 0) == 0, world.rows("SELECT message FROM dead_letters")
        assert again.counts == {"unchanged": 1}
        assert [call for call in world.erp.log if call.method != "GET"] == writes


def test_a_field_that_did_not_take_is_an_error_that_names_it(world: World) -> None:
    world.erp.rules("order", known=("reference", "number", "comment", "status", "lines", "party"))

    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()

    [(field, message, mend)] = world.rows("SELECT field, message, mend FROM dead_letters WHERE state = 'open'")
    assert field == "po_number"
    assert "did not take po_number" in message
    assert "po_number exists" in mend


def test_the_second_write_fails_and_an_edit_of_the_first_survives(world: World) -> None:
    """S5: each write settles its own ref, so that what we wrote is not taken for a person's edit."""
    order = world.place_order(notes="a")
    world.work(world.tell("crm", "order", order))
    [sale] = world.erp.store.all("order")
    world.erp.edit("order", sale.id, {"comment": "from the ERP"})
    world.crm.edit("order", order, {"status": "urgent"})
    world.erp.fault("status", kind="order", op="update", status=500, commit=False, times=1)

    world.work(world.tell("crm", "order", order))
    assert world.crm.fields("order", order)["notes"] == "from the ERP"
    world.crm.edit("order", order, {"notes": "the rep's own"})
    world.settle()

    assert world.crm.fields("order", order)["notes"] == "the rep's own"
    assert world.erp.fields("order", sale.id)["comment"] == "the rep's own"
    assert world.erp.fields("order", sale.id)["status"] == "urgent"


def test_two_edits_within_a_moment_both_count(world: World) -> None:
    company, party = linked_customer(world)
    world.crm.edit("customer", company, {"phone": "10"})
    world.crm.edit("customer", company, {"phone": "11"})

    world.work(world.tell("crm", "customer", company))

    assert world.erp.fields("customer", party)["phone"] == "11"


def test_a_record_deleted_by_a_person_is_never_recreated(world: World) -> None:
    company, party = linked_customer(world)
    world.erp.remove("customer", party)

    world.work(world.tell("crm", "customer", company))
    world.settle()

    assert world.erp.store.all("customer") == []
    [(state, code, mend)] = world.rows("SELECT state, hold_code, hold_mend FROM records")
    assert (state, code) == ("held", "deleted_in_erp")
    assert "restore it in erp" in mend
