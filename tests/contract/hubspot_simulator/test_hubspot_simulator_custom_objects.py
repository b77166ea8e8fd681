"""Custom objects, labels between records, and what an account may not have, through HubSpot's own client."""

from __future__ import annotations

import json

import pytest
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
)
from hubspot.crm.associations.v4.schema import PublicAssociationDefinitionCreateRequest
from hubspot.crm.associations.v4.schema.exceptions import ApiException as LabelError
from hubspot.crm.objects import SimplePublicObjectInputForCreate
from hubspot.crm.objects.exceptions import ApiException as ObjectError
from hubspot.crm.schemas import (
    AssociationDefinitionEgg,
    ObjectSchemaEgg,
    ObjectTypeDefinitionLabels,
    ObjectTypeDefinitionPatch,
    ObjectTypePropertyCreate,
)
from hubspot.crm.schemas.exceptions import ApiException as SchemaError

from tests.contract.hubspot_simulator.test_hubspot_simulator_webhooks import sent

YES_NO = [{"label": "Yes", "value": "true", "hidden": False}, {"label": "No", "value": "false", "hidden": False}]


def egg(name="addresses", **more):
    fields = [("street", "string", "textarea"), ("city", "string", "text"), ("opened_on", "date", "date"),
              ("docks", "number", "number")]  # fmt: skip
    properties = [ObjectTypePropertyCreate(name=n, label=n, type=t, field_type=f) for n, t, f in fields]
    properties.append(ObjectTypePropertyCreate(name="shipping", label="Ships", type="bool",
                                               field_type="booleancheckbox", options=YES_NO))  # fmt: skip
    properties.append(ObjectTypePropertyCreate(name="address_key", label="Key", type="string", field_type="text",
                                               has_unique_value=True))  # fmt: skip
    return ObjectSchemaEgg(**{
        "name": name, "labels": ObjectTypeDefinitionLabels(singular="Address", plural="Addresses"),
        "primary_display_property": "street", "required_properties": ["street"],
        "searchable_properties": ["street", "city"], "associated_objects": ["DEAL", "COMPANY"],
        "properties": properties, **more,
    })  # fmt: skip


def make(properties):
    return SimplePublicObjectInputForCreate(properties=properties, associations=[])


@pytest.fixture
def addresses(client):
    return client.crm.schemas.core_api.create(egg())


@pytest.fixture
def place(client, simulator, addresses):
    """A deal of a company that has an address."""
    person = simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    address = person.create("addresses", {"street": "Quay 1"}, [("companies", company)])["id"]
    return {"deal": person.create("deals", {"dealname": "D"})["id"], "company": company, "address": address}


@pytest.fixture
def label(client, addresses):
    """Define one label between deals and addresses, and return its type as seen from the deal."""

    def define(text, name):
        asked = PublicAssociationDefinitionCreateRequest(label=text, name=name)
        made = client.crm.associations.v4.schema.definitions_api.create("deals", addresses.object_type_id, asked)
        found = client.crm.associations.v4.schema.definitions_api.get_all("deals", addresses.object_type_id)
        (mine,) = [each for each in found.results if each.label == text]
        assert mine.type_id in [each.type_id for each in made.results]
        return AssociationSpec(association_category="USER_DEFINED", association_type_id=mine.type_id)

    return define


def labels_of(client, place, addresses):
    page = client.crm.associations.v4.basic_api.get_page("deals", place["deal"], addresses.object_type_id)
    return {row.to_object_id: {each.label for each in row.association_types} for row in page.results}


def test_a_custom_object_is_called_by_its_id_or_its_full_name_and_no_longer_by_its_bare_name(client, addresses):
    for spelling in (addresses.object_type_id, addresses.fully_qualified_name, "p_addresses"):
        assert client.crm.objects.basic_api.create(spelling, make({"street": "Quay 1"})).id
        assert client.crm.schemas.core_api.get_by_id(spelling).name == "addresses"
    with pytest.raises(ObjectError) as caught:
        client.crm.objects.basic_api.create("addresses", make({"street": "Quay 1"}))
    assert caught.value.status == 400


def test_values_of_a_custom_object_are_held_to_their_types(client, addresses):
    good = {"street": "Quay 1\nGate 4", "opened_on": "2026-11-24", "docks": "12.5", "shipping": "true"}
    made = client.crm.objects.basic_api.create(addresses.object_type_id, make(good))
    seen = client.crm.objects.basic_api.get_by_id(addresses.object_type_id, made.id, properties=list(good))
    assert {name: seen.properties[name] for name in good} == good
    for bad in ({"docks": "many"}, {"opened_on": "soon"}, {"shipping": "perhaps"}):
        with pytest.raises(ObjectError):
            client.crm.objects.basic_api.create(addresses.object_type_id, make({"street": "Quay 2", **bad}))


def test_a_custom_object_without_what_it_requires_is_refused(client, addresses):
    with pytest.raises(ObjectError) as caught:
        client.crm.objects.basic_api.create(addresses.object_type_id, make({"city": "Gent"}))
    assert json.loads(caught.value.body)["errors"][0]["context"] == {"properties": ["street"]}


def test_a_unique_value_of_a_custom_object_is_taken_once(client, addresses):
    first = client.crm.objects.basic_api.create(
        addresses.object_type_id, make({"street": "A", "address_key": "k"})
    )
    with pytest.raises(ObjectError) as caught:
        client.crm.objects.basic_api.create(
            addresses.object_type_id, make({"street": "B", "address_key": "k"})
        )
    assert f"{first.id} already has that value" in json.loads(caught.value.body)["message"]


@pytest.mark.parametrize("wrong", [
    {"required_properties": ["zip"]}, {"primary_display_property": "zip"}, {"searchable_properties": ["zip"]},
    {"name": "1st"},
])  # fmt: skip
def test_a_schema_that_cannot_be_is_refused_and_nothing_of_it_stays(client, wrong):
    with pytest.raises(SchemaError) as caught:
        client.crm.schemas.core_api.create(egg(**wrong))
    assert caught.value.status == 400
    assert client.crm.schemas.core_api.get_all().results == []


def test_a_schema_is_changed_and_linked_to_one_more_object(client, simulator, addresses):
    api = client.crm.schemas.core_api
    api.update(addresses.object_type_id, ObjectTypeDefinitionPatch(primary_display_property="city"))
    assert api.get_by_id(addresses.object_type_id).primary_display_property == "city"
    asked = AssociationDefinitionEgg(from_object_type_id=addresses.object_type_id, to_object_type_id="contact")
    made = api.create_association(addresses.object_type_id, asked)
    assert made.to_object_type_id == "0-1"
    with pytest.raises(SchemaError):
        api.create_association(addresses.object_type_id, asked)
    person = simulator.account.person()
    contact = person.create("contacts", {"email": "a@example.com"})["id"]
    person.create("addresses", {"street": "Quay 1"}, [("contacts", contact)])
    assert len(person.associated("contacts", contact, "addresses")) == 1


def test_an_account_defines_as_many_custom_objects_as_its_edition_allows(client, simulator):
    simulator.account.settings.custom_objects = 1
    client.crm.schemas.core_api.create(egg())
    with pytest.raises(SchemaError):
        client.crm.schemas.core_api.create(egg("shipments"))


@pytest.mark.parametrize("lacking", [{"custom_objects": 0}, {"custom_object_scopes": False}])
def test_without_edition_or_scope_no_custom_object_is_defined(client, simulator, lacking):
    simulator.account.settings.change(lacking)
    with pytest.raises(SchemaError) as caught:
        client.crm.schemas.core_api.create(egg())
    body = json.loads(caught.value.body)
    assert (caught.value.status, body["category"]) == (403, "MISSING_SCOPES")
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["crm.schemas.custom.write"]


def test_both_spellings_of_the_schemas_path_answer(web, addresses):
    roots = ("/crm/v3/schemas", "/crm-object-schemas/v3/schemas")
    answers = [web("GET", f"{root}/p_addresses").json() for root in roots]
    assert answers[0] == answers[1]
    assert answers[0]["objectTypeId"] == addresses.object_type_id


# -- labels


def test_a_label_never_comes_without_the_plain_link(client, addresses, place, label):
    ship_to = label("Ship to", "ship_to")
    client.crm.associations.v4.basic_api.create(
        "deals", place["deal"], addresses.object_type_id, place["address"], [ship_to]
    )
    assert labels_of(client, place, addresses) == {place["address"]: {None, "Ship to"}}


def test_linking_with_labels_replaces_those_that_were_there(client, addresses, place, label):
    ship_to, bill_to = label("Ship to", "ship_to"), label("Bill to", "bill_to")
    api = client.crm.associations.v4
    api.basic_api.create("deals", place["deal"], addresses.object_type_id, place["address"], [ship_to])
    pair = {"from": {"id": place["deal"]}, "to": {"id": place["address"]}}
    rows = BatchInputPublicAssociationMultiPost(inputs=[{**pair, "types": [bill_to]}])
    api.batch_api.create("deals", addresses.object_type_id, rows)
    assert labels_of(client, place, addresses) == {place["address"]: {None, "Bill to"}}


@pytest.mark.parametrize(("plain", "left"), [(False, {None, "Bill to"}), (True, None)])
def test_one_label_can_be_taken_off_and_without_the_plain_type_nothing_is_left(
    client, addresses, place, label, plain, left
):
    ship_to, bill_to = label("Ship to", "ship_to"), label("Bill to", "bill_to")
    api = client.crm.associations.v4
    api.basic_api.create("deals", place["deal"], addresses.object_type_id, place["address"], [ship_to, bill_to])
    known = api.schema.definitions_api.get_all("deals", addresses.object_type_id).results
    (unlabelled,) = [each.type_id for each in known if each.label is None]
    gone = AssociationSpec(association_category="USER_DEFINED", association_type_id=unlabelled) if plain else ship_to
    pair = {"from": {"id": place["deal"]}, "to": {"id": place["address"]}, "types": [gone]}
    api.batch_api.archive_labels(
        "deals", addresses.object_type_id, BatchInputPublicAssociationMultiPost(inputs=[pair])
    )
    assert labels_of(client, place, addresses) == ({place["address"]: left} if left else {})


def test_labels_are_read_in_batches(client, addresses, place, label):
    ship_to = label("Ship to", "ship_to")
    api = client.crm.associations.v4
    api.basic_api.create("deals", place["deal"], addresses.object_type_id, place["address"], [ship_to])
    asked = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": place["deal"]}])
    (row,) = api.batch_api.get_page("deals", addresses.object_type_id, asked).results
    assert [{each.label for each in to.association_types} for to in row.to] == [{None, "Ship to"}]


@pytest.mark.parametrize("name", ["ship-to", "1st"])
def test_a_label_needs_a_sound_name_and_stands_once(client, addresses, label, name):
    with pytest.raises(LabelError) as caught:
        label("Ship to", name)
    assert caught.value.status == 400
    label("Ship to", "ship_to")
    with pytest.raises(LabelError) as caught:
        label("Ship to", "ship_to")
    assert caught.value.status == 409


def test_an_edition_without_labels_says_so(client, simulator, addresses, label):
    simulator.account.settings.association_labels = False
    with pytest.raises(LabelError) as caught:
        label("Ship to", "ship_to")
    assert json.loads(caught.value.body)["category"] == "MISSING_SCOPES"


def test_the_links_of_a_custom_object_come_under_its_full_name(client, addresses, place):
    seen = client.crm.companies.basic_api.get_by_id(
        place["company"], associations=[addresses.object_type_id]
    )
    assert [row.id for row in seen.associations[addresses.fully_qualified_name].results] == [place["address"]]


# -- what people do


def test_a_person_labels_a_link_and_sees_what_hangs_on_a_record(simulator, web, addresses, place, label):
    label("Ship to", "ship_to")
    path = f"/sandbox/records/deals/{place['deal']}/links/addresses/{place['address']}"
    assert web("PUT", path, {"label": "ship to"}).status_code == 204
    seen = web("GET", f"/sandbox/records/deals/{place['deal']}/associated/addresses").json()["results"]
    assert [(each["properties"]["street"], each["labels"]) for each in seen] == [("Quay 1", ["Ship to"])]
    web("PATCH", f"/sandbox/records/addresses/{place['address']}", {"properties": {"street": "Quay 2"}})
    assert web("DELETE", path, {"label": "Ship to"}).status_code == 204
    (left,) = simulator.account.person().associated("deals", place["deal"], "addresses")
    assert (left["properties"]["street"], left["labels"]) == ("Quay 2", [])
    body = {"properties": {"dealname": "E"}, "links": [["addresses", place["address"], "Ship to"]]}
    made = web("POST", "/sandbox/records/deals", body).json()
    assert simulator.account.person().associated("deals", made["id"], "addresses")[0]["labels"] == ["Ship to"]
    assert web("PUT", path, {"label": "Nonsense"}).status_code == 404


# -- webhooks


def test_a_link_to_a_custom_object_is_told_by_generic_events_alone(
    simulator, receiver, addresses, place, label
):
    spec = label("Ship to", "ship_to")
    simulator.account.subscribe("deal.associationChange")
    simulator.account.subscribe("object.associationChange", object_type="deals")
    simulator.account.person().link("deals", place["deal"], "addresses", place["address"], "Ship to")
    told = sent(simulator, receiver)
    assert {each["subscriptionType"] for each in told} == {"object.associationChange"}
    assert {
        (each["fromObjectTypeId"], each["fromObjectId"], each["toObjectTypeId"], each["toObjectId"]) for each in told
    } == {("0-3", int(place["deal"]), addresses.object_type_id, int(place["address"]))}
    assert spec.association_type_id in {each["associationTypeId"] for each in told}


def test_a_private_app_hears_of_custom_objects_and_a_public_one_cannot_subscribe(
    simulator, receiver, web, addresses, place
):
    refused = web("POST", "/webhooks/v3/54321/subscriptions", {
        "eventType": "object.propertyChange", "propertyName": "street", "objectTypeId": addresses.object_type_id,
    })  # fmt: skip
    assert refused.status_code == 400
    simulator.account.subscribe("object.propertyChange", "street", object_type="addresses")
    simulator.account.person().edit("addresses", place["address"], {"street": "Quay 2"})
    (told,) = sent(simulator, receiver)
    assert (told["objectTypeId"], told["objectId"]) == (addresses.object_type_id, int(place["address"]))


def test_custom_objects_labels_and_their_records_come_back_with_the_account(simulator, addresses, place, label):
    label("Ship to", "ship_to")
    simulator.account.person().link("deals", place["deal"], "addresses", place["address"], "Ship to")
    saved = simulator.account.dump()
    simulator.account.reset()
    simulator.account.load(saved)
    (seen,) = simulator.account.person().associated("deals", place["deal"], "addresses")
    assert seen["labels"] == ["Ship to"]
    assert simulator.account.types.find("p_addresses").required == ("street",)
