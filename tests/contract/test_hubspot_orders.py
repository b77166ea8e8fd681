"""Orders in HubSpot: how a deal ended, where it goes, what its lines really cost, and the notes left on it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import ListChange, Native, NativeWrite
from sync_workers.connectors.hubspot.connector import HubspotConnector
from sync_workers.errors import Hold, PermanentError, TransientError
from tests.contract.harness_hubspot import Harness

NOTE = "This change came too late and was taken back:\nquantity: 5 < 7 & more."


def order(hub: Harness, crm: HubspotConnector, **more: Any) -> Native:
    return crm.write(replace(hub.creation("order"), **more))


def change(crm: Any, deal: str, **fields: Any) -> Native:
    return crm.write(NativeWrite("order", deal, fields, reference="r"))


def read(crm: HubspotConnector, deal: str) -> dict[str, Any]:
    native = crm.read("order", deal)
    assert native is not None
    assert crm.read_many("order", [deal])[deal] == native, "single and in a batch it is the same"
    return native.fields


# -- how it ended


@pytest.mark.parametrize(
    ("stage", "outcome"), [("contractsent", "open"), ("closedwon", "won"), ("closedlost", "lost")]
)
def test_the_outcome_follows_from_what_the_stage_means(
    hub: Harness, crm: HubspotConnector, stage: str, outcome: str
) -> None:
    deal = order(hub, crm)
    hub.simulator.account.person().move(deal.id, stage)
    fields = read(crm, deal.id)
    assert (fields["outcome"], fields["won"]) == (outcome, outcome == "won")


def test_a_lost_stage_of_another_pipeline_is_lost_too(hub: Harness) -> None:
    stages = [{"label": label, "displayOrder": n, "metadata": {"probability": p}}
              for n, (label, p) in enumerate([("Ordered", "1.0"), ("Gone", "0.0"), ("Maybe", "0.5")])]  # fmt: skip
    account = hub.simulator.account
    made = account.pipelines.create("0-3", {"label": "Spares", "displayOrder": 3, "stages": stages}, account.now_ms())
    crm = hub.build(hub.settings())
    deal = crm.write(hub.creation("order"))
    for label, outcome in (("Gone", "lost"), ("Maybe", "open"), ("Ordered", "won")):
        account.person().move(deal.id, label, made.id)
        fields = crm.read("order", deal.id).fields  # type: ignore[union-attr]
        assert fields["outcome"] == outcome


def test_where_the_won_stages_are_named_no_other_closed_one_is_won(hub: Harness) -> None:
    settings = hub.settings()
    crm = hub.build(replace(settings, options={**settings.options, "won_stages": ["contractsent"]}))
    deal = crm.write(hub.creation("order"))
    found = {}
    for stage in ("contractsent", "closedwon", "closedlost"):
        hub.simulator.account.person().move(deal.id, stage)
        found[stage] = crm.read("order", deal.id).fields["outcome"]  # type: ignore[union-attr]
    assert found == {"contractsent": "won", "closedwon": "open", "closedlost": "lost"}


# -- where it goes


@pytest.fixture
def trade(hub: Harness, crm: HubspotConnector) -> dict[str, str]:
    """A customer with two further addresses, and a deal of it."""
    person = hub.simulator.account.person()
    own = {"name": "A", "address": "Quay 1", "city": "Gent", "address_key": "erp:1"}
    company = person.create("companies", own)["id"]
    link = [("companies", company)]
    dock = person.create("addresses", {"street": "Dock 9", "address_key": "erp:2"}, link)["id"]
    mole = person.create("addresses", {"street": "Mole 3"}, link)["id"]
    deal = person.create("deals", {"dealname": "D"}, link)["id"]
    return {"company": company, "dock": dock, "mole": mole, "deal": deal}


def labels(hub: Harness, deal: str) -> dict[str, list[str]]:
    found = hub.simulator.account.person().associated("deals", deal, "addresses")
    return {each["id"]: each["labels"] for each in found}


def test_an_order_shows_the_keys_of_the_addresses_that_its_deal_is_linked_to(
    hub: Harness, crm: HubspotConnector, trade: dict[str, str]
) -> None:
    person = hub.simulator.account.person()
    assert (read(crm, trade["deal"])["bill_to"], read(crm, trade["deal"])["ship_to"]) == (None, None)
    person.link("deals", trade["deal"], "addresses", trade["dock"], "Ship to")
    person.link("deals", trade["deal"], "addresses", trade["mole"], "Bill to")
    fields = read(crm, trade["deal"])
    assert (fields["bill_to"], fields["ship_to"]) == (trade["mole"], "erp:2")
    person.link("deals", trade["deal"], "addresses", trade["mole"], "Ship to")
    person.unlink("deals", trade["deal"], "addresses", trade["dock"])
    assert read(crm, trade["deal"])["ship_to"] == trade["mole"]
    person.delete("addresses", trade["mole"])
    assert read(crm, trade["deal"])["ship_to"] is None


def test_a_plain_link_to_an_address_says_nothing(hub: Harness, crm: HubspotConnector, trade: dict[str, str]) -> None:
    hub.simulator.account.person().link("deals", trade["deal"], "addresses", trade["dock"])
    fields = read(crm, trade["deal"])
    assert (fields["bill_to"], fields["ship_to"]) == (None, None)


def test_a_label_is_moved_and_what_else_the_links_say_stays(
    hub: Harness, crm: HubspotConnector, trade: dict[str, str]
) -> None:
    hub.simulator.account.associations.define("0-3", address_type(hub), "Site visit", "Visited")
    hub.simulator.account.person().link("deals", trade["deal"], "addresses", trade["dock"], "Site visit")
    shown = change(crm, trade["deal"], bill_to="erp:2", ship_to="erp:2")
    assert (shown.fields["bill_to"], shown.fields["ship_to"], shown.implied) == ("erp:2", "erp:2", frozenset())
    assert sorted(labels(hub, trade["deal"])[trade["dock"]]) == ["Bill to", "Ship to", "Site visit"]
    shown = change(crm, trade["deal"], bill_to=trade["mole"])
    assert (shown.fields["bill_to"], shown.fields["ship_to"]) == (trade["mole"], "erp:2")
    assert sorted(labels(hub, trade["deal"])[trade["dock"]]) == ["Ship to", "Site visit"]
    shown = change(crm, trade["deal"], bill_to="erp:2", ship_to=trade["mole"])
    assert sorted(labels(hub, trade["deal"])[trade["dock"]]) == ["Bill to", "Site visit"]
    assert labels(hub, trade["deal"])[trade["mole"]] == ["Ship to"]


def address_type(hub: Harness) -> str:
    return hub.simulator.account.types.named("addresses").type_id


def test_blank_or_the_companys_own_address_takes_the_label_off(
    hub: Harness, crm: HubspotConnector, trade: dict[str, str]
) -> None:
    change(crm, trade["deal"], bill_to="erp:2", ship_to="erp:2")
    shown = change(crm, trade["deal"], bill_to="erp:1", ship_to=None)
    assert (shown.fields["bill_to"], shown.fields["ship_to"]) == (None, None)
    assert "bill_to" in shown.implied, "what came back blank is what was written"
    assert labels(hub, trade["deal"]) == {trade["dock"]: []}


def test_an_address_that_is_not_there_yet_is_waited_for(crm: HubspotConnector, trade: dict[str, str]) -> None:
    with pytest.raises(TransientError) as caught:
        change(crm, trade["deal"], ship_to="erp:77")
    assert caught.value.wait is not None
    assert trade["company"] in caught.value.message
    assert "'erp:77'" in caught.value.message


def test_a_new_order_bears_its_labels_from_the_start(
    hub: Harness, crm: HubspotConnector, trade: dict[str, str]
) -> None:
    fields = {"properties": {"dealname": "E"}, "associations": {"companies": [trade["company"]]}, "ship_to": "erp:2"}
    deal = order(hub, crm, fields=fields)
    assert deal.fields["ship_to"] == "erp:2"


def test_without_the_label_an_order_is_held(hub: Harness, trade: dict[str, str]) -> None:
    account, type_id = hub.simulator.account, address_type(hub)
    account.associations.undefine(account.associations.labelled("0-3", type_id, "Ship to"))
    crm = hub.build(hub.settings())
    with pytest.raises(Hold) as caught:
        crm.write(NativeWrite("order", trade["deal"], {"ship_to": "erp:2"}, reference="r"))
    assert "doctor --fix" in caught.value.mend
    crm.examine(hub.paths, fix=True)
    assert change(crm, trade["deal"], ship_to="erp:2").fields["ship_to"] == "erp:2"


def test_many_labelled_orders_are_read_in_a_few_calls(
    hub: Harness, crm: HubspotConnector, trade: dict[str, str]
) -> None:
    person = hub.simulator.account.person()
    deals = [order(hub, crm).id for _ in range(6)]
    for deal in deals:
        person.link("deals", deal, "addresses", trade["dock"], "Ship to")
    before = len(hub.simulator.account.request_log)
    found = crm.read_many("order", deals)
    assert {native.fields["ship_to"] for native in found.values()} == {"erp:2"}
    assert len(hub.simulator.account.request_log) - before == 6


# -- what its lines cost


@pytest.mark.parametrize(
    ("properties", "net"),
    [
        ({"price": "9.99"}, "9.99"),
        ({"price": "234.56", "hs_discount_percentage": "20"}, "187.648"),
        ({"price": "5", "discount": "0.25"}, "4.75"),
        ({"price": "5", "discount": "1", "hs_discount_percentage": "10"}, "4.5"),
        ({"price": "0"}, "0"),
        ({}, None),
    ],
)
def test_a_net_price_has_the_discount_taken_off(
    hub: Harness, crm: HubspotConnector, properties: dict[str, str], net: str | None
) -> None:
    person = hub.simulator.account.person()
    line = person.create("line_items", {"name": "Bolt", "quantity": "10", **properties})["id"]
    deal = person.create("deals", {"dealname": "D"}, [("line_items", line)])["id"]
    (shown,) = read(crm, deal)["line_items"]
    assert shown["net_price"] is None if net is None else Decimal(shown["net_price"]) == Decimal(net)
    if net is not None:
        amount = Decimal(shown["properties"]["amount"])
        assert amount == Decimal(net) * 10, "what HubSpot makes of it is the same"


def test_a_written_net_price_is_the_price_with_no_discount_beside_it(hub: Harness, crm: HubspotConnector) -> None:
    person = hub.simulator.account.person()
    given = {"name": "Bolt", "quantity": "10", "price": "5", "hs_discount_percentage": "10"}
    line = person.create("line_items", given)["id"]
    deal = person.create("deals", {"dealname": "D"}, [("line_items", line)])["id"]
    edits = ListChange(change=((line, {"net_price": Decimal("4.2")}),))
    (shown,) = change(crm, deal, line_items=edits).fields["line_items"]
    assert shown["net_price"] == "4.2"
    assert (shown["properties"]["hs_discount_percentage"], shown["properties"]["amount"]) == (None, "42")


def test_a_line_keeps_the_key_that_it_was_put_there_with(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    assert [line["key"] for line in deal.fields["line_items"]] == ["l1", "l2"]
    typed = hub.simulator.account.person().create("line_items", {"name": "typed"}, [("deals", deal.id)])["id"]
    assert [line["key"] for line in read(crm, deal.id)["line_items"]] == ["l1", "l2", typed]


# -- notes


def notes(hub: Harness, deal: str) -> list[str]:
    found = hub.simulator.account.person().associated("deals", deal, "notes")
    return [each["properties"]["hs_note_body"] for each in found]


def test_a_note_is_left_once_however_often_the_call_is_made(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    for _ in range(3):
        crm.write(NativeWrite("order", deal.id, {"properties": {"po_number": "7"}}, reference="r", note=NOTE))
    crm.write(NativeWrite("order", deal.id, {}, reference="r", action="note", note=NOTE))
    assert notes(hub, deal.id) == [
        "This change came too late and was taken back:<br>quantity: 5 &lt; 7 &amp; more."
    ]
    crm.write(NativeWrite("order", deal.id, {}, reference="r", action="note", note="Another one."))
    assert len(notes(hub, deal.id)) == 2


def test_a_note_that_hubspot_tidied_is_still_the_same(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    tidied = (
        '<div style="" dir="auto" data-top-level="true"><p style="margin:0;">This change came too late and was taken '
        "back:</p><p>quantity: 5 &lt; 7 &amp; more.</p></div>"
    )
    hub.simulator.account.person().create("notes", {"hs_note_body": tidied}, [("deals", deal.id)])
    crm.write(NativeWrite("order", deal.id, {}, reference="r", action="note", note=NOTE))
    assert len(notes(hub, deal.id)) == 1


def test_the_note_stands_before_the_change_that_it_explains(hub: Harness, crm: HubspotConnector) -> None:
    deal = order(hub, crm)
    refused = NativeWrite("order", deal.id, {"properties": {"amount": "much"}}, reference="r", note=NOTE)
    with pytest.raises(PermanentError):
        crm.write(refused)
    assert len(notes(hub, deal.id)) == 1
    crm.write(replace(refused, fields={"properties": {"amount": "5"}}))
    assert len(notes(hub, deal.id)) == 1


def test_the_same_note_on_two_deals_is_two_notes(hub: Harness, crm: HubspotConnector) -> None:
    deals = [order(hub, crm).id for _ in range(2)]
    for deal in deals:
        crm.write(NativeWrite("order", deal, {}, reference="r", action="note", note=NOTE))
    assert [len(notes(hub, deal)) for deal in deals] == [1, 1]


def test_notes_are_for_orders_alone(hub: Harness, crm: HubspotConnector) -> None:
    assert [kind for kind in hub.kinds if crm.traits(kind).notes] == ["order"]
    made = crm.write(hub.creation("customer"))
    with pytest.raises(PermanentError):
        crm.write(NativeWrite("customer", made.id, {}, reference="r", action="note", note=NOTE))


def test_an_order_with_a_note_is_written_by_itself_among_many(hub: Harness, crm: HubspotConnector) -> None:
    deals = [order(hub, crm) for _ in range(3)]
    writes = [NativeWrite("order", each.id, {"properties": {"po_number": "8"}}, reference="r") for each in deals]
    writes[1] = replace(writes[1], note=NOTE)
    before = len(hub.simulator.account.request_log)
    results = crm.write_many(writes)
    assert [result.fields["properties"]["po_number"] for result in results if isinstance(result, Native)] == ["8"] * 3
    assert [len(notes(hub, each.id)) for each in deals] == [0, 1, 0]
    sent = [row["method"] for row in list(hub.simulator.account.request_log)[before:]]
    assert sent.count("PATCH") == 1
