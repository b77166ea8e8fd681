"""Which record HubSpot's news lead to: those of contacts, addresses, links and custom objects among them.

The receiver asks nobody, so what it cannot know it passes on as a pointer, and a worker follows that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sync_workers.connectors.contract import Notice, Request
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.sandbox.hubspot.person import Person
from tests.contract.harness_hubspot import Harness

COMPANY, CONTACT, DEAL, LINE, INVOICE, PRODUCT = "0-2", "0-1", "0-3", "0-8", "0-53", "0-7"
CUSTOM = "2-101"


def news(crm: HubspotConnector, **event: Any) -> list[tuple[str, str]]:
    body = json.dumps([{"occurredAt": 1764000000000, "objectId": 42, **event}]).encode()
    request = Request("POST", "https://www.example.com/webhook_uri", {}, body, datetime.now(UTC))
    return [(notice.kind, notice.external_id) for notice in crm.events(request)]


def linked(source: str, target: str) -> dict[str, Any]:
    return {"subscriptionType": "object.associationChange", "fromObjectTypeId": source, "toObjectTypeId": target,
            "fromObjectId": 1, "toObjectId": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"subscriptionType": "contact.propertyChange", "propertyName": "phone"}, [("customer_contact", "42")]),
        ({"subscriptionType": "contact.deletion"}, [("customer_contact", "42")]),
        ({"subscriptionType": "object.propertyChange", "objectTypeId": CUSTOM}, [("custom_record", "2-101/42")]),
        ({"subscriptionType": "object.creation", "objectTypeId": INVOICE}, [("invoice", "42")]),
        ({"subscriptionType": "object.creation", "objectTypeId": "0-46"}, []),
        ({"subscriptionType": "object.creation", "objectTypeId": ""}, []),
    ],
    ids=str,
)
def test_news_of_a_record_lead_to_what_it_is_or_hangs_on(
    crm: HubspotConnector, event: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert news(crm, **event) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((DEAL, COMPANY), [("order", "1")]),
        ((LINE, DEAL), [("order", "2")]),
        ((COMPANY, CONTACT), [("customer", "1")]),
        ((CONTACT, COMPANY), [("customer", "2")]),
        ((DEAL, CUSTOM), [("order", "1"), ("custom_record", "2-101/2")]),
        ((CUSTOM, COMPANY), [("custom_record", "2-101/1"), ("customer", "2")]),
        ((INVOICE, DEAL), [("invoice", "1")]),
        ((DEAL, CONTACT), []),
        ((COMPANY, COMPANY), []),
        ((DEAL, PRODUCT), []),
        (("0-46", DEAL), []),
    ],
    ids=str,
)
def test_a_link_is_news_of_the_records_that_show_it(
    crm: HubspotConnector, ends: tuple[str, str], expected: list[tuple[str, str]]
) -> None:
    assert news(crm, **linked(*ends)) == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("COMPANY_TO_CONTACT", [("customer", "1")]),
        ("CONTACT_TO_COMPANY", [("customer", "2")]),
        ("LINE_ITEM_TO_DEAL", [("order", "2")]),
        ("COMPANY_TO_DEAL", [("order", "2")]),
        ("DEAL_TO_TICKET", []),
    ],
)
def test_the_older_events_name_both_ends_in_words(
    crm: HubspotConnector, named: str, expected: list[tuple[str, str]]
) -> None:
    event = {"subscriptionType": "company.associationChange", "objectId": None, "associationType": named}
    assert news(crm, **event, fromObjectId=1, toObjectId=2) == expected


def test_news_that_no_sheet_needs_lead_nowhere(hub: Harness) -> None:
    crm = HubspotConnector(hub.settings(), {"customer": ("properties.name",), "order": ("properties.dealname",)})
    assert news(crm, subscriptionType="contact.propertyChange", propertyName="phone") == []
    assert news(crm, subscriptionType="object.propertyChange", objectTypeId=CUSTOM) == []
    assert news(crm, **linked(COMPANY, CONTACT)) == []
    assert news(crm, **linked(DEAL, CUSTOM)) == []
    assert news(crm, **linked(DEAL, COMPANY)) == [("order", "1")]


# -- following a pointer


def test_a_contact_leads_to_its_primary_company(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    first, second = (person.create("companies", {"name": name})["id"] for name in "AB")
    contact = person.create("contacts", {"lastname": "C"}, [("companies", second), ("companies", first)])["id"]
    assert crm.parent_of("customer_contact", contact) == ("customer", second)
    person.unlink("contacts", contact, "companies", second)
    person.unlink("contacts", contact, "companies", first)
    assert crm.parent_of("customer_contact", contact) is None
    assert crm.parent_of("customer_contact", "404") is None


def test_a_record_of_a_custom_object_leads_to_its_kind_or_its_customer(hub: Harness, crm: HubspotConnector) -> None:
    types = hub.simulator.account.types
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    address = person.create("addresses", {"street": "x"}, [("companies", company)])["id"]
    place, parcels = types.named("addresses").type_id, types.named("shipments").type_id
    assert crm.parent_of("custom_record", f"{place}/{address}") == ("customer", company)
    assert crm.parent_of("custom_record", f"{parcels}/7") == ("shipment", "7")
    assert crm.parent_of("custom_record", "2-999/7") is None


@pytest.mark.parametrize("part", ["contacts", "addresses"])
def test_one_that_was_deleted_still_leads_to_the_customer_it_hung_on(
    hub: Harness, crm: HubspotConnector, part: str
) -> None:
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    record = person.create(part, {"street": "x"} if part == "addresses" else {"lastname": "x"},
                           [("companies", company)])["id"]  # fmt: skip
    person.delete(part, record)
    type_id = hub.simulator.account.types.named(part).type_id
    pointer = ("custom_record", f"{type_id}/{record}") if part == "addresses" else ("customer_contact", record)
    assert crm.parent_of(*pointer) == ("customer", company)


# -- the account's own deliveries


Told = Callable[[Callable[[Person], Any]], set[tuple[str, str]]]


@pytest.fixture
def told(hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Return what the account delivers about something that a person does, as the receiver reads it."""
    account = hub.simulator.account

    def listen(act: Callable[[Person], Any]) -> set[tuple[str, str]]:
        events: list[dict[str, Any]] = []
        monkeypatch.setattr(account.delivery, "put", events.append)
        act(account.person())
        monkeypatch.undo()
        request = Request("POST", "https://www.example.com/hooks", {}, json.dumps(events).encode(), datetime.now(UTC))
        return {(notice.kind, notice.external_id) for notice in crm.events(request)}

    return listen


@pytest.fixture
def trade(hub: Harness) -> dict[str, str]:
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    return {
        "company": company,
        "contact": person.create("contacts", {"lastname": "C"}, [("companies", company)])["id"],
        "address": person.create("addresses", {"street": "x"}, [("companies", company)])["id"],
        "deal": person.create("deals", {"dealname": "D"}, [("companies", company)])["id"],
    }


def test_what_doctor_subscribed_to_arrives(told: Told, trade: dict[str, str]) -> None:
    company, contact, deal, address = (trade[name] for name in ("company", "contact", "deal", "address"))
    customer, order = ("customer", company), ("order", deal)
    assert told(lambda p: p.edit("contacts", contact, {"phone": "7"})) == {("customer_contact", contact)}
    assert told(lambda p: p.unlink("contacts", contact, "companies", company)) == {customer}
    assert told(lambda p: p.edit("companies", company, {"zip": "7"})) == {customer}
    assert order in told(lambda p: p.link("deals", deal, "addresses", address, "Ship to"))
    assert order in told(lambda p: p.unlink("deals", deal, "addresses", address, "Ship to"))
    assert told(lambda p: p.edit("addresses", address, {"street": "y"})) == set(), "that is polled"


def test_a_private_app_that_subscribed_to_addresses_hears_of_them_at_once(
    hub: Harness, crm: HubspotConnector, told: Told, trade: dict[str, str]
) -> None:
    hub.simulator.account.subscribe("object.propertyChange", "street", object_type="addresses")
    (pointer,) = told(lambda p: p.edit("addresses", trade["address"], {"street": "z"}))
    assert crm.parent_of(*pointer) == ("customer", trade["company"])


def test_an_echo_of_our_own_link_is_marked(crm: HubspotConnector) -> None:
    event = {**linked(DEAL, CUSTOM), "occurredAt": 1, "changeSource": "INTEGRATION", "sourceId": "54321"}
    body = json.dumps([event]).encode()
    request = Request("POST", "https://www.example.com/webhook_uri", {}, body, datetime.now(UTC))
    notices: list[Notice] = crm.events(request)
    assert [notice.echo for notice in notices] == [True, True]
    again = crm.events(replace(request, body=json.dumps([{**event, "associationTypeId": 9}]).encode()))
    assert {notice.key for notice in again} != {notice.key for notice in notices}, "another label is other news"
