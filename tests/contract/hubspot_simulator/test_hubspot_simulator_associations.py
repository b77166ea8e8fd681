"""Links between records, notes, and custom objects, through HubSpot's own client."""

from __future__ import annotations

import pytest
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicAssociationMultiArchive,
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicDefaultAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
)
from hubspot.crm.associations.v4.exceptions import ApiException
from hubspot.crm.deals import SimplePublicObjectInputForCreate
from hubspot.crm.deals.exceptions import ApiException as DealError
from hubspot.crm.schemas import ObjectSchemaEgg, ObjectTypeDefinitionLabels, ObjectTypePropertyCreate


def spec(type_id, category="HUBSPOT_DEFINED"):
    return AssociationSpec(association_category=category, association_type_id=type_id)


def make(properties, associations=()):
    return SimplePublicObjectInputForCreate(properties=properties, associations=list(associations))


@pytest.fixture
def trade(simulator):
    """A company, a deal and two lines, unlinked."""
    person = simulator.account.person()
    return {
        "company": person.create("companies", {"name": "A"})["id"],
        "other": person.create("companies", {"name": "B"})["id"],
        "deal": person.create("deals", {"dealname": "Order 1"})["id"],
        "lines": [person.create("line_items", {"name": n, "price": "2"})["id"] for n in ("Bolt", "Nut")],
    }


def linked(client, kind, record_id, target):
    page = client.crm.associations.v4.basic_api.get_page(kind, record_id, target)
    return {row.to_object_id: sorted(each.type_id for each in row.association_types) for row in page.results}


def test_a_record_is_created_with_its_links(client, trade):
    links = [
        {"to": {"id": line}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 19}]}
        for line in trade["lines"]
    ]
    deal = client.crm.deals.basic_api.create(make({"dealname": "Order 2"}, links))
    assert linked(client, "deals", deal.id, "line_items") == {line: [19] for line in trade["lines"]}
    assert linked(client, "line_items", trade["lines"][0], "deals") == {deal.id: [20]}


def test_a_create_with_a_link_that_cannot_be_made_makes_nothing(client, trade):
    links = [
        {"to": {"id": "404"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 19}]}
    ]
    with pytest.raises(DealError):
        client.crm.deals.basic_api.create(make({"dealname": "Order 2"}, links))
    assert [each.id for each in client.crm.deals.basic_api.get_page().results] == [trade["deal"]]


def test_the_links_of_line_items_come_under_a_key_with_a_space(client, trade):
    client.crm.associations.v4.basic_api.create_default(
        "deals", trade["deal"], "line_items", trade["lines"][0]
    )
    seen = client.crm.deals.basic_api.get_by_id(trade["deal"], associations=["line_items", "companies"])
    assert list(seen.associations) == ["line items"]
    rows = [(row.id, row.type) for row in seen.associations["line items"].results]
    assert rows == [(trade["lines"][0], "deal_to_line_item")]


def test_a_primary_link_brings_the_plain_one_and_there_is_one_primary_only(client, trade):
    api = client.crm.associations.v4.basic_api
    api.create("deals", trade["deal"], "companies", trade["company"], [spec(5)])
    assert linked(client, "deals", trade["deal"], "companies") == {trade["company"]: [5, 341]}
    assert linked(client, "companies", trade["company"], "deals") == {trade["deal"]: [6, 342]}
    api.create("deals", trade["deal"], "companies", trade["other"], [spec(5)])
    assert linked(client, "deals", trade["deal"], "companies") == {
        trade["company"]: [341],
        trade["other"]: [5, 341],
    }


def test_a_link_is_gone_from_both_sides_once_removed(client, trade):
    api = client.crm.associations.v4.basic_api
    api.create("deals", trade["deal"], "companies", trade["company"], [spec(5)])
    api.archive("companies", trade["company"], "deals", trade["deal"])
    assert linked(client, "deals", trade["deal"], "companies") == {}
    assert linked(client, "companies", trade["company"], "deals") == {}


def test_a_type_that_does_not_fit_the_two_objects_is_refused(client, trade):
    with pytest.raises(ApiException) as caught:
        client.crm.associations.v4.basic_api.create(
            "deals", trade["deal"], "companies", trade["company"], [spec(19)]
        )
    assert caught.value.status == 400


def test_links_are_made_read_and_removed_in_batches(client, trade):
    api, deal, lines = client.crm.associations.v4.batch_api, trade["deal"], trade["lines"]
    rows = [{"from": {"id": deal}, "to": {"id": line}, "types": [spec(19)]} for line in lines]
    made = api.create("deals", "line_items", BatchInputPublicAssociationMultiPost(inputs=rows))
    assert {each.to_object_id for each in made.results} == set(lines)
    plain = [{"from": {"id": deal}, "to": {"id": trade["company"]}}]
    api.create_default("deals", "companies", BatchInputPublicDefaultAssociationMultiPost(inputs=plain))
    asked = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal}])
    read = api.get_page("deals", "line_items", asked)
    assert [each.to_object_id for each in read.results[0].to] == lines
    gone = [{"from": {"id": deal}, "to": [{"id": lines[0]}]}]
    api.archive("deals", "line_items", BatchInputPublicAssociationMultiArchive(inputs=gone))
    assert linked(client, "deals", deal, "line_items") == {lines[1]: [19]}


def test_an_archived_record_is_not_listed_as_linked(client, simulator, trade):
    client.crm.associations.v4.basic_api.create_default(
        "deals", trade["deal"], "line_items", trade["lines"][0]
    )
    simulator.account.person().delete("line_items", trade["lines"][0])
    assert linked(client, "deals", trade["deal"], "line_items") == {}


def test_a_merged_company_keeps_the_links_of_both(client, simulator, trade):
    person = simulator.account.person()
    person.link("deals", trade["deal"], "companies", trade["other"])
    merged = person.merge("companies", trade["company"], trade["other"])
    assert list(linked(client, "deals", trade["deal"], "companies")) == [merged["id"]]


def test_a_note_is_written_to_a_deal(client, trade):
    link = {
        "to": {"id": trade["deal"]},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 214}],
    }
    note = client.crm.objects.notes.basic_api.create(
        make({"hs_note_body": "On credit hold", "hs_timestamp": "1795478400000"}, [link])
    )
    assert list(linked(client, "deals", trade["deal"], "notes")) == [note.id]
    assert note.properties["hs_timestamp"] == "2026-11-24T00:00:00Z"


def test_orders_and_invoices_are_objects_like_the_others(client, simulator, trade):
    order = client.crm.objects.basic_api.create("orders", make({"hs_order_name": "SO-1"}))
    invoice = client.crm.commerce.invoices.basic_api.create(
        make({"hs_number": "INV-1", "hs_balance_due": "12.50", "hs_currency": "EUR"})
    )
    person = simulator.account.person()
    person.link("orders", order.id, "deals", trade["deal"])
    person.link("invoices", invoice.id, "deals", trade["deal"])
    assert linked(client, "deals", trade["deal"], "0-123") == {order.id: [511]}
    assert linked(client, "0-3", trade["deal"], "invoices") == {invoice.id: [176]}


def test_a_custom_object_is_defined_and_used_like_any_other(client, trade):
    egg = ObjectSchemaEgg(
        name="parcel",
        labels=ObjectTypeDefinitionLabels(singular="Parcel", plural="Parcels"),
        required_properties=["number"],
        associated_objects=["DEAL"],
        properties=[
            ObjectTypePropertyCreate(
                name="number", label="Number", type="string", field_type="text", has_unique_value=True
            )
        ],
    )
    schema = client.crm.schemas.core_api.create(egg)
    assert schema.object_type_id.startswith("2-")
    assert [each.name for each in client.crm.schemas.core_api.get_all().results] == ["parcel"]
    for spelling in ("p_parcel", schema.object_type_id, schema.fully_qualified_name):
        made = client.crm.objects.basic_api.create(spelling, make({"number": f"P-{spelling}"}))
        assert (
            client.crm.objects.basic_api.get_by_id(spelling, f"P-{spelling}", id_property="number").id
            == made.id
        )
    client.crm.associations.v4.basic_api.create_default("p_parcel", made.id, "deals", trade["deal"])
    assert list(linked(client, "deals", trade["deal"], schema.object_type_id)) == [made.id]
