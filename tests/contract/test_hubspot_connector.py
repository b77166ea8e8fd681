"""What the HubSpot connector promises beyond the shared contract, against the simulated account."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from sync_workers.connectors.contract import Cursor, ListChange, NativeWrite, Request, SystemSettings
from sync_workers.connectors.hubspot import polling, webhooks
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.connectors.hubspot.refusals import until_midnight
from sync_workers.errors import Exists, Hold, PermanentError, Refused, SystemDown, Throttled, Unsure
from sync_workers.sandbox.hubspot import start
from tests.contract.harness_hubspot import SECRET, TOKEN, Harness

NOTE = "On credit hold since Monday"
VECTOR_SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
B1 = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
    b'"changeFlag":"NEW","appId":54321}]'
)


def order(hub: Harness, crm: HubspotConnector, **more: Any) -> Any:
    return crm.write(replace(hub.creation("order"), **more))


def event(**given: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "subscriptionId": 12345,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": 1764000000000,
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": 42,
        "changeSource": "CRM_UI",
        "sourceId": "userId:1",
        **given,
    }


def request(events: Any, headers: dict[str, str] | None = None) -> Request:
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    return Request("POST", "https://www.example.com/webhook_uri", headers or {}, body, datetime.now(UTC))


# -- deals as orders


def test_a_deal_shows_its_company_its_lines_and_whether_it_is_won(
    hub: Harness, crm: HubspotConnector
) -> None:
    deal = order(hub, crm)
    assert deal.fields["won"] is False
    assert len(deal.fields["associations"]["companies"]) == 1
    assert [line["properties"]["hs_sku"] for line in deal.fields["line_items"]] == ["P-1", "P-2"]
    hub.simulator.account.person().move(deal.id, "closedwon")
    won = crm.read("order", deal.id)
    assert won is not None
    assert won.fields["won"] is True


def test_the_won_stages_may_be_named(hub: Harness) -> None:
    settings = hub.settings()
    named = hub.build(replace(settings, options={**settings.options, "won_stages": ["contractsent"]}))
    deal = named.write(hub.creation("order"))
    hub.simulator.account.person().move(deal.id, "contractsent")
    read = named.read("order", deal.id)
    assert read is not None
    assert read.fields["won"] is True


def test_lines_are_added_changed_and_removed_by_their_ids(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    first, second = (line["id"] for line in deal.fields["line_items"])
    change = ListChange(
        add=(("new", {"properties": {"hs_sku": "P-3", "quantity": "7"}}),),
        change=((first, {"properties": {"quantity": "5"}}),),
        remove=(second,),
    )
    shown = crm.write(NativeWrite("order", deal.id, {"line_items": change}, reference="r"))
    assert {
        (line["properties"]["hs_sku"], line["properties"]["quantity"]) for line in shown.fields["line_items"]
    } == {("P-1", "5"), ("P-3", "7")}


def test_an_order_of_many_lines_is_whole(hub: Harness, crm: HubspotConnector) -> None:
    lines = ListChange(add=tuple((str(n), {"properties": {"hs_sku": f"P-{n}"}}) for n in range(230)))
    deal = order(hub, crm, fields={"properties": {"dealname": "long"}, "line_items": lines})
    assert {line["properties"]["hs_sku"] for line in deal.fields["line_items"]} == {
        f"P-{n}" for n in range(230)
    }


def test_many_orders_are_read_whole_in_a_few_calls(hub: Harness) -> None:
    unlabelled = [path for path in Harness.paths["order"] if path not in ("bill_to", "ship_to")]
    crm = HubspotConnector(hub.settings(), {"order": unlabelled})
    orders = [order(hub, crm) for _ in range(7)]
    single = {each.id: crm.read("order", each.id) for each in orders}
    account = hub.simulator.account
    before = len(account.request_log)
    assert crm.read_many("order", [each.id for each in orders]) == single
    assert len(account.request_log) - before <= 4


def test_without_its_unique_property_a_create_is_held_before_anything_is_sent(hub: Harness) -> None:
    fresh = Harness()
    fresh.simulator = start(token=TOKEN, client_secret=SECRET)
    try:
        crm = fresh.build(fresh.settings())
        with pytest.raises(Hold) as caught:
            crm.write(fresh.creation("customer"))
        assert "doctor --fix" in caught.value.mend
        crm.examine({"customer": Harness.paths["customer"]}, fix=True)
        assert crm.write(fresh.creation("customer")).fields["properties"]["city"] == "Köln"
    finally:
        fresh.stop()


def test_the_company_of_a_deal_is_replaced(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    other = hub.simulator.account.person().create("companies", {"name": "Other"})["id"]
    shown = crm.write(NativeWrite("order", deal.id, {"associations": {"companies": [other]}}, reference="r"))
    assert shown.fields["associations"]["companies"] == [other]


def test_a_deal_whose_lines_could_not_be_added_is_unsure_and_found_by_its_reference(
    hub: Harness, crm: HubspotConnector
) -> None:
    hub.simulator.account.faults.install("error", "/line_items/batch/create", method="POST")
    write = hub.creation("order")
    with pytest.raises(Unsure):
        crm.write(write)
    (found,) = crm.find("order", "properties.sync_reference", write.reference)
    assert found.fields["line_items"] == []


def test_a_refused_line_of_a_new_deal_does_not_close_the_attempt(hub: Harness, crm: HubspotConnector) -> None:
    bad = ListChange(add=(("1", {"properties": {"quantity": "many"}}),))
    write = hub.creation("order")
    with pytest.raises(Unsure):
        crm.write(replace(write, fields={**write.fields, "line_items": bad}))
    (found,) = crm.find("order", "properties.sync_reference", write.reference)
    with pytest.raises(PermanentError):
        crm.write(NativeWrite("order", found.id, {"line_items": bad}, reference="r"))


def test_a_second_create_with_our_reference_names_the_first(hub: Harness, crm: HubspotConnector) -> None:
    write = hub.creation("customer")
    first = crm.write(write)
    with pytest.raises(Exists) as caught:
        crm.write(write)
    assert caught.value.external_id == first.id


def test_a_note_is_put_on_the_deal(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    crm.write(NativeWrite("order", deal.id, {}, reference="r", action="note", note=NOTE))
    notes = hub.simulator.account.person().see_all("notes")
    assert any(note["properties"].get("hs_note_body") == NOTE for note in notes)


def test_an_order_line_leads_to_its_order(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    line = deal.fields["line_items"][0]["id"]
    assert crm.parent_of("order_line", line) == ("order", deal.id)
    assert crm.parent_of("order_line", "999") is None


def test_a_merged_company_is_read_under_its_new_id(hub: Harness, crm: HubspotConnector) -> None:
    one, two = (crm.write(hub.creation("customer")).id for _ in range(2))
    merged = hub.simulator.account.person().merge("companies", one, two)["id"]
    read = crm.read("customer", two)
    assert read is not None
    assert read.id == merged
    assert crm.read_many("customer", [one])[one].id == merged


def test_a_part_is_found_by_its_exact_number(hub: Harness, crm: HubspotConnector) -> None:
    part = crm.write(hub.creation("part"))
    hub.wait_for_index()
    number = part.fields["properties"]["hs_sku"]
    assert [found.id for found in crm.find("part", "properties.hs_sku", number)] == [part.id]
    assert crm.find("part", "properties.hs_sku", number.lower()) == []


# -- polling


def test_more_changes_with_one_stamp_than_a_page_holds_are_all_seen(
    hub: Harness, crm: HubspotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "PAGE", 3)
    monkeypatch.setattr(hub.simulator.account, "now_ms", lambda: 1_700_000_000_000)
    ids = {crm.write(hub.creation("part")).id for _ in range(10)}
    monkeypatch.undo()
    monkeypatch.setattr(polling, "PAGE", 3)
    hub.wait_for_index()
    cursor, seen = Cursor(datetime.fromtimestamp(1_699_999_999, UTC)), []
    while True:
        page = crm.changes("part", cursor)
        seen += [notice.external_id for notice in page.notices]
        cursor = page.cursor
        if not page.more:
            break
    assert ids <= set(seen)


# -- deliveries


def test_the_published_signatures_are_accepted() -> None:
    at = datetime.fromtimestamp(1693657560, UTC)
    v3 = {
        "x-hubspot-signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
        "x-hubspot-request-timestamp": "1693657560000",
    }
    verify(replace(request(b"{'example_field':'example_value'}", v3), received_at=at))
    v2 = {
        "x-hubspot-signature": "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        "x-hubspot-signature-version": "v2",
    }
    verify(request(b'{"example_field":"example_value"}', v2))
    v1 = {"x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"}
    verify(request(B1, v1))


def verify(given: Request) -> None:
    webhooks.verify(given, VECTOR_SECRET, "https://www.example.com/webhook_uri")


def test_an_old_signature_does_not_stand_in_for_a_wrong_new_one() -> None:
    v1 = {"x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"}
    with pytest.raises(Refused):
        verify(request(B1, {**v1, "x-hubspot-signature-v3": "wrong", "x-hubspot-request-timestamp": "1"}))


def test_the_events_of_one_save_are_one_notice_with_one_key(crm: HubspotConnector) -> None:
    events = [
        event(propertyName="amount", propertyValue="1"),
        event(propertyName="dealstage", propertyValue="closedwon"),
        event(objectId=43, propertyName="amount", propertyValue="2"),
    ]
    notices = crm.events(request(events))
    assert [(notice.kind, notice.external_id) for notice in notices] == [("order", "42"), ("order", "43")]
    again = crm.events(request([{**each, "attemptNumber": 3, "eventId": 99} for each in events]))
    assert again == notices
    other = crm.events(request([event(propertyName="amount", propertyValue="9")]))
    assert other[0].key != notices[0].key


def test_only_our_own_integrations_changes_are_echoes(crm: HubspotConnector) -> None:
    ours = event(changeSource="INTEGRATION", sourceId="54321")
    theirs = event(changeSource="INTEGRATION", sourceId="777")
    assert crm.events(request([ours]))[0].echo is True
    assert crm.events(request([theirs]))[0].echo is False
    assert crm.events(request([ours, event()]))[0].echo is False


def test_a_merge_names_the_older_ids(crm: HubspotConnector) -> None:
    merge = event(
        subscriptionType="company.merge", objectId=9, primaryObjectId=7, mergedObjectIds=[8], newObjectId=9
    )
    (notice,) = crm.events(request([merge]))
    assert (notice.kind, notice.external_id, set(notice.same_as)) == ("customer", "9", {"7", "8"})


def test_a_line_and_a_link_lead_to_an_order(crm: HubspotConnector) -> None:
    line = event(
        subscriptionType="line_item.propertyChange", objectId=5, propertyName="quantity", propertyValue="2"
    )
    link = event(
        subscriptionType="line_item.associationChange",
        objectId=None,
        associationType="LINE_ITEM_TO_DEAL",
        fromObjectId=5,
        toObjectId=42,
        associationRemoved=True,
    )
    notices = crm.events(request([line, link]))
    assert [(notice.kind, notice.external_id) for notice in notices] == [("order_line", "5"), ("order", "42")]


def test_a_product_is_a_part_and_its_stock(crm: HubspotConnector) -> None:
    generic = event(subscriptionType="object.creation", objectTypeId="0-7", objectId=3)
    assert {notice.kind for notice in crm.events(request([generic]))} == {"part", "stock"}


def test_the_accounts_own_deliveries_are_verified_and_read(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    given = hub.delivery("order", deal.id, datetime.now(UTC))
    assert given is not None
    crm.verify(given)
    with pytest.raises(Refused):
        crm.verify(replace(given, url="http://10.0.0.7:8000/hooks/other"))


# -- limits and credentials


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        (
            {
                "policyName": "TEN_SECONDLY_ROLLING",
                "message": "You have reached your ten_secondly_rolling limit.",
            },
            timedelta(seconds=10),
        ),
        (
            {"policyName": "SECONDLY", "message": "You have reached your secondly limit."},
            timedelta(seconds=1),
        ),
        ({"message": "You have reached your secondly limit."}, timedelta(seconds=1)),
    ],
)
def test_each_limit_has_its_own_wait(body: dict[str, str], wait: timedelta) -> None:
    settings = SystemSettings("crm", "hubspot", "https://api.example", {"token": "pat-token"})
    connector = HubspotConnector(settings, {})
    with responses.RequestsMock() as mocked:
        mocked.get("https://api.example/crm/v3/objects/companies/1", status=429, json=body)
        with pytest.raises(Throttled) as caught:
            connector.read("customer", "1")
    assert caught.value.wait == wait


def test_the_daily_limit_is_waited_out_until_midnight_there() -> None:
    at = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
    assert until_midnight("America/New_York", at) == timedelta(hours=8, minutes=30)


def test_an_access_token_is_fetched_once_and_renewed_when_refused(hub: Harness) -> None:
    account = hub.simulator.account
    options = {
        "client_id": account.settings.client_id,
        "client_secret": SECRET,
        "refresh_token": account.settings.refresh_token,
    }
    crm = hub.build(hub.settings(options=options))
    part = crm.write(hub.creation("part"))
    with account.lock:
        account.tokens.expire_all()
    with pytest.raises(SystemDown):
        crm.read("part", part.id)
    assert crm.read("part", part.id) is not None


def test_a_refused_refresh_token_says_what_to_do(hub: Harness) -> None:
    options = {"client_id": "x", "client_secret": "wrong-secret", "refresh_token": "wrong-refresh"}
    with pytest.raises(SystemDown) as caught:
        hub.build(hub.settings(options=options)).read("part", "1")
    assert "install the app again" in caught.value.mend
    assert "wrong-secret" not in str(caught.value)
