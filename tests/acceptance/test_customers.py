"""Customers in step: the first load, edits on either side, merges, and what is no customer at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import accounts, catalogue, sales
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle()
    return distributor


def test_the_first_load_brings_every_customer_of_the_erp_and_nobody_else(loaded: Distributor) -> None:
    companies = loaded.companies()
    assert set(companies) == {customer.code for customer in catalogue.customers()}
    assert not loaded.held()
    assert not loaded.letters()


def test_a_second_look_at_everything_writes_nothing(loaded: Distributor) -> None:
    loaded.look_at_everything()
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_what_the_sales_rep_corrects_reaches_the_erp_and_does_not_come_back(loaded: Distributor) -> None:
    company = loaded.company("C1002")
    with loaded.written() as writes:
        loaded.crm.person(7).edit("companies", company["id"], {"phone": "+1 312 555 7002", "zip": "45404"})
        loaded.settle()
        loaded.settle()
    (party,) = loaded.parties("O'Neill Hydraulics")
    assert "".join(filter(str.isdigit, party["phone"])) == "13125557002"
    assert writes == {"crm": 0, "erp": 1}
    assert not loaded.overrules("customer", company["id"])


def test_a_field_of_the_crm_that_is_edited_in_the_erp_is_put_back_and_recorded(loaded: Distributor) -> None:
    company = loaded.company("C1003")
    sales.edit_party(loaded.clerk, "C1003", name="Typed at the wrong screen")
    with loaded.written() as writes:
        loaded.settle()
    assert len(loaded.parties("Müller Antriebstechnik GmbH")) == 1
    assert loaded.overrules("customer", company["id"]) == [("name", "erp", "owner crm")]
    assert writes == {"crm": 0, "erp": 1}


def test_a_field_of_the_erp_that_is_typed_into_the_crm_is_put_back_and_recorded(loaded: Distributor) -> None:
    company = loaded.company("C1019")
    loaded.crm.person(7).edit("companies", company["id"], {"credit_limit": "1000000"})
    with loaded.written() as writes:
        loaded.settle()
    assert loaded.company("C1019")["properties"]["credit_limit"] == "500.00"
    assert loaded.overrules("customer", company["id"]) == [("credit_limit", "crm", "owner erp")]
    assert writes == {"crm": 1, "erp": 0}


def test_a_limit_that_finance_grants_is_seen_by_sales(loaded: Distributor) -> None:
    accounts.set_credit_limit(loaded.clerk, "C1004", Decimal("7500"))
    loaded.settle()
    assert money(loaded.company("C1004")["properties"]["credit_limit"]) == 7500


def test_who_the_customer_is_reaches_the_erp_with_all_places_and_people(loaded: Distributor) -> None:
    rep = loaded.crm.person(7)
    company = loaded.new_company(name="Whole Picture Inc.", tax_id="DE136695976", order_currency="EUR")
    for street, billing, shipping in (("1 Counting House Lane", "true", "false"), ("2 Dock Road", "false", "true")):
        rep.create("addresses", {
            "name": "Reception", "street": street, "city": "Köln", "postal_code": "50667", "country": "Germany",
            "billing": billing, "shipping": shipping,
        }, [("companies", company)])  # fmt: skip
    for first, last in (("Ada", "Moreno"), ("Ben", "Okoro")):
        rep.create("contacts", {"firstname": first, "lastname": last, "email": f"{first.lower()}@whole.example.com"},
                   [("companies", company)])  # fmt: skip
    loaded.win(company, [line("BRG-6204-2RS", "1", "6.73")])
    loaded.settle()
    clerk, (party,) = loaded.clerk, loaded.parties("Whole Picture Inc.")
    (row,) = clerk.read("party.party", [party["id"]], "identifiers.code", "customer_currency.code", "addresses",
                        "contact_mechanisms")  # fmt: skip
    assert [each["code"] for each in row["identifiers."]] == ["DE136695976"]
    assert row["customer_currency."]["code"] == "EUR"
    places = clerk.read("party.address", row["addresses"], "street", "invoice", "delivery")
    assert {(each["street"], each["invoice"], each["delivery"]) for each in places} == {
        ("18 Harbor Street", True, True), ("1 Counting House Lane", True, False), ("2 Dock Road", False, True)}
    assert places[0]["street"] == "18 Harbor Street", "the first is the one that is taken where nobody says another"
    people = clerk.read("party.contact_mechanism", row["contact_mechanisms"], "type", "name", "value")
    assert {(each["name"], each["value"]) for each in people if each["type"] == "email" and each["name"]} == {
        ("Ada Moreno", "ada@whole.example.com"), ("Ben Okoro", "ben@whole.example.com")}
    assert not loaded.letters()


def test_what_finance_decides_about_a_customer_is_seen_by_sales(loaded: Distributor) -> None:
    clerk = loaded.clerk
    party = sales.find_customer(clerk, "C1005")
    clerk.write("party.party", [party], {
        "customer_payment_term": clerk.one("account.invoice.payment_term", [["name", "=", "Net 60"]]),
        "sale_price_list": clerk.one("product.price_list", [["name", "=", catalogue.GOLD]]),
        "customer_tax_rule": clerk.one("account.tax.rule", [["name", "=", catalogue.EXEMPT]]),
        "categories": [["add", [clerk.one("party.category", [["name", "=", catalogue.ON_HOLD]])]]],
    })  # fmt: skip
    loaded.settle()
    shown = loaded.company("C1005")["properties"]
    names = ("payment_term", "price_tier", "tax_code", "account_hold")
    assert [shown[name] for name in names] == ["Net 60", catalogue.GOLD, catalogue.EXEMPT, "true"]


def test_suppliers_and_the_company_itself_are_no_customers(loaded: Distributor) -> None:
    known = set(loaded.companies())
    category = loaded.clerk.one("party.category", [["name", "=", catalogue.SUPPLIERS]])
    loaded.clerk.create("party.party", {"name": "Bearing Works", "code": "S1",
                                        "categories": [["add", [category]]]})  # fmt: skip
    loaded.settle()
    assert set(loaded.companies()) == known


def test_a_new_party_of_the_erp_becomes_a_company_with_its_number(loaded: Distributor) -> None:
    loaded.clerk.create("party.party", {"name": "Counter Sale Ltd.", "code": "C2001"})
    loaded.settle()
    assert loaded.company("C2001")["properties"]["name"] == "Counter Sale Ltd."


def test_a_company_that_is_merged_in_the_crm_stays_one_party(loaded: Distributor) -> None:
    """A rep enters a customer a second time, notices, and merges the two before anybody looked (R5)."""
    rep = loaded.crm.person(7)
    first = loaded.new_company(name="Twice Entered Inc.")
    deal = loaded.win(first, [line("BRG-6204-2RS", "1", "6.73")])
    loaded.settle()
    (party,) = loaded.parties("Twice Entered Inc.")
    second = loaded.new_company(name="Twice Entered, Inc.")
    merged = str(rep.merge("companies", first, second)["id"])
    assert merged not in (first, second)
    rep.edit("companies", merged, {"name": "Once Entered Inc."})
    loaded.settle()
    again = loaded.win(merged, [line("BRG-6204-2RS", "2", "6.73")])
    loaded.settle()
    assert [one["id"] for one in loaded.parties("Once Entered Inc.")] == [party["id"]]
    assert not loaded.parties("Twice Entered, Inc.")
    assert loaded.sale(deal)["party"] == loaded.sale(again)["party"] == party["id"]
    assert loaded.record("customer", first) == loaded.record("customer", merged)
    assert not loaded.held()


def test_two_companies_with_a_party_each_that_are_merged_end_as_one_customer_with_both_histories(
    loaded: Distributor,
) -> None:
    rep = loaded.crm.person(7)
    first, second = loaded.new_company(name="North Yard Co."), loaded.new_company(name="South Yard Co.")
    deals = [loaded.win(company, [line("BRG-6204-2RS", "1", "6.73")]) for company in (first, second)]
    loaded.settle()
    parties = [loaded.sale(deal)["party"] for deal in deals]
    assert len(set(parties)) == 2
    merged = str(rep.merge("companies", first, second)["id"])
    rep.edit("companies", merged, {"name": "Both Yards Co."})
    loaded.settle()
    (party,) = loaded.parties("Both Yards Co.")
    assert party["id"] in parties
    assert [loaded.sale(deal)["party"] for deal in deals] == [party["id"]] * 2, "no order is left with an orphan"
    gone = loaded.clerk.read("party.party", [each for each in parties if each != party["id"]], "active", "replaced_by")
    assert [(each["active"], each["replaced_by"]) for each in gone] == [(False, party["id"])]
    assert loaded.record("customer", first) == loaded.record("customer", second) == loaded.record("customer", merged)
    assert not loaded.held()


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
