"""Customers in HubSpot: a company's own address, address records beside it, and its people."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, ListChange, Native, NativeWrite
from sync_workers.connectors.hubspot import polling
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.errors import Hold, PermanentError, TransientError
from sync_workers.sandbox.hubspot import Account, association_api, batches, routes, start
from sync_workers.sandbox.hubspot.wire import Refusal, Reply
from tests.contract.harness_hubspot import SECRET, TOKEN, Harness

FIELDS = ("key", "street", "postal_code", "city", "country", "main")


def customer(hub: Harness, crm: HubspotConnector) -> Native:
    return crm.write(hub.creation("customer"))


def edit(crm: HubspotConnector, company: str, **change: Any) -> Native:
    """Send edits of the addresses."""
    return crm.write(NativeWrite("customer", company, {"addresses": ListChange(**change)}, reference="r"))


def seen(native: Native | None) -> list[tuple[Any, ...]]:
    assert native is not None
    return [tuple(item[name] for name in FIELDS) for item in native.fields["addresses"]]


# -- addresses


def test_a_company_shows_its_own_address_and_then_those_that_are_linked(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A", "address": "Quay 1", "address2": "Gate 4", "city": "Gent"})["id"]
    other = person.create("addresses", {"street": "Dock 9", "shipping": "true"}, [("companies", company)])["id"]
    named = person.create("addresses", {"city": "Lier", "address_key": "erp:7"}, [("companies", company)])["id"]
    own, first, second = crm.read("customer", company).fields["addresses"]  # type: ignore[union-attr]
    assert own == {
        "id": "main", "key": "main", "name": None, "street": "Quay 1\nGate 4", "postal_code": None, "city": "Gent",
        "country": None, "billing": "true", "shipping": "true", "main": True,
    }  # fmt: skip
    assert (first["id"], first["key"], first["shipping"], first["main"]) == (other, other, "true", False)
    assert (second["id"], second["key"], second["city"]) == (named, "erp:7", "Lier")


def test_a_version_tells_a_change_of_all_that_is_shown_and_of_nothing_else(hub: Harness, crm: HubspotConnector) -> None:
    """So that a poll knows what comes again: HubSpot's stamp says nothing of addresses and contacts."""
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A", "address": "Quay 1"})["id"]
    other = person.create("addresses", {"street": "Dock 9"}, [("companies", company)])["id"]

    def version() -> str | None:
        found = crm.read_many("customer", [company])[company]
        assert found == crm.read("customer", company)
        return found.version

    versions = [version()]
    person.edit("companies", company, {"industry": "MACHINERY"})
    assert version() == versions[0]
    for name, record, change in (
        ("companies", company, {"name": "B"}), ("companies", company, {"city": "Gent"}),
        ("addresses", other, {"street": "Dock 10"}),
    ):  # fmt: skip
        person.edit(name, record, change)
        versions.append(version())
    assert len(set(versions)) == 4


def test_a_company_without_an_address_of_its_own_has_no_main_one(hub: Harness, crm: HubspotConnector) -> None:
    company = hub.simulator.account.person().create("companies", {"name": "A"})["id"]
    assert seen(crm.read("customer", company)) == []


def test_the_main_address_of_a_new_customer_becomes_the_companys_own(hub: Harness, crm: HubspotConnector) -> None:
    made = customer(hub, crm)
    company = hub.simulator.account.person().see("companies", made.id)
    assert company["properties"]["zip"] == "50667"
    assert len(company["links"]["addresses"]) == 1
    assert [item["key"] for item in made.fields["addresses"]] == ["main", "k2"]


def test_addresses_are_added_changed_and_removed_by_their_ids(hub: Harness, crm: HubspotConnector) -> None:
    made = customer(hub, crm)
    own, other = (item["id"] for item in made.fields["addresses"])
    shown = edit(
        crm,
        made.id,
        add=(("erp:9", {"key": "erp:9", "street": "Mole 3", "billing": True}),),
        change=((own, {"street": "Hafen 2\nTor 1\nHof", "city": None}), (other, {"country": "Belgium"})),
    )
    assert seen(shown) == [
        ("main", "Hafen 2\nTor 1, Hof", "50667", None, "Germany", True),
        ("k2", "Am Kai 1\nHalle 7", None, "Bonn", "Belgium", False),
        ("erp:9", "Mole 3", None, None, None, False),
    ]
    assert seen(edit(crm, made.id, remove=(own, other))) == [("erp:9", "Mole 3", None, None, None, False)]
    people = hub.simulator.account.person()
    assert people.see("addresses", other)["archived"] is True, "an address is archived, so that it can come back"
    assert not people.see("companies", made.id)["properties"].get("address")


def test_an_added_main_address_fills_an_empty_company_and_otherwise_stands_beside(
    hub: Harness, crm: HubspotConnector
) -> None:
    company = hub.simulator.account.person().create("companies", {"name": "A"})["id"]
    added = ("erp:1", {"key": "erp:1", "street": "Quay 1", "main": True, "billing": True, "shipping": False})
    (own,) = edit(crm, company, add=(added,)).fields["addresses"]
    assert (own["id"], own["key"], own["billing"], own["shipping"]) == ("main", "erp:1", "true", "false")
    shown = edit(crm, company, add=(("erp:2", {"key": "erp:2", "street": "Dock 9", "main": True}),))
    assert [(item["key"], item["main"]) for item in shown.fields["addresses"]] == [("erp:1", True), ("erp:2", False)]


def test_which_address_is_the_main_one_is_not_for_others_to_say(hub: Harness, crm: HubspotConnector) -> None:
    made = customer(hub, crm)
    with pytest.raises(PermanentError) as caught:
        edit(crm, made.id, change=((made.fields["addresses"][1]["id"], {"main": True}),))
    assert caught.value.field == "addresses.main"


def test_an_update_without_addresses_asks_for_nothing_more(hub: Harness, crm: HubspotConnector) -> None:
    made = customer(hub, crm)
    account = hub.simulator.account
    before = len(account.request_log)
    crm.write(NativeWrite("customer", made.id, {"properties": {"phone": "1"}}, reference="r"))
    sent = [row["method"] + row["path"].rpartition("/")[2] for row in list(account.request_log)[before:]]
    assert sent == [f"PATCH{made.id}", f"GET{made.id}", "POSTread"]


# -- contacts


def test_the_people_of_a_company_are_shown_and_never_written(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    people = [
        {"firstname": "Ada", "lastname": "Byron", "email": "ada@example.com", "mobilephone": "17"},
        {"lastname": "Noble", "phone": "18", "mobilephone": "19"},
        {"email": "office@example.com"},
    ]
    ids = [person.create("contacts", each, [("companies", company)])["id"] for each in people]
    read = crm.read("customer", company)
    assert read is not None
    assert read.fields["contacts"] == [
        {"id": ids[0], "name": "Ada Byron", "email": "ada@example.com", "phone": "17"},
        {"id": ids[1], "name": "Noble", "email": None, "phone": "18"},
        {"id": ids[2], "name": None, "email": "office@example.com", "phone": None},
    ]
    person.delete("contacts", ids[0])
    assert [each["id"] for each in crm.read_many("customer", [company])[company].fields["contacts"]] == ids[1:]
    assert all(field.read_only for path, field in crm.describe("customer").items() if path.startswith("contacts"))


# -- many at once


def test_many_customers_are_read_whole_in_a_few_calls(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    made = [customer(hub, crm) for _ in range(12)]
    for each in made:
        person.create("contacts", {"lastname": each.id}, [("companies", each.id)])
    single = {each.id: crm.read("customer", each.id) for each in made}
    account = hub.simulator.account
    before = len(account.request_log)
    assert crm.read_many("customer", [each.id for each in made]) == single
    assert len(account.request_log) - before == 5  # companies, links and records of both lists


def test_a_company_with_more_people_than_a_page_lists_is_whole(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    company = person.create("companies", {"name": "A"})["id"]
    for number in range(9):
        person.create("contacts", {"lastname": str(number)}, [("companies", company)])
    hub.simulator.account.settings.inline_associations = 4
    try:
        read = crm.read("customer", company)
    finally:
        hub.simulator.account.settings.inline_associations = 100
    assert read is not None
    assert [each["name"] for each in read.fields["contacts"]] == [str(number) for number in range(9)]


@pytest.mark.parametrize("answer", [batches.read, association_api.batch_read], ids=["records", "links"])
def test_a_batch_that_was_read_in_part_does_not_look_as_if_addresses_were_gone(
    hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    made = customer(hub, crm)

    def partly(account: Account, *_: Any) -> Reply:
        return batches.answer(account, 200, [], [Refusal(500, "INTERNAL_ERROR", "try again").row()])

    table = tuple(replace(route, answer=partly) if route.answer is answer else route for route in routes.ROUTES)
    monkeypatch.setattr(routes, "ROUTES", table)
    with pytest.raises(TransientError):
        crm.read_many("customer", [made.id])


# -- polling


def test_an_edited_address_is_news_of_its_company(
    hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = customer(hub, crm), customer(hub, crm)
    start_at = Cursor(datetime.now(UTC) + timedelta(minutes=1))
    account, person = hub.simulator.account, hub.simulator.account.person()
    monkeypatch.setattr(account, "now_ms", lambda: round(time.time() * 1000) + 120_000)
    person.edit("addresses", made.fields["addresses"][1]["id"], {"city": "Aachen"})
    person.edit("companies", other.id, {"phone": "1"})
    hub.wait_for_index()
    news = [notice.external_id for notice in crm.changes("customer", start_at).notices]
    assert news == [other.id, made.id]


def test_companies_and_addresses_with_one_stamp_are_all_seen(
    hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, person = hub.simulator.account, hub.simulator.account.person()
    old = person.create("companies", {"name": "Old"})["id"]
    monkeypatch.setattr(account, "now_ms", lambda: 1_700_000_000_000)
    companies = {person.create("companies", {"name": str(n)})["id"] for n in range(7)}
    for _ in range(8):
        person.create("addresses", {"street": "x"}, [("companies", old)])
    monkeypatch.undo()
    monkeypatch.setattr(polling, "PAGE", 3)
    hub.wait_for_index()
    cursor, seen_ids, calls = Cursor(datetime.fromtimestamp(1_699_999_999, UTC)), [], 0
    while True:
        page = crm.changes("customer", cursor)
        seen_ids += [notice.external_id for notice in page.notices]
        cursor, calls = page.cursor, calls + 1
        assert calls < 60
        if not page.more:
            break
    assert companies | {old} <= set(seen_ids)


def test_nothing_is_passed_over_where_one_object_fills_its_page_and_the_other_does_not(
    hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, person = hub.simulator.account, hub.simulator.account.person()
    owner = person.create("companies", {"name": "Owner"})["id"]
    stamps = iter(range(1_600_000_000_000, 1_600_000_100_000, 1_000))
    ticking = [next(stamps)]
    monkeypatch.setattr(account, "now_ms", lambda: ticking[0])
    wanted = set()
    for number in range(9):
        ticking[0] = next(stamps)
        wanted.add(person.create("companies", {"name": str(number)})["id"])
        if number in (0, 8):
            ticking[0] = next(stamps)
            person.create("addresses", {"street": "x"}, [("companies", owner)])
    monkeypatch.undo()
    monkeypatch.setattr(polling, "PAGE", 3)
    hub.wait_for_index()
    cursor, seen_ids = Cursor(datetime.fromtimestamp(1_599_999_999, UTC)), []
    for _ in range(60):
        page = crm.changes("customer", cursor)
        seen_ids += [notice.external_id for notice in page.notices]
        assert page.cursor.at is not None
        if page.cursor.at > datetime.fromtimestamp(1_600_000_200, UTC):
            break
        cursor = page.cursor
    assert wanted <= set(seen_ids)
    assert seen_ids.count(owner) >= 2


# -- accounts that lack something


@pytest.fixture
def poor() -> Any:
    """An account without custom objects."""
    hub = Harness()
    hub.simulator = start(token=TOKEN, client_secret=SECRET, custom_objects=0)
    yield hub
    hub.stop()


def test_without_the_object_a_customer_is_held_rather_than_read_without_its_addresses(poor: Harness) -> None:
    company = poor.simulator.account.person().create("companies", {"name": "A", "city": "Gent"})["id"]
    with pytest.raises(Hold) as caught:
        poor.build(poor.settings()).read("customer", company)
    assert (caught.value.code, caught.value.recheck is not None) == ("object_missing", True)
    assert 'addresses = "own"' in caught.value.mend


def test_an_account_may_say_that_companies_have_their_own_address_only(poor: Harness) -> None:
    settings = poor.settings()
    crm = poor.build(replace(settings, options={**settings.options, "addresses": "own"}))
    company = poor.simulator.account.person().create("companies", {"name": "A", "city": "Gent"})["id"]
    change = ListChange(change=(("main", {"city": "Lier"}),))
    shown = crm.write(NativeWrite("customer", company, {"addresses": change}, reference="r"))
    assert [item["city"] for item in shown.fields["addresses"]] == ["Lier"]
    second = ListChange(add=(("erp:2", {"key": "erp:2", "city": "Mol"}),))
    with pytest.raises(PermanentError) as caught:
        crm.write(NativeWrite("customer", company, {"addresses": second}, reference="r"))
    assert caught.value.field == "addresses"
    assert not any("schemas" in row["path"] for row in poor.simulator.account.request_log)
