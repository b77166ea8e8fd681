"""What doctor finds in a HubSpot account, what it creates, and what it says where it may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sync_workers.connectors.contract import Finding, ValueType
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.sandbox.hubspot import start
from tests.contract.harness_hubspot import SECRET, TOKEN, Harness

ALL_TYPES = {
    "shipment": {
        "properties.shipped_on": ValueType.DAY,
        "properties.contents": ValueType.BLOCK,
        "properties.weight": ValueType.NUMBER,
        "properties.express": ValueType.TRUTH,
        "properties.left_at": ValueType.INSTANT,
        "properties.carrier": ValueType.TEXT,
    }
}
PATHS = {"shipment": ("properties.sync_reference", "properties.shipment_number", *ALL_TYPES["shipment"])}


@pytest.fixture
def fresh() -> Iterator[Harness]:
    """An account that nobody has set up."""
    hub = Harness()
    hub.simulator = start(token=TOKEN, client_secret=SECRET, developer_key="dev-secret-key")
    yield hub
    hub.stop()


def crm_of(hub: Harness, **options: Any) -> HubspotConnector:
    settings = hub.settings()
    crm = hub.build(replace(settings, options={**settings.options, **options}))
    assert isinstance(crm, HubspotConnector)
    return crm


def wrong(findings: list[Finding]) -> dict[str, str]:
    return {each.what: each.mend for each in findings if not each.ok}


def test_nothing_is_created_unless_it_is_asked_for(fresh: Harness) -> None:
    found = wrong(crm_of(fresh).examine(fresh.paths))
    assert "doctor --fix" in found["the custom object shipments is defined"]
    assert "doctor --fix" in found["the custom object addresses is defined"]
    account = fresh.simulator.account
    assert account.types.customs() == []
    assert account.written_by_api() == 0
    assert account.subscriptions.by_id == {}


def test_a_custom_object_is_defined_with_types_titles_and_its_links(fresh: Harness) -> None:
    crm_of(fresh).examine(PATHS, fix=True, types=ALL_TYPES)
    account = fresh.simulator.account
    made = account.types.named("shipments")
    shapes = {name: (each.type, each.field_type, each.unique)
              for name, each in account.definitions.of(made.type_id).items() if not each.hubspot_defined}  # fmt: skip
    assert shapes == {
        "sync_reference": ("string", "text", True),
        "shipment_number": ("string", "text", False),
        "shipped_on": ("date", "date", False),
        "contents": ("string", "textarea", False),
        "weight": ("number", "number", False),
        "express": ("bool", "booleancheckbox", False),
        "left_at": ("datetime", "date", False),
        "carrier": ("string", "text", False),
    }
    assert made.schema["labels"] == {"singular": "Shipment", "plural": "Shipments"}
    assert made.schema["primaryDisplayProperty"] == "shipment_number"
    assert set(made.searchable) >= {"shipment_number", "carrier"}
    for target in ("0-2", "0-3"):
        assert account.associations.plain(made.type_id, target)


def test_an_object_that_is_there_gets_what_it_lacks(fresh: Harness) -> None:
    crm_of(fresh).examine({"shipment": PATHS["shipment"][:2]}, fix=True)
    account = fresh.simulator.account
    made = account.types.named("shipments")
    account.associations.undefine(account.associations.plain(made.type_id, "0-2"))
    crm = crm_of(fresh)
    found = wrong(crm.examine(PATHS, types=ALL_TYPES))
    assert "shipments can be associated with companies" in found
    assert "shipment: properties.weight exists" in found
    assert wrong(crm.examine(PATHS, fix=True, types=ALL_TYPES)) == {}
    assert account.definitions.get(made.type_id, "weight").type == "number"  # type: ignore[union-attr]
    assert account.associations.plain(made.type_id, "0-2")
    assert wrong(crm.examine(PATHS, types=ALL_TYPES)) == {}


def test_addresses_get_their_object_their_fields_and_their_labels(fresh: Harness) -> None:
    crm_of(fresh).examine(fresh.paths, fix=True, types=fresh.types)
    account = fresh.simulator.account
    place = account.types.named("addresses")
    mine = account.definitions.of(place.type_id)
    assert (mine["billing"].type, mine["street"].field_type, mine["address_key"].unique) == ("bool", "textarea", False)
    for label in ("Bill to", "Ship to"):
        assert account.associations.labelled("0-3", place.type_id, label)
    companies = account.definitions.of("0-2")
    assert (companies["address_billing"].type, companies["address_key"].type) == ("bool", "string")
    assert "line_key" in account.definitions.of("0-8")


def test_a_second_run_finds_everything_and_creates_nothing(fresh: Harness) -> None:
    crm_of(fresh).examine(fresh.paths, fix=True, types=fresh.types)
    account = fresh.simulator.account
    before = len(account.request_log)
    findings = crm_of(fresh).examine(fresh.paths, fix=True, types=fresh.types)
    assert wrong(findings) == {}
    assert not [each.what for each in findings if "(created)" in each.what]
    sent = [row["method"] for row in list(account.request_log)[before:]]
    assert set(sent) == {"GET"}


@pytest.mark.parametrize("lacking", [{"custom_objects": 0}, {"custom_object_scopes": False}], ids=str)
@pytest.mark.parametrize("fix", [True, False])
def test_an_account_that_can_have_no_custom_objects_is_told_so_in_plain_words(
    fresh: Harness, lacking: dict[str, Any], fix: bool
) -> None:
    fresh.simulator.account.settings.change(lacking)
    found = wrong(crm_of(fresh).examine(fresh.paths, fix=fix))
    told = found["the custom object shipments is defined"]
    assert "take [object]" in told
    assert "erp_shipments" in told
    if fix or "custom_object_scopes" in lacking:
        assert "Enterprise" in told
        assert "crm.schemas.custom.write" in told
    assert 'addresses = "own"' in found["the custom object addresses is defined"]
    assert not [what for what in found if what.startswith("shipment:")], "one reason, not one per field"


def test_with_its_own_addresses_only_such_an_account_is_in_order(fresh: Harness) -> None:
    fresh.simulator.account.settings.custom_objects = 0
    paths = {kind: used for kind, used in fresh.paths.items() if kind not in ("shipment", "credit_note")}
    crm = crm_of(fresh, addresses="own")
    assert wrong(crm.examine(paths, fix=True, types=fresh.types)) == {}
    assert wrong(crm.examine(paths, types=fresh.types)) == {}


def test_an_edition_without_labels_is_named(fresh: Harness) -> None:
    fresh.simulator.account.settings.association_labels = False
    found = wrong(crm_of(fresh).examine(fresh.paths, fix=True, types=fresh.types))
    assert set(found) == {f"a deal can be linked to an address as {label!r}" for label in ("Bill to", "Ship to")}
    assert all("Professional" in mend for mend in found.values())


def test_a_missing_property_is_created_with_the_type_that_the_sheet_needs(fresh: Harness) -> None:
    paths = {
        "order": ("properties.erp_total", "properties.erp_hold_since", "properties.erp_shipments",
                  "line_items.properties.erp_shipped"),
        "customer": ("properties.account_hold",),
    }  # fmt: skip
    types = {
        "order": {"properties.erp_total": ValueType.NUMBER, "properties.erp_hold_since": ValueType.DAY,
                  "properties.erp_shipments": ValueType.TEXT, "line_items.properties.erp_shipped": ValueType.NUMBER},
        "customer": {"properties.account_hold": ValueType.TRUTH},
    }  # fmt: skip
    crm_of(fresh).examine(paths, fix=True, types=types)
    definitions = fresh.simulator.account.definitions
    deals = definitions.of("0-3")
    made = [deals[name].type for name in ("erp_total", "erp_hold_since", "erp_shipments")]
    assert made == ["number", "date", "string"]
    assert deals["erp_shipments"].field_type == "textarea"
    assert definitions.of("0-8")["erp_shipped"].type == "number"
    assert definitions.of("0-2")["account_hold"].type == "bool"


def test_a_path_that_hubspot_does_not_have_is_named(fresh: Harness) -> None:
    found = wrong(crm_of(fresh).examine({"order": ("outcome", "freight.total")}, fix=True))
    assert found == {"order: freight.total exists": "correct the sheet of order: HubSpot has no freight.total"}


def test_every_path_of_every_kind_is_described(hub: Harness, crm: HubspotConnector) -> None:
    for kind, used in hub.paths.items():
        known = crm.describe(kind)
        assert [path for path in used if path not in known] == []
    orders = crm.describe("order")
    assert (orders["outcome"].read_only, orders["bill_to"].read_only) == (True, False)
    assert crm.describe("shipment")["associations.deals"].type == "list"


# -- subscriptions


def subscribed(hub: Harness) -> set[tuple[str, str | None, str | None]]:
    return {each.subject for each in hub.simulator.account.subscriptions.active()}


def test_what_matters_is_subscribed_to_and_nothing_of_custom_objects(fresh: Harness) -> None:
    crm_of(fresh).examine(fresh.paths, fix=True, types=fresh.types)
    found = subscribed(fresh)
    assert found >= {
        ("company.propertyChange", "zip", None),
        ("company.propertyChange", "address_shipping", None),
        ("company.associationChange", None, None),
        ("contact.propertyChange", "mobilephone", None),
        ("contact.deletion", None, None),
        ("deal.associationChange", None, None),
        ("object.associationChange", None, "0-3"),
        ("line_item.propertyChange", "hs_discount_percentage", None),
        ("object.propertyChange", "total", "0-53"),
        ("object.deletion", None, "0-53"),
    }
    assert not [each for each in found if (each[2] or "").startswith("2-")]


def test_what_no_sheet_uses_is_not_subscribed_to(fresh: Harness) -> None:
    crm_of(fresh).examine({"customer": ("properties.name",)}, fix=True)
    found = subscribed(fresh)
    assert not [each for each in found if each[0].startswith(("contact", "deal", "line_item", "object"))]
    assert ("company.propertyChange", "zip", None) not in found
