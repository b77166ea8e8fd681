"""What belongs to an order, in a native object of HubSpot or in a custom one, found from deal and company."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors import registry
from sync_workers.connectors.contract import Native, NativeWrite, Variant
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.errors import Exists, Hold, PermanentError, SettingsError, Unsure
from sync_workers.sandbox.hubspot import start
from tests.contract.harness_hubspot import OBJECTS, SECRET, TOKEN, Harness

KINDS = ("shipment", "invoice", "credit_note")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_is_found_from_the_deal_and_from_the_company(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    made = crm.write(hub.creation(kind))
    links = made.fields["associations"]
    person = hub.simulator.account.person()
    for name in ("deals", "companies"):
        (other,) = links[name]
        assert [each["id"] for each in person.associated(name, other, OBJECTS[kind])] == [made.id]


def test_dates_numbers_and_lines_arrive_as_hubspot_keeps_them(hub: Harness, crm: HubspotConnector) -> None:
    shipment, invoice = crm.write(hub.creation("shipment")), crm.write(hub.creation("invoice"))
    assert shipment.fields["properties"]["shipped_on"] == "2026-11-27"
    assert shipment.fields["properties"]["contents"] == "3 box A-1\n12 m HOSE"
    assert (invoice.fields["properties"]["total"], invoice.fields["properties"]["due_date"]) == ("119.00", "2026-12-27")
    values = {"properties": {"total": Decimal("0.001"), "due_date": None}}
    shown = crm.write(NativeWrite("invoice", invoice.id, values, reference="r"))
    assert (shown.fields["properties"]["total"], shown.fields["properties"]["due_date"]) == ("0.001", None)
    hub.simulator.account.person().edit("invoices", invoice.id, {"due_date": "2027-01-31"})
    types = {name: each.type for name, each in crm.describe("invoice").items()}
    assert (types["properties.total"], types["properties.due_date"]) == ("number", "date")


def test_its_deal_is_replaced_and_what_is_not_named_stays(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    made = crm.write(hub.creation(kind))
    other = hub.simulator.account.person().create("deals", {"dealname": "Other"})["id"]
    fields = {"associations": {"deals": [other]}}
    shown = crm.write(NativeWrite(kind, made.id, fields, reference="r"))
    assert shown.fields["associations"] == {
        "deals": [other],
        "companies": made.fields["associations"]["companies"],
    }
    cleared = crm.write(NativeWrite(kind, made.id, {"associations": {"deals": []}}, reference="r"))
    assert cleared.fields["associations"]["deals"] == []


def test_a_reference_is_taken_once(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    assert crm.traits(kind).variant is Variant.T1
    write = hub.creation(kind)
    first = crm.write(write)
    with pytest.raises(Exists) as caught:
        crm.write(write)
    assert caught.value.external_id == first.id


def test_many_are_read_whole_in_three_calls(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    made = [crm.write(hub.creation(kind)) for _ in range(6)]
    account = hub.simulator.account
    before = len(account.request_log)
    found = crm.read_many(kind, [each.id for each in made])
    assert found == {each.id: each for each in made}
    assert len(account.request_log) - before == 3


def test_many_are_created_with_their_links_in_one_call(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    writes = [hub.creation(kind) for _ in range(4)]
    crm.write(hub.creation(kind))  # by now the types of its links are known
    writes[2] = replace(writes[2], reference=writes[0].reference)
    account = hub.simulator.account
    before = len(account.request_log)
    results = crm.write_many(writes)
    sent = [row["path"] for row in list(account.request_log)[before:] if row["method"] == "POST"]
    assert sum(path.endswith("/batch/create") for path in sent) == 1
    assert isinstance(results[2], Exists)
    for at in (0, 1, 3):
        result = results[at]
        assert isinstance(result, Native)
        assert result.fields["associations"] == writes[at].fields["associations"]


def test_an_archived_one_still_shows_what_it_was(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    write = hub.creation(kind)
    made = crm.write(write)
    hub.simulator.account.person().delete(OBJECTS[kind], made.id)
    (found,) = crm.find(kind, "properties.sync_reference", write.reference)
    assert (found.id, found.archived) == (made.id, True)
    read = crm.read(kind, made.id)
    assert read is not None
    assert read.archived


def test_a_refused_link_makes_nothing(hub: Harness, crm: HubspotConnector, kind: str) -> None:
    write = hub.creation(kind)
    write.fields["associations"]["deals"] = ["404"]
    with pytest.raises(PermanentError):
        crm.write(write)
    assert crm.find(kind, "properties.sync_reference", write.reference) == []


def test_the_account_is_asked_once_what_its_custom_objects_are_called(hub: Harness) -> None:
    crm = hub.build(hub.settings())
    account = hub.simulator.account
    before = len(account.request_log)
    for _ in range(3):
        crm.write(hub.creation("shipment"))
        crm.write(hub.creation("credit_note"))
    paths = [row["path"] for row in list(account.request_log)[before:]]
    assert paths.count("/crm-object-schemas/v3/schemas") == 1
    labels = [path for path in paths if path.endswith("/labels")]
    assert len(labels) == len(set(labels)) == 4  # two objects, each to deals and companies


# -- where a kind lives


@pytest.fixture
def poor() -> Any:
    """An account that nobody has set up."""
    hub = Harness()
    hub.simulator = start(token=TOKEN, client_secret=SECRET)
    yield hub
    hub.stop()


def test_a_kind_whose_object_is_missing_is_held_until_doctor_has_defined_it(poor: Harness) -> None:
    crm = poor.build(poor.settings())
    with pytest.raises(Hold) as caught:
        crm.write(poor.creation("shipment"))
    assert (caught.value.code, caught.value.recheck is not None) == ("object_missing", True)
    assert "'shipments'" in caught.value.message
    poor.connector.examine(poor.paths, fix=True)
    fresh = poor.build(poor.settings())
    assert fresh.write(poor.creation("shipment")).fields["properties"]["shipment_number"]


def test_a_kind_may_live_in_an_object_of_the_accounts_own(poor: Harness) -> None:
    paths = {"invoice": ("properties.sync_reference", "properties.bill_number", "associations.deals")}
    crm = registry.build(poor.settings(), paths, {"invoice": "custom:bills"})
    crm.examine(paths, fix=True)
    write = NativeWrite("invoice", None, {"properties": {"bill_number": "7"}}, "ref", "properties.sync_reference")
    assert crm.write(write).fields["properties"]["bill_number"] == "7"
    assert [each["properties"]["bill_number"] for each in poor.simulator.account.person().see_all("bills")] == ["7"]


def test_a_kind_without_a_home_says_what_the_sheet_can_do(poor: Harness) -> None:
    crm = registry.build(poor.settings(), {})
    with pytest.raises(PermanentError) as caught:
        crm.traits("shipment")
    assert "[object]" in caught.value.mend


def test_an_object_that_hubspot_has_not_is_refused_with_the_settings(poor: Harness) -> None:
    with pytest.raises(SettingsError) as caught:
        registry.build(poor.settings(), {}, {"shipment": "parcels"})
    assert "custom:" in caught.value.mend


def test_two_objects_that_cannot_be_linked_hold_the_record(poor: Harness) -> None:
    poor.connector.examine(poor.paths, fix=True)
    account = poor.simulator.account
    type_id = account.types.named("shipments").type_id
    account.associations.undefine(account.associations.plain(type_id, "0-3"))
    with pytest.raises((Hold, Unsure)) as caught:
        poor.build(poor.settings()).write(poor.creation("shipment"))
    assert isinstance(caught.value, Hold), "nothing was sent yet"
    assert caught.value.code == "not_linkable"
