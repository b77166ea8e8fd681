"""Properties, pipelines and owners, through HubSpot's own client."""

from __future__ import annotations

import json

import pytest
from hubspot.crm.pipelines import PipelineInput, PipelineStageInput
from hubspot.crm.properties import BatchReadInputPropertyName, PropertyCreate, PropertyUpdate
from hubspot.crm.properties.exceptions import ApiException


def definition(name, **more):
    kept = {"label": name, "type": "string", "field_type": "text", "group_name": "information", "options": []}
    return PropertyCreate(name=name, **{**kept, **more})


def test_the_properties_of_an_object_are_listed_with_their_types(client):
    found = {each.name: each for each in client.crm.properties.core_api.get_all("companies").results}
    assert found["name"].type == "string"
    assert found["industry"].type == "enumeration"
    assert found["hs_lastmodifieddate"].modification_metadata.read_only_value is True
    assert "WHOLESALE" in [option.value for option in found["industry"].options]


def test_a_custom_property_can_be_written_once_it_exists(client, web):
    made = {"properties": {"name": "A", "erp_number": "C-1"}}
    assert web("POST", "/crm/v3/objects/companies", made).status_code == 400
    client.crm.properties.core_api.create("companies", definition("erp_number"))
    assert web("POST", "/crm/v3/objects/companies", made).status_code == 201


def test_options_of_an_enumeration_are_enforced_by_value_and_several_are_joined(client, web):
    options = [
        {"label": label, "value": value, "hidden": False} for label, value in (("Red", "r"), ("Blue", "b"))
    ]
    colours = definition("colours", type="enumeration", field_type="checkbox", options=options)
    client.crm.properties.core_api.create("products", colours)
    answers = {
        value: web("POST", "/crm/v3/objects/products", {"properties": {"colours": value}}).status_code
        for value in ("r", "r;b", "Red", "r;x")
    }
    assert answers == {"r": 201, "r;b": 201, "Red": 400, "r;x": 400}


def test_uniqueness_is_chosen_at_creation_and_never_after(client, web):
    client.crm.properties.core_api.create("companies", definition("erp_id"))
    changed = web("PATCH", "/crm/v3/properties/companies/erp_id", {"hasUniqueValue": True})
    assert changed.status_code == 400


def test_an_object_has_ten_unique_properties_at_most(client):
    for n in range(10):
        client.crm.properties.core_api.create("deals", definition(f"key_{n}", has_unique_value=True))
    with pytest.raises(ApiException) as caught:
        client.crm.properties.core_api.create("deals", definition("key_10", has_unique_value=True))
    assert json.loads(caught.value.body)["category"] == "VALIDATION_ERROR"


def test_products_take_no_unique_property(client):
    with pytest.raises(ApiException):
        client.crm.properties.core_api.create("products", definition("erp_id", has_unique_value=True))


def test_a_property_that_exists_is_not_made_twice(client):
    client.crm.properties.core_api.create("companies", definition("erp_id"))
    with pytest.raises(ApiException) as caught:
        client.crm.properties.core_api.create("companies", definition("erp_id"))
    assert caught.value.status == 409


def test_a_property_is_changed_and_archived(client):
    api = client.crm.properties.core_api
    api.create("companies", definition("erp_id"))
    assert api.update("companies", "erp_id", PropertyUpdate(label="Number")).label == "Number"
    api.archive("companies", "erp_id")
    with pytest.raises(ApiException) as caught:
        api.get_by_name("companies", "erp_id")
    assert caught.value.status == 404
    assert api.get_by_name("companies", "erp_id", archived=True).archived is True


def test_a_batch_read_of_properties_names_those_that_are_missing(client):
    asked = BatchReadInputPropertyName(archived=False, inputs=[{"name": "name"}, {"name": "nonsense"}])
    answer = client.crm.properties.batch_api.read("companies", asked)
    assert [each.name for each in answer.results] == ["name"]
    assert "nonsense" in answer.errors[0].message


def test_the_stages_of_the_default_pipeline_say_which_one_means_won(client):
    pipeline = client.crm.pipelines.pipelines_api.get_all("deals").results[0]
    won = [each.id for each in pipeline.stages if each.metadata == {"isClosed": "true", "probability": "1.0"}]
    assert (pipeline.id, won) == ("default", ["closedwon"])
    seen = client.crm.properties.core_api.get_by_name("deals", "dealstage")
    assert "closedwon" in [option.value for option in seen.options]


def test_a_second_pipeline_has_numbers_for_ids_and_its_own_won_stage(client, simulator):
    stages = [
        PipelineStageInput(label=label, display_order=n, metadata={"probability": probability})
        for n, (label, probability) in enumerate([("Talking", "0.5"), ("Ordered", "1.0")])
    ]
    made = client.crm.pipelines.pipelines_api.create(
        "deals", PipelineInput(label="Spare parts", display_order=1, stages=stages)
    )
    assert all(each.id.isdigit() for each in (made, *made.stages))
    person = simulator.account.person()
    deal = person.create("deals", {"dealname": "A"})
    moved = person.move(deal["id"], "Ordered", made.id)
    assert moved["properties"]["hs_is_closed_won"] == "true"


@pytest.mark.parametrize("metadata", [{}, {"probability": "likely"}, {"probability": "1.5"}])
def test_a_deal_stage_without_a_sound_probability_is_refused(web, metadata):
    stage = {"label": "Won", "displayOrder": 9, "metadata": metadata}
    assert web("POST", "/crm/v3/pipelines/deals/default/stages", stage).status_code == 400


def test_owners_are_listed_and_read(client):
    owners = client.crm.owners.owners_api.get_page().results
    assert client.crm.owners.owners_api.get_by_id(owners[0].id).email == owners[0].email
