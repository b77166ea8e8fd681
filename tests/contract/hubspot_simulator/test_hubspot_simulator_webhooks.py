"""What the simulator sends, to whom, how it is signed, and how often it tries."""

from __future__ import annotations

import json

import hubspot
import pytest
from hubspot.crm.deals import SimplePublicObjectInput, SimplePublicObjectInputForCreate
from hubspot.utils.signature import Signature
from hubspot.webhooks import (
    BatchInputSubscriptionBatchUpdateRequest,
    SettingsChangeRequest,
    SubscriptionCreateRequest,
    SubscriptionPatchRequest,
    ThrottlingSettings,
)
from hubspot.webhooks.exceptions import ApiException

PLAIN = {
    "eventId",
    "subscriptionId",
    "portalId",
    "appId",
    "occurredAt",
    "subscriptionType",
    "attemptNumber",
    "objectId",
    "changeSource",
    "sourceId",
}


@pytest.fixture
def developer(simulator):
    return hubspot.Client.create(api_key=simulator.account.settings.developer_key, host=simulator.url)


def events_of(receiver):
    return [event for arrival in receiver.arrivals for event in json.loads(arrival.body)]


def sent(simulator, receiver):
    """Return all events delivered once nothing is left to deliver."""
    assert simulator.account.delivery.wait_until_idle()
    return events_of(receiver)


def test_nothing_is_sent_without_an_active_subscription(simulator, receiver, developer):
    simulator.account.person().create("deals", {"dealname": "A"})
    paused = developer.webhooks.subscriptions_api.create(
        54321, SubscriptionCreateRequest(event_type="deal.creation", active=False)
    )
    simulator.account.person().create("deals", {"dealname": "B"})
    assert sent(simulator, receiver) == []
    developer.webhooks.subscriptions_api.update(int(paused.id), 54321, SubscriptionPatchRequest(active=True))
    simulator.account.person().create("deals", {"dealname": "C"})
    assert [event["subscriptionType"] for event in sent(simulator, receiver)] == ["deal.creation"]


def test_a_create_sends_its_creation_and_one_event_for_each_subscribed_property(simulator, receiver, client):
    simulator.account.subscribe("deal.creation")
    simulator.account.subscribe("deal.propertyChange", "dealstage", "amount")
    given = {
        "dealname": "A",
        "dealstage": "closedwon",
        "amount": "12.50",
        "closedate": "2026-11-24T00:00:00Z",
    }
    made = client.crm.deals.basic_api.create(
        SimplePublicObjectInputForCreate(properties=given, associations=[])
    )
    events = {(e["subscriptionType"], e.get("propertyName")): e for e in sent(simulator, receiver)}
    assert set(events) == {
        ("deal.creation", None),
        ("deal.propertyChange", "dealstage"),
        ("deal.propertyChange", "amount"),
    }
    creation, amount = events["deal.creation", None], events["deal.propertyChange", "amount"]
    assert set(creation) == PLAIN | {"changeFlag"}
    assert set(amount) == PLAIN | {"propertyName", "propertyValue"}
    assert (amount["objectId"], amount["propertyValue"], creation["changeFlag"]) == (
        int(made.id),
        "12.50",
        "CREATED",
    )
    assert (amount["portalId"], amount["appId"], amount["attemptNumber"]) == (62515, 54321, 0)


def test_our_own_writes_and_those_of_people_are_told_apart(simulator, receiver, client):
    simulator.account.subscribe("deal.propertyChange", "amount")
    deal = simulator.account.person(7).create("deals", {"dealname": "A", "amount": "1"})
    client.crm.deals.basic_api.update(deal["id"], SimplePublicObjectInput(properties={"amount": "2"}))
    simulator.account.person(8).edit("deals", deal["id"], {"amount": ""})
    told = sorted((e["propertyValue"], e["changeSource"], e["sourceId"]) for e in sent(simulator, receiver))
    assert told == [("", "CRM_UI", "userId:8"), ("1", "CRM_UI", "userId:7"), ("2", "INTEGRATION", "54321")]


def test_a_write_that_changes_nothing_sends_nothing(simulator, receiver):
    simulator.account.subscribe("deal.propertyChange", "amount")
    deal = simulator.account.person().create("deals", {"dealname": "A", "amount": "1"})
    simulator.account.person().edit("deals", deal["id"], {"amount": "1"})
    assert len(sent(simulator, receiver)) == 1


def test_an_instant_is_sent_as_epoch_milliseconds(simulator, receiver):
    simulator.account.subscribe("deal.propertyChange", "closedate")
    simulator.account.person().create("deals", {"dealname": "A", "closedate": "2026-11-24T00:00:00Z"})
    assert [event["propertyValue"] for event in sent(simulator, receiver)] == ["1795478400000"]


def test_deletion_restore_and_merge_are_told(simulator, receiver):
    for change in ("deletion", "restore", "merge"):
        simulator.account.subscribe(f"company.{change}")
    person = simulator.account.person()
    one, two = (
        person.create("companies", each)["id"] for each in ({"name": "A"}, {"name": "B", "city": "Gent"})
    )
    person.delete("companies", one)
    person.restore("companies", one)
    merged = person.merge("companies", one, two)
    events = {event["subscriptionType"]: event for event in sent(simulator, receiver)}
    assert events["company.deletion"]["changeFlag"] == "DELETED"
    assert "company.restore" in events
    merge = events["company.merge"]
    assert (merge["primaryObjectId"], merge["mergedObjectIds"]) == (int(one), [int(two)])
    assert (merge["newObjectId"], merge["numberOfPropertiesMoved"]) == (int(merged["id"]), 1)


def test_a_primary_link_is_told_twice_on_each_side(simulator, receiver):
    for kind in ("deal", "company"):
        simulator.account.subscribe(f"{kind}.associationChange")
    person = simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    deal = person.create("deals", {"dealname": "A"}, [("companies", company)])["id"]
    told = {
        (
            e["associationType"],
            e["fromObjectId"],
            e["toObjectId"],
            e["isPrimaryAssociation"],
            e["associationRemoved"],
        )
        for e in sent(simulator, receiver)
    }
    one, two = int(deal), int(company)
    assert told == {
        (name, source, target, primary, False)
        for name, source, target in (("DEAL_TO_COMPANY", one, two), ("COMPANY_TO_DEAL", two, one))
        for primary in (True, False)
    }


def test_a_generic_subscription_carries_the_object_type(simulator, receiver, developer):
    asked = SubscriptionCreateRequest(event_type="object.creation", object_type_id="0-123", active=True)
    developer.webhooks.subscriptions_api.create(54321, asked)
    simulator.account.person().create("orders", {"hs_order_name": "SO-1"})
    assert [event["objectTypeId"] for event in sent(simulator, receiver)] == ["0-123"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_official_client_accepts_every_signature_of_a_delivery(simulator, receiver, version):
    simulator.account.settings.signature_version = version
    simulator.account.subscribe("company.propertyChange", "name")
    simulator.account.person().create("companies", {"name": "Größe 10 mm"})
    sent(simulator, receiver)
    arrival = receiver.arrivals[0]
    headers, body, secret = arrival.headers, arrival.body.decode(), simulator.account.settings.client_secret
    assert headers["X-HubSpot-Signature-Version"] == version
    stamp, v3 = headers["X-HubSpot-Request-Timestamp"], headers["X-HubSpot-Signature-v3"]
    assert Signature.is_valid(v3, secret, body, receiver.url, "POST", "v3", stamp)
    assert Signature.is_valid(headers["X-HubSpot-Signature"], secret, body, receiver.url, "POST", version)
    assert not Signature.is_valid(v3, "another secret", body, receiver.url, "POST", "v3", stamp)


def test_the_public_url_is_what_is_signed_when_it_differs_from_the_one_called(simulator, receiver):
    public = "https://sync.example.com/hooks/crm"
    simulator.account.settings.signed_url = public
    simulator.account.subscribe("company.creation")
    simulator.account.person().create("companies", {"name": "A"})
    sent(simulator, receiver)
    headers = receiver.arrivals[0].headers
    stamp, v3 = headers["X-HubSpot-Request-Timestamp"], headers["X-HubSpot-Signature-v3"]
    body, secret = receiver.arrivals[0].body.decode(), simulator.account.settings.client_secret
    assert Signature.is_valid(v3, secret, body, public, "POST", "v3", stamp)


def test_a_refused_delivery_is_tried_again_with_its_attempt_number(simulator, receiver):
    simulator.account.settings.webhook_retry_scale = 0.0
    receiver.statuses = [500, 401, 302]
    simulator.account.subscribe("company.creation")
    simulator.account.person().create("companies", {"name": "A"})
    assert [event["attemptNumber"] for event in sent(simulator, receiver)] == [0, 1, 2, 3]


def test_after_ten_retries_a_delivery_is_given_up(simulator, receiver):
    simulator.account.settings.webhook_retry_scale = 0.0
    receiver.statuses = [503] * 11
    simulator.account.subscribe("company.creation")
    simulator.account.person().create("companies", {"name": "A"})
    assert len(sent(simulator, receiver)) == 11
    assert len(simulator.account.delivery.given_up) == 1


def test_a_delivery_that_gets_no_answer_in_time_is_tried_again(simulator, receiver):
    simulator.account.settings.webhook_retry_scale = 0.0
    simulator.account.settings.webhook_timeout_s = 0.2
    receiver.gate.clear()
    simulator.account.subscribe("company.creation")
    simulator.account.person().create("companies", {"name": "A"})
    receiver.wait_for(lambda: len(receiver.arrivals) >= 2)
    receiver.gate.set()
    assert {event["objectId"] for event in sent(simulator, receiver)} == {20_000_000_001}
    assert simulator.account.delivery.log[0].status is None


def test_many_events_travel_in_arrays_of_a_hundred_at_most(simulator, receiver):
    simulator.account.subscribe("company.creation")
    simulator.account.delivery.pause()
    for n in range(250):
        simulator.account.person().create("companies", {"name": str(n)})
    assert simulator.account.delivery.queued() == 250
    simulator.account.delivery.resume()
    ids = [event["objectId"] for event in sent(simulator, receiver)]
    assert len(ids) == len(set(ids)) == 250
    assert max(len(json.loads(arrival.body)) for arrival in receiver.arrivals) == 100


def test_no_more_requests_are_in_flight_than_the_setting_allows(simulator, receiver):
    simulator.account.settings.max_concurrent_requests = 6
    simulator.account.subscribe("company.creation")
    simulator.account.delivery.pause()
    for n in range(1_200):
        simulator.account.person().create("companies", {"name": str(n)})
    receiver.gate.clear()
    simulator.account.delivery.resume()
    receiver.wait_for(lambda: receiver.inside == 6)
    receiver.gate.set()
    assert len(sent(simulator, receiver)) == 1_200
    assert receiver.most_inside <= 6


def test_event_ids_may_repeat_and_deliveries_may_come_twice(simulator, receiver):
    simulator.account.settings.repeated_event_ids = 1.0
    simulator.account.settings.webhook_duplicates = 1.0
    simulator.account.subscribe("company.creation")
    for n in range(3):
        simulator.account.person().create("companies", {"name": str(n)})
    events = sent(simulator, receiver)
    assert len(events) == 6
    assert len({event["eventId"] for event in events}) == 1
    assert len({event["objectId"] for event in events}) == 3


def test_the_target_and_the_subscriptions_are_configured_through_the_api(simulator, receiver, developer):
    api = developer.webhooks.subscriptions_api
    throttling = ThrottlingSettings(max_concurrent_requests=8)
    changed = developer.webhooks.settings_api.configure(
        54321, SettingsChangeRequest(target_url=receiver.url, throttling=throttling)
    )
    assert (changed.target_url, changed.throttling.max_concurrent_requests) == (receiver.url, 8)
    made = api.create(
        54321,
        SubscriptionCreateRequest(event_type="deal.propertyChange", property_name="dealstage", active=False),
    )
    rows = [{"id": int(made.id), "active": True}]
    api.update_batch(54321, BatchInputSubscriptionBatchUpdateRequest(inputs=rows))
    assert [(each.property_name, each.active) for each in api.get_all(54321).results] == [("dealstage", True)]
    api.archive(int(made.id), 54321)
    assert api.get_all(54321).results == []


@pytest.mark.parametrize(
    "asked",
    [
        {"event_type": "deal.propertyChange"},
        {"event_type": "deal.propertyChange", "property_name": "hs_lastmodifieddate"},
        {"event_type": "deal.creation", "property_name": "amount"},
        {"event_type": "object.creation"},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(developer, asked):
    with pytest.raises(ApiException) as caught:
        developer.webhooks.subscriptions_api.create(54321, SubscriptionCreateRequest(active=True, **asked))
    assert caught.value.status == 400


def test_webhooks_are_not_configured_without_the_developer_key(simulator):
    stranger = hubspot.Client.create(api_key="wrong", host=simulator.url)
    with pytest.raises(ApiException) as caught:
        stranger.webhooks.subscriptions_api.get_all(54321)
    assert caught.value.status == 401
