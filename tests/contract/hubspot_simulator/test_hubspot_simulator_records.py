"""Records, as HubSpot's own Python client sees them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hubspot.crm.companies import (
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    PublicMergeInput,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.companies.exceptions import ApiException as CompanyError
from hubspot.crm.contacts.exceptions import ApiException as ContactError
from hubspot.crm.deals.exceptions import ApiException as DealError
from hubspot.crm.line_items.exceptions import ApiException as LineError
from hubspot.crm.properties import PropertyCreate


def make(properties, associations=None):
    return SimplePublicObjectInputForCreate(properties=properties, associations=associations or [])


def unique(client, kind, name="erp_id"):
    definition = PropertyCreate(
        name=name,
        label="ERP id",
        type="string",
        field_type="text",
        group_name="information",
        has_unique_value=True,
    )
    return client.crm.properties.core_api.create(kind, definition)


def test_a_created_record_can_be_read_and_shows_defaults_plus_what_was_asked(client):
    made = client.crm.companies.basic_api.create(make({"name": "Bolt & Co", "phone": "+31 20 1234567"}))
    seen = client.crm.companies.basic_api.get_by_id(made.id, properties=["phone", "city", "no_such_property"])
    assert int(made.id) > 2**32
    assert seen.properties["name"] == "Bolt & Co"
    assert seen.properties["phone"] == "+31 20 1234567"
    assert seen.properties["city"] is None
    assert "no_such_property" not in seen.properties
    assert "phone" not in client.crm.companies.basic_api.get_by_id(made.id).properties


def test_a_record_is_reachable_by_type_id_as_well_as_by_type_name(client):
    made = client.crm.deals.basic_api.create(make({"dealname": "Order 1"}))
    assert client.crm.objects.basic_api.get_by_id("0-3", made.id).properties["dealname"] == "Order 1"


def test_ids_of_different_types_may_be_equal(client):
    company = client.crm.companies.basic_api.create(make({"name": "A"}))
    contact = client.crm.contacts.basic_api.create(make({"email": "a@example.com"}))
    assert company.id == contact.id


def test_a_patch_changes_only_what_it_names_and_moves_the_change_stamp(client):
    made = client.crm.companies.basic_api.create(make({"name": "A", "city": "Gent"}))
    client.crm.companies.basic_api.update(made.id, SimplePublicObjectInput(properties={"city": "Brugge"}))
    seen = client.crm.companies.basic_api.get_by_id(
        made.id, properties=["city"], properties_with_history=["city"]
    )
    assert (seen.properties["name"], seen.properties["city"]) == ("A", "Brugge")
    assert [row.value for row in seen.properties_with_history["city"]] == ["Brugge", "Gent"]
    assert {(r.source_type, r.source_id) for r in seen.properties_with_history["city"]} == {
        ("INTEGRATION", "54321")
    }
    assert seen.properties["hs_lastmodifieddate"] >= seen.properties["createdate"]


def test_a_property_is_cleared_by_an_empty_value(client):
    made = client.crm.companies.basic_api.create(make({"name": "A", "city": "Gent"}))
    client.crm.companies.basic_api.update(made.id, SimplePublicObjectInput(properties={"city": ""}))
    assert client.crm.companies.basic_api.get_by_id(made.id, properties=["city"]).properties["city"] is None


def test_every_wrong_property_of_a_write_is_named_in_one_answer(client):
    bad = {"industry": "BAKERY", "annualrevenue": "many", "nonsense": "1", "createdate": "0"}
    with pytest.raises(CompanyError) as caught:
        client.crm.companies.basic_api.create(make(bad))
    body = json.loads(caught.value.body)
    assert (caught.value.status, body["category"]) == (400, "VALIDATION_ERROR")
    codes = {each["context"]["propertyName"][0]: each["code"] for each in body["errors"]}
    assert codes == {
        "industry": "INVALID_OPTION",
        "annualrevenue": "INVALID_NUMBER",
        "nonsense": "PROPERTY_DOESNT_EXIST",
        "createdate": "READ_ONLY_VALUE",
    }
    assert body["message"].startswith("Property values were not valid: [")


def test_a_second_contact_with_an_email_conflicts_and_names_the_first(client):
    first = client.crm.contacts.basic_api.create(make({"email": "Ann@Example.com"}))
    assert first.properties["email"] == "ann@example.com"
    with pytest.raises(ContactError) as caught:
        client.crm.contacts.basic_api.create(make({"email": "ann@example.com"}))
    body = json.loads(caught.value.body)
    assert (caught.value.status, body["category"]) == (409, "CONFLICT")
    assert body["message"] == f"Contact already exists. Existing ID: {first.id}"


def test_a_second_holder_of_a_unique_value_is_refused_with_the_id_of_the_first(client):
    unique(client, "companies")
    first = client.crm.companies.basic_api.create(make({"name": "A", "erp_id": "C-1"}))
    with pytest.raises(CompanyError) as caught:
        client.crm.companies.basic_api.create(make({"name": "B", "erp_id": "C-1"}))
    body = json.loads(caught.value.body)
    assert (caught.value.status, body["category"]) == (400, "VALIDATION_ERROR")
    assert "propertyName=erp_id, value=C-1} on " in body["message"]
    assert body["message"].endswith(f". {first.id} already has that value.")


def test_companies_are_not_deduplicated_by_domain(client):
    made = [
        client.crm.companies.basic_api.create(make({"name": "A", "domain": "a.example"})) for _ in range(2)
    ]
    assert made[0].id != made[1].id


def test_a_record_is_read_and_patched_by_its_unique_value(client):
    unique(client, "companies")
    made = client.crm.companies.basic_api.create(make({"name": "A", "erp_id": "C-1"}))
    change = SimplePublicObjectInput(properties={"city": "Gent"})
    changed = client.crm.companies.basic_api.update("C-1", change, id_property="erp_id")
    assert changed.id == made.id
    assert client.crm.companies.basic_api.get_by_id("C-1", id_property="erp_id").id == made.id


def test_an_archived_record_is_gone_unless_archived_ones_are_asked_for(client):
    made = client.crm.companies.basic_api.create(make({"name": "A"}))
    client.crm.companies.basic_api.archive(made.id)
    with pytest.raises(CompanyError) as caught:
        client.crm.companies.basic_api.get_by_id(made.id)
    assert (caught.value.status, json.loads(caught.value.body)["category"]) == (404, "OBJECT_NOT_FOUND")
    assert client.crm.companies.basic_api.get_by_id(made.id, archived=True).archived is True
    client.crm.companies.basic_api.archive(made.id)


def test_a_list_comes_in_pages_that_miss_and_repeat_nothing(client):
    made = {client.crm.products.basic_api.create(make({"name": f"Part {n}"})).id for n in range(7)}
    seen, after = [], None
    while True:
        page = client.crm.products.basic_api.get_page(limit=3, after=after)
        seen += [each.id for each in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after
    assert sorted(seen) == sorted(made)


def test_both_ids_of_a_merge_lead_to_the_new_record(client):
    one, two = (
        client.crm.companies.basic_api.create(make(each)).id
        for each in ({"name": "A"}, {"name": "B", "city": "Gent"})
    )
    merged = client.crm.companies.basic_api.merge(
        PublicMergeInput(primary_object_id=one, object_id_to_merge=two)
    )
    assert merged.id not in (one, two)
    assert merged.properties["hs_merged_object_ids"] == f"{one};{two}"
    for old in (one, two):
        seen = client.crm.companies.basic_api.get_by_id(old, properties=["city"])
        assert (seen.id, seen.properties["name"], seen.properties["city"]) == (merged.id, "A", "Gent")
    assert [each.id for each in client.crm.companies.basic_api.get_page().results] == [merged.id]


def test_a_deal_is_won_by_the_metadata_of_its_stage_not_by_its_name(client):
    made = client.crm.deals.basic_api.create(make({"dealname": "A", "dealstage": "contractsent"}))
    assert made.properties["hs_is_closed_won"] == "false"
    for stage, won in (("closedlost", "false"), ("closedwon", "true")):
        client.crm.deals.basic_api.update(made.id, SimplePublicObjectInput(properties={"dealstage": stage}))
        seen = client.crm.deals.basic_api.get_by_id(made.id, properties=["hs_is_closed_won"])
        assert seen.properties["hs_is_closed_won"] == won


def test_a_stage_of_another_pipeline_is_refused(client):
    with pytest.raises(DealError) as caught:
        client.crm.deals.basic_api.create(make({"dealname": "A", "dealstage": "processed"}))
    assert json.loads(caught.value.body)["errors"][0]["code"] == "INVALID_OPTION"


def test_the_amount_of_a_line_is_computed_and_cannot_be_written(client):
    product = client.crm.products.basic_api.create(
        make({"name": "Bolt M8", "price": "0.125", "hs_sku": "B-8"})
    )
    line = client.crm.line_items.basic_api.create(make({"hs_product_id": product.id, "quantity": "300"}))
    assert line.properties["amount"] == "37.5"
    assert line.properties["hs_sku"] == "B-8"
    for bad in ({"amount": "1"}, {"price": "-1"}):
        with pytest.raises(LineError):
            client.crm.line_items.basic_api.update(line.id, SimplePublicObjectInput(properties=bad))


@pytest.mark.parametrize(
    ("given", "amounts"),
    [
        ({"price": "234.56", "quantity": "10"}, ("2345.6", "0", "2345.6")),
        ({"price": "234.56", "quantity": "10", "hs_discount_percentage": "20"}, ("2345.6", "469.12", "1876.48")),
        ({"price": "5", "quantity": "3", "discount": "0.5"}, ("15", "1.5", "13.5")),
        ({"price": "0.335", "quantity": "1", "hs_line_item_currency_code": "EUR"}, ("0.34", "0", "0.34")),
        ({"price": "33.4", "quantity": "1", "hs_line_item_currency_code": "JPY"}, ("33", "0", "33")),
        ({"price": "1.2345", "quantity": "1", "hs_line_item_currency_code": "KWD"}, ("1.235", "0", "1.235")),
        ({"price": "9.99", "quantity": "3", "hs_discount_percentage": "5", "hs_line_item_currency_code": "USD"},
         ("29.97", "1.5", "28.47")),
    ],
)  # fmt: skip
def test_a_discount_is_taken_off_the_whole_line_and_rounded_to_its_currency(client, given, amounts):
    line = client.crm.line_items.basic_api.create(make({"name": "Bolt", **given}))
    names = ("hs_pre_discount_amount", "hs_total_discount", "amount")
    assert tuple(line.properties[name] for name in names) == amounts


def test_an_invoice_needs_its_currency_and_starts_as_a_draft(client, web):
    refused = web("POST", "/crm/v3/objects/invoices", {"properties": {"hs_number": "1"}})
    assert (refused.status_code, refused.json()["errors"][0]["context"]) == (400, {"properties": ["hs_currency"]})
    made = client.crm.commerce.invoices.basic_api.create(make({"hs_currency": "KWD"}))
    assert made.properties["hs_invoice_status"] == "draft"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("2026-11-24", "2026-11-24"), ("1795478400000", "2026-11-24"), (None, None)],
)
def test_a_date_is_taken_as_a_day_or_as_midnight_utc(client, web, given, kept):
    definition = PropertyCreate(
        name="due", label="Due", type="date", field_type="date", group_name="information", options=[]
    )
    client.crm.properties.core_api.create("orders", definition)
    made = web("POST", "/crm/v3/objects/orders", {"properties": {"due": given}}).json()
    seen = client.crm.objects.basic_api.get_by_id("orders", made["id"], properties=["due"])
    assert seen.properties["due"] == kept
    refused = web("PATCH", f"/crm/v3/objects/orders/{made['id']}", {"properties": {"due": "1795478400001"}})
    assert refused.json()["errors"][0]["code"] == "INVALID_DATE"


def test_a_batch_read_returns_what_it_finds_and_lists_what_is_missing(client):
    made = client.crm.companies.basic_api.create(make({"name": "A"}))
    asked = BatchReadInputSimplePublicObjectId(
        properties=["name"], properties_with_history=[], inputs=[{"id": made.id}, {"id": "404"}]
    )
    answer = client.crm.companies.batch_api.read(asked)
    assert [each.id for each in answer.results] == [made.id]
    assert answer.num_errors == 1
    assert answer.errors[0].context["ids"] == ["404"]


def test_an_untraced_batch_create_is_all_or_none_and_a_traced_one_row_by_row(client):
    rows = [
        {"properties": {"name": "A"}, "associations": []},
        {"properties": {"nonsense": "1"}, "associations": []},
    ]
    with pytest.raises(CompanyError):
        client.crm.companies.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows))
    assert client.crm.companies.basic_api.get_page().results == []
    traced = [{**row, "objectWriteTraceId": f"row-{n}"} for n, row in enumerate(rows)]
    answer = client.crm.companies.batch_api.create(
        BatchInputSimplePublicObjectBatchInputForCreate(inputs=traced)
    )
    assert [each.object_write_trace_id for each in answer.results] == ["row-0"]
    assert answer.errors[0].context["objectWriteTraceId"] == ["row-1"]


def test_a_batch_update_fails_only_the_rows_that_are_wrong(client):
    made = client.crm.companies.basic_api.create(make({"name": "A"}))
    rows = [{"id": made.id, "properties": {"city": "Gent"}}, {"id": "404", "properties": {"city": "Gent"}}]
    answer = client.crm.companies.batch_api.update(BatchInputSimplePublicObjectBatchInput(inputs=rows))
    assert [each.properties["city"] for each in answer.results] == ["Gent"]
    assert [each.category for each in answer.errors] == ["OBJECT_NOT_FOUND"]


def test_an_upsert_says_which_rows_are_new_and_repeating_it_makes_nothing(client):
    unique(client, "companies")
    rows = [
        {"id": f"C-{n}", "idProperty": "erp_id", "properties": {"name": f"Company {n}"}} for n in range(3)
    ]
    asked = BatchInputSimplePublicObjectBatchInputUpsert(inputs=rows)
    first, second = client.crm.companies.batch_api.upsert(asked), client.crm.companies.batch_api.upsert(asked)
    assert [each.new for each in first.results] == [True] * 3
    assert [each.new for each in second.results] == [False] * 3
    assert {each.id for each in first.results} == {each.id for each in second.results}


def test_a_batch_of_more_than_a_hundred_is_refused(client):
    rows = [{"properties": {"name": str(n)}, "associations": []} for n in range(101)]
    with pytest.raises(CompanyError) as caught:
        client.crm.companies.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows))
    assert caught.value.status == 400


def test_a_write_of_equal_values_is_no_change(client, simulator):
    made = client.crm.companies.basic_api.create(make({"name": "A"}))
    before = simulator.account.written_by_api()
    seen = client.crm.companies.basic_api.update(made.id, SimplePublicObjectInput(properties={"name": "A"}))
    assert seen.updated_at == made.updated_at
    assert simulator.account.written_by_api() == before


def test_of_fifty_creates_at_once_with_one_unique_value_exactly_one_gets_through(client, web):
    unique(client, "companies")
    body = {"properties": {"name": "A", "erp_id": "C-1"}}
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: web("POST", "/crm/v3/objects/companies", body).status_code, range(50))
        )
    assert sorted(answers) == [201, *[400] * 49]
    assert len(client.crm.companies.basic_api.get_page().results) == 1


def test_a_restored_record_shows_up_among_the_changed_ones(client, simulator):
    person = simulator.account.person()
    made = person.create("companies", {"name": "A"})
    before = made["properties"]["hs_lastmodifieddate"]
    person.delete("companies", made["id"])
    restored = person.restore("companies", made["id"])
    assert restored["properties"]["hs_lastmodifieddate"] >= before
    assert client.crm.companies.basic_api.get_by_id(made["id"]).archived is False
