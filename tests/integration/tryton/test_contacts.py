"""The people whom the CRM knows at a customer, beside what accounting noted for itself."""

from __future__ import annotations

import pytest

from sync_workers.connectors.contract import ListChange
from sync_workers.errors import PermanentError
from tests.integration.tryton.bench import adding, keyed, unique

pytestmark = pytest.mark.tryton

ANN = {"name": "Ann Lee", "email": "ann@example.com", "phone": "+12025550111"}
BOB = {"name": "Bob Ray", "email": "bob@example.com"}


def test_people_are_kept_beside_the_customers_own_email_and_phone(erp):
    customer = erp.customer(
        email="orders@example.com", phone="+12025550100", contacts=adding(("51", ANN), ("52", BOB))
    )
    assert customer.fields["contacts"] == [
        {"id": "51", "key": "51", **ANN}, {"id": "52", "key": "52", **BOB, "phone": None},
    ]  # fmt: skip
    assert (customer.fields["email"], customer.fields["phone"]) == ("orders@example.com", "+12025550100")
    assert erp.read(customer, "customer") == customer


def test_the_first_of_all_may_be_a_person_and_is_not_taken_for_the_customers_own(erp):
    customer = erp.customer(contacts=adding(("51", ANN)))
    assert (customer.fields["email"], customer.fields["phone"]) == (None, None)
    after = erp.write("customer", customer.id, {"email": "orders@example.com"})
    assert after.fields["email"] == "orders@example.com"
    assert after.fields["contacts"] == customer.fields["contacts"]


def test_people_are_changed_one_by_one_and_one_who_left_is_switched_off(erp):
    customer = erp.customer(contacts=adding(("51", ANN), ("52", BOB)))
    after = erp.change(
        customer, "contacts", remove=("51",), change=(("52", {"phone": "+12025550122", "email": None}),)
    )
    assert after.fields["contacts"] == [
        {"id": "52", "key": "52", "name": "Bob Ray", "email": None, "phone": "+12025550122"}
    ]
    rows = erp.clerk.find("party.contact_mechanism", [["party", "=", int(customer.id)], ["active", "=", False]],
                          active_test=False)  # fmt: skip
    assert len(rows) == 3  # Ann's two, and Bob's e-mail
    back = erp.change(after, "contacts", add=(("51", {"key": "51", **ANN}),))
    assert keyed(back.fields["contacts"])["51"] == {"id": "51", "key": "51", **ANN}
    assert len(erp.clerk.find("party.contact_mechanism", [["party", "=", int(customer.id)]], active_test=False)) == 5


def test_somebody_without_email_and_phone_keeps_a_place_by_name(erp):
    customer = erp.customer(contacts=adding(("53", {"name": "Cy Voss"})))
    assert customer.fields["contacts"] == [
        {"id": "53", "key": "53", "name": "Cy Voss", "email": None, "phone": None}
    ]
    after = erp.change(customer, "contacts", change=(("53", {"email": "cy@example.com"}),))
    assert after.fields["contacts"] == [
        {"id": "53", "key": "53", "name": "Cy Voss", "email": "cy@example.com", "phone": None}
    ]


def test_what_accounting_noted_is_neither_shown_nor_touched(erp):
    (customer,) = erp.connector.find("customer", "code", "C1009")
    assert customer.fields["contacts"] == []
    assert customer.fields["email"] == "purchasing@c1009.example.com"
    domain = [["party", "=", int(customer.id)], ["comment", "=", "accounts payable"]]
    noted = erp.clerk.find("party.contact_mechanism", domain)
    before = erp.clerk.read("party.contact_mechanism", noted, "value", "name", "write_date")
    erp.write("customer", customer.id, {"contacts": adding(("51", ANN)), "email": "orders@c1009.example.com"})
    erp.change(customer, "contacts", remove=("51",))
    assert erp.clerk.read("party.contact_mechanism", noted, "value", "name", "write_date") == before


def test_a_customer_is_not_found_by_the_email_of_somebody_who_works_there(erp):
    email = f"{unique().lower()}@example.com"
    erp.customer(contacts=adding(("51", {**ANN, "email": email})))
    own = erp.customer(email=email)
    assert [one.id for one in erp.connector.find("customer", "email", email)] == [own.id]


def test_an_unknown_field_of_a_person_is_refused_by_name(erp):
    with pytest.raises(PermanentError, match="shoe_size") as caught:
        erp.customer(contacts=ListChange(add=(("51", {"shoe_size": "44"}),)))
    assert caught.value.field == "contacts.shoe_size"
