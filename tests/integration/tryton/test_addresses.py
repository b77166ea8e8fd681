"""A customer's addresses in the real ERP: matched by key, and never changed under an order's feet."""

from __future__ import annotations

from typing import Any

import pytest

from sync_workers.connectors.contract import NativeWrite
from sync_workers.errors import PermanentError, TransientError, Unsure
from sync_workers.sandbox.tryton.rpc import TrytonError
from tests.integration.tryton.bench import Erp, adding, address, keyed, line, unique

pytestmark = pytest.mark.tryton

HQ = address(name="Purchasing", postal_code="62701", country={"code": "US"}, shipping=False, main=True)
DOCK = address(street="2 Dock Road", city="Ogden", country={"code": "US"}, billing=False, main=False)
PLANT = address(street="3 Mill Lane", city="Köln", postal_code="50667", country={"code": "DE"}, main=False)


@pytest.fixture
def customer(erp: Erp) -> Any:
    return erp.customer(addresses=adding(("main", HQ), ("a-7", DOCK), ("a-9", PLANT)))


def test_a_customer_keeps_all_its_addresses_with_their_keys_and_roles(erp, customer):
    shown = keyed(customer.fields["addresses"])
    assert list(shown) == ["main", "a-7", "a-9"]
    assert {key: value for key, value in shown["main"].items() if key not in ("id", "key")} == HQ
    assert [(one["billing"], one["shipping"], one["main"]) for one in shown.values()] == [
        (True, False, True), (False, True, False), (True, True, False),
    ]  # fmt: skip
    assert erp.read(customer, "customer") == customer


def test_an_address_is_matched_by_its_key_whatever_place_it_takes(erp, customer):
    shown = keyed(customer.fields["addresses"])
    for place, key in enumerate(("a-9", "main", "a-7")):
        erp.person("party.address.write", [int(shown[key]["id"])], {"sequence": place})
    moved = erp.read(customer, "customer").fields["addresses"]
    assert [one["key"] for one in moved] == ["a-9", "main", "a-7"]
    assert keyed(moved)["a-7"]["id"] == shown["a-7"]["id"]


def test_addresses_are_added_changed_and_removed_one_by_one(erp, customer):
    shown = keyed(customer.fields["addresses"])
    after = erp.change(
        customer,
        add=(("a-11", {"key": "a-11", **address(city="Reno", main=False)}),),
        change=((shown["a-7"]["id"], {"city": "Provo"}),),
        remove=(shown["a-9"]["id"],),
    )
    assert [(one["key"], one["city"]) for one in after.fields["addresses"]] == [
        ("main", "Springfield"), ("a-7", "Provo"), ("a-11", "Reno"),
    ]  # fmt: skip
    assert keyed(after.fields["addresses"])["a-7"]["id"] == shown["a-7"]["id"]  # nobody used it
    (gone,) = erp.clerk.read("party.address", [int(shown["a-9"]["id"])], "active")
    assert not gone["active"]


@pytest.mark.parametrize("numbered", [True, False], ids=["places given", "no places given"])
def test_another_address_is_made_the_main_one(erp, customer, numbered):
    shown = keyed(customer.fields["addresses"])
    if not numbered:
        ids = [int(one["id"]) for one in shown.values()]
        erp.person("party.address.write", ids, {"sequence": None})
    edits = ((shown["main"]["id"], {"main": False}), (shown["a-9"]["id"], {"main": True}))
    after = erp.change(customer, change=edits)
    assert [(one["key"], one["main"]) for one in after.fields["addresses"]] == [
        ("a-9", True), ("main", False), ("a-7", False),
    ]  # fmt: skip
    order = erp.order(customer, line(erp.stocked_part()))
    assert order.fields["invoice_address"]["key"] == "a-9"


def test_a_main_address_that_is_none_any_more_leaves_the_place_to_the_next(erp, customer):
    main = keyed(customer.fields["addresses"])["main"]
    after = erp.change(customer, change=((main["id"], {"main": False}),))
    assert [one["key"] for one in after.fields["addresses"] if one["main"]] == ["a-7"]


def test_an_address_that_people_entered_has_a_key_made_of_its_id_and_keeps_it_when_it_moves(erp, customer):
    number = erp.clerk.create("party.address", {
        "party": int(customer.id), "street_unstructured": "9 Side Road", "city": "Tulsa", "delivery": True,
        "sequence": 50,
    })[0]  # fmt: skip
    key = f"erp:{number}"
    order = erp.placed(line(erp.stocked_part()), customer=customer, shipment_address={"key": key})
    assert order.fields["shipment_address"] == {"id": str(number), "key": key}
    after = erp.change(customer, change=((str(number), {"street": "10 Side Road"}),))
    moved = keyed(after.fields["addresses"])[key]
    assert moved["id"] != str(number)
    assert moved["street"] == "10 Side Road"


@pytest.mark.parametrize("used_by", ["an order", "nothing"])
def test_an_address_that_an_order_uses_is_switched_off_and_another_takes_its_key(erp, customer, used_by):
    old = keyed(customer.fields["addresses"])["a-7"]
    order = erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
    if used_by == "an order":
        erp.step(order, "quote")
        order = erp.step(order, "confirm")
    else:
        erp.person("sale.sale.delete", [int(order.id)])
    after = erp.change(customer, change=((old["id"], {"street": "20 Dock Road"}),))
    new = keyed(after.fields["addresses"])["a-7"]
    assert (new["street"], new["city"], new["shipping"]) == ("20 Dock Road", "Ogden", True)
    assert (new["id"] == old["id"]) is (used_by == "nothing")
    if used_by == "an order":
        assert erp.read(order).fields["shipment_address"] == {"id": old["id"], "key": "a-7"}
        (kept,) = erp.clerk.read("party.address", [int(old["id"])], "street", "active")
        assert (kept["street"], kept["active"]) == ("2 Dock Road", False)
        again = erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
        assert again.fields["shipment_address"]["id"] == new["id"]


@pytest.mark.parametrize("change", [{"name": "Gate 4"}, {"shipping": False}, {"street": "2 Dock Road"}], ids=str)
def test_what_does_not_move_an_address_leaves_it_where_orders_point(erp, customer, change):
    old = keyed(customer.fields["addresses"])["a-7"]
    erp.placed(line(erp.stocked_part()), customer=customer, shipment_address={"key": "a-7"})
    after = erp.change(customer, change=((old["id"], change),))
    assert keyed(after.fields["addresses"])["a-7"] == {**old, **change}


def test_a_draft_that_points_to_an_address_that_moved_asks_for_the_one_that_took_its_key(erp, customer):
    old = keyed(customer.fields["addresses"])["a-7"]
    erp.placed(line(erp.stocked_part()), customer=customer, shipment_address={"key": "a-7"})
    draft = erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
    after = erp.change(customer, change=((old["id"], {"city": "Provo"}),))
    assert erp.read(draft).fields["shipment_address"]["key"] is None
    written = erp.write("order", draft.id, {"shipment_address": {"key": "a-7"}})
    new = keyed(after.fields["addresses"])["a-7"]
    assert written.fields["shipment_address"] == {"id": new["id"], "key": "a-7"}


@pytest.mark.parametrize("state", ["draft", "quotation"])
def test_an_order_that_names_no_address_follows_its_customer_until_it_is_confirmed(erp, customer, state):
    old = keyed(customer.fields["addresses"])["a-7"]
    erp.placed(line(erp.stocked_part()), customer=customer, shipment_address={"key": "a-7"})
    order = erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
    if state == "quotation":
        erp.step(order, "quote")
    new = keyed(erp.change(customer, change=((old["id"], {"city": "Provo"}),)).fields["addresses"])["a-7"]
    followed = erp.step(order, "quote" if state == "draft" else "confirm")
    assert (followed.fields["state"], followed.fields["shipment_address"]) == ("draft", {"id": new["id"], "key": "a-7"})
    assert followed.fields["invoice_address"] == order.fields["invoice_address"]
    erp.step(order, "quote")
    confirmed = erp.step(order, "confirm")
    assert confirmed.fields["state"] == "processing"
    assert confirmed.fields["shipment_address"] == {"id": new["id"], "key": "a-7"}


def test_an_order_to_an_address_that_nobody_took_over_goes_where_it_was_sent(erp, customer):
    old = keyed(customer.fields["addresses"])["a-7"]
    order = erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
    erp.change(customer, remove=(old["id"],))
    assert erp.step(order, "quote").fields["state"] == "quotation"


def test_a_state_that_no_sheet_carries_does_not_stay_with_another_postal_code(erp, customer):
    main = keyed(customer.fields["addresses"])["main"]
    country = erp.clerk.one("country.country", [["code", "=", "US"]])
    (state,) = erp.admin.create("country.subdivision", {
        "name": "Illinois", "code": f"US-{unique()[-4:]}", "type": "state", "country": country,
    })  # fmt: skip
    erp.clerk.write("party.address", [int(main["id"])], {"subdivision": state})
    erp.change(customer, change=((main["id"], {"name": "Front desk"}),))
    assert erp.clerk.read("party.address", [int(main["id"])], "subdivision")[0]["subdivision"] == state
    erp.change(customer, change=((main["id"], {"postal_code": "84401"}),))
    assert erp.clerk.read("party.address", [int(main["id"])], "subdivision")[0]["subdivision"] is None


def test_an_order_waits_for_an_address_that_the_customer_does_not_have_yet(erp, customer):
    with pytest.raises(TransientError, match="Globex has no such address") as caught:
        erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-99"})
    assert caught.value.wait.total_seconds() == 5
    assert "a-99" in caught.value.message


def test_an_order_to_an_address_that_was_taken_away_is_refused(erp, customer):
    dock = keyed(customer.fields["addresses"])["a-7"]
    erp.change(customer, remove=(dock["id"],))
    with pytest.raises(PermanentError, match="switched off") as caught:
        erp.order(customer, line(erp.stocked_part()), shipment_address={"key": "a-7"})
    assert caught.value.field == "shipment_address.key"


def test_an_order_carries_its_own_bill_to_and_ship_to(erp, customer):
    order = erp.order(
        customer, line(erp.stocked_part()), invoice_address={"key": "a-9"}, shipment_address={"key": "a-7"}
    )
    assert order.fields["invoice_address"]["key"] == "a-9"
    assert order.fields["shipment_address"]["key"] == "a-7"
    order = erp.write("order", order.id, {"invoice_address": {"key": "main"}}, version=order.version)
    assert order.fields["invoice_address"]["key"] == "main"
    assert order.fields["shipment_address"]["key"] == "a-7"


def test_a_customer_whose_addresses_could_not_be_stored_is_found_without_any_that_lack_their_key(erp, monkeypatch):
    reference, session = unique(), erp.connector._session
    call = session.call

    def cut(method: str, *params: Any, **more: Any) -> Any:
        if method == "model.party.party.write":
            raise TransientError("the line went dead")
        return call(method, *params, **more)

    monkeypatch.setattr(session, "call", cut)
    with pytest.raises(Unsure, match="stored, but not its addresses"):
        erp.customer(reference, addresses=adding(("main", HQ), ("a-7", DOCK)))
    monkeypatch.undo()
    (found,) = erp.connector.find("customer", "code", reference)
    assert found.fields["addresses"] == []
    after = erp.connector.write(NativeWrite("customer", found.id, {"addresses": adding(("a-7", DOCK))}, reference))
    assert [one["key"] for one in after.fields["addresses"]] == ["a-7"]


def test_the_servers_own_identifiers_of_an_address_take_no_foreign_key(erp, customer):
    """Why our key is a contact mechanism: see ``docs/decisions/tryton-seen.rst``."""
    number = int(keyed(customer.fields["addresses"])["a-7"]["id"])
    identifier = {"party": int(customer.id), "code": "a-7"}
    with pytest.raises(TrytonError, match="not valid according to its domain"):
        erp.clerk.write("party.address", [number], {"identifiers": [["create", [identifier]]]})
