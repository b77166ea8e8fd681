"""A deal won in the CRM becomes one order in the ERP, whatever is ordered, and whoever orders it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.sandbox.faults import Fault
from sync_workers.sandbox.tryton import sales
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

CREATES_A_SALE = r'"model\.sale\.sale\.create"'


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    """Return a distributor whose CRM knows the ERP's customers."""
    distributor.settle()
    return distributor


def test_a_won_deal_becomes_one_confirmed_sale_with_all_that_was_agreed(loaded: Distributor) -> None:
    company = loaded.company("C1002")
    deal = loaded.win(company["id"], [
        line("BRG-6204-2RS", "10", "6.73"),
        line("BRG-6204-2RS", "2", "6.5"),  # the same part again, at another price
        line("vB-A30", "3", "101.0", unit="box of 12"),
        line("00401", "2", "12.5", unit="box of 100"),
    ], po_number="PO-4711", requested_date="2026-12-18", customer_note="Gate 3, ring twice")  # fmt: skip
    loaded.settle()
    sale = loaded.sale(deal)
    assert sale["state"] == "processing"
    assert (sale["description"], sale["comment"]) == ("PO-4711", "Gate 3, ring twice")
    assert str(sale["shipping_date"]) == "2026-12-18"
    assert sale["party"] == sales.find_customer(loaded.clerk, "C1002")
    assert sale["payment_term."]["name"] == "Net 14"
    addresses = loaded.clerk.read("party.address", [sale["invoice_address"], sale["shipment_address"]],
                                  "invoice", "delivery")  # fmt: skip
    assert addresses[0]["invoice"]
    assert addresses[1]["delivery"]
    shown = sorted((row["product."]["code"], row["quantity"], row["unit."]["symbol"], row["unit_price"],
                    row["amount"], row["description"]) for row in loaded.sale_lines(deal))  # fmt: skip
    assert shown == [
        ("00401", 200.0, "u", Decimal("0.1250"), Decimal("25.00"), "00401, as quoted"),
        ("BRG-6204-2RS", 2.0, "u", Decimal("6.5000"), Decimal("13.00"), "BRG-6204-2RS, as quoted"),
        ("BRG-6204-2RS", 10.0, "u", Decimal("6.7300"), Decimal("67.30"), "BRG-6204-2RS, as quoted"),
        ("vB-A30", 3.0, "bx12", Decimal("101.0000"), Decimal("303.00"), "vB-A30, as quoted"),
    ]
    assert all(row["taxes"] for row in loaded.sale_lines(deal))
    assert sale["untaxed_amount"] == Decimal("408.30")
    assert sale["tax_amount"] == Decimal("33.68")


def test_number_state_and_total_are_back_on_the_deal(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1003")["id"], [line("RC40/1R", "2", "35.4150")])
    loaded.settle()
    sale, shown = loaded.sale(deal), loaded.deal(deal)
    assert sale["number"]
    assert shown["erp_order_number"] == sale["number"]
    assert shown["erp_order_state"] == "processing"
    assert money(shown["erp_total"]) == sale["total_amount"] > sale["untaxed_amount"]
    assert not shown.get("erp_hold_reason")


def test_an_order_costs_the_erp_three_writes_and_the_crm_one_per_record(loaded: Distributor) -> None:
    """Create, quote, confirm; then one word back on the deal, on its line (what is to ship) and on the company
    (what it owes by now), of which the echoes end as unchanged (complaint 4)."""
    with loaded.written() as writes:
        deal = loaded.win(loaded.company("C1005")["id"], [line("RC41/1R", "1", "38.75")])
        loaded.settle()
        loaded.settle()
    assert writes == {"crm": 3, "erp": 3}
    outcomes = loaded.outcomes("order", deal)
    assert "applied" in outcomes
    assert set(outcomes) <= {"applied", "unchanged", "superseded"}
    echoes = loaded.rows("SELECT outcome FROM events WHERE record_id = %s AND echo", loaded.record("order", deal))
    assert echoes
    assert {outcome for (outcome,) in echoes} == {"unchanged"}


def test_a_deal_that_is_not_won_yet_is_no_order(loaded: Distributor) -> None:
    deal = loaded.open_deal(loaded.company("C1005")["id"], [line("RC41/1R", "1", "38.75")])
    with loaded.written() as writes:
        loaded.settle()
    assert not loaded.sales(deal)
    assert writes == {"crm": 0, "erp": 0}
    loaded.crm.person(7).move(deal, "closedwon")
    loaded.settle()
    assert loaded.sale(deal)["state"] == "processing"


def test_a_brand_new_company_becomes_a_party_before_its_first_order(loaded: Distributor) -> None:
    company = loaded.new_company(name="Brightwater Robotics", tax_id="94-1234567")
    deal = loaded.win(company, [line("BRG-6205-2RS", "4", "7.2881")])
    loaded.settle()
    (party,) = loaded.parties("Brightwater Robotics")
    sale = loaded.sale(deal)
    assert sale["party"] == party["id"]
    assert sale["state"] == "processing"
    (address,) = loaded.clerk.read("party.address", [sale["invoice_address"]], "street", "city", "postal_code",
                                   "country.code")  # fmt: skip
    assert (address["street"], address["city"]) == ("18 Harbor Street", "Milwaukee")
    assert (address["postal_code"], address["country."]["code"]) == ("53202", "US")
    shown = loaded.crm.person().see("companies", company)["properties"]
    assert shown["customer_number"] == party["code"]
    (identifier,) = loaded.clerk.read(
        "party.identifier", loaded.clerk.find("party.identifier", [["party", "=", party["id"]]]), "code"
    )
    assert identifier["code"] == "94-1234567"


def test_twenty_orders_at_once_for_one_new_customer_are_one_party_and_twenty_sales(loaded: Distributor) -> None:
    company = loaded.new_company(name="Twenty At Once LLC")
    deals = [loaded.win(company, [line("BRG-6206-2RS", "1", "7.8488")]) for _ in range(20)]
    assert loaded.crm.delivery.wait_until_idle()
    loaded.drain_side_by_side()
    loaded.settle()
    assert not loaded.letters()
    (party,) = loaded.parties("Twenty At Once LLC")
    assert [loaded.sale(deal)["party"] for deal in deals] == [party["id"]] * 20
    assert {loaded.sale(deal)["state"] for deal in deals} == {"processing"}
    assert len({loaded.deal(deal)["erp_order_number"] for deal in deals}) == 20
    assert not loaded.held()


def test_an_order_that_the_erp_stored_before_it_dropped_the_connection_is_found_not_created(
    loaded: Distributor,
) -> None:
    rule = loaded.proxy.add(Fault.COMMITTED_DROP, body=CREATES_A_SALE)
    deal = loaded.win(loaded.company("C1008")["id"], [line("BRG-6207-2RS", "3", "8.4094")])
    loaded.settle()
    assert rule.acted == 1
    assert loaded.sale(deal)["state"] == "processing"
    assert loaded.deal(deal)["erp_order_number"] == loaded.sale(deal)["number"]
    creates = [row for row in loaded.attempts("order", deal, "erp") if row[0] == "create"]
    assert [(status, error) for _, _, status, error in creates] == [("done", "found, not created")]


def test_a_line_that_is_edited_before_the_order_is_confirmed_reaches_the_sale(loaded: Distributor) -> None:
    """HubSpot tells of the line item alone; it leads to its deal."""
    deal = loaded.win(loaded.company("C1019")["id"], [
        line("RC40/1R", "40", "35.4150"), line("RC41/1R", "1", "38.7480"),
    ])  # fmt: skip
    loaded.settle()
    assert loaded.sale(deal)["state"] == "quotation", "it is over the customer's credit limit"
    rep = loaded.crm.person(7)
    first, second = rep.see("deals", deal)["links"]["line_items"]
    rep.edit("line_items", first, {"quantity": "2"})
    rep.edit("line_items", second, {"price": "37.5"})
    loaded.settle()
    rows = {row["product."]["code"]: row for row in loaded.sale_lines(deal)}
    assert rows["RC40/1R"]["quantity"] == 2.0
    assert rows["RC41/1R"]["unit_price"] == Decimal("37.5000")
    assert loaded.sale(deal)["state"] == "processing", "and now it is within the limit"


def test_lines_keep_their_identity_through_every_edit_with_freight_and_discount(loaded: Distributor) -> None:
    """Changed, taken out, added, put elsewhere, the same part twice: what stays is the same line in the ERP."""
    bearing = line("BRG-6204-2RS", "10", "6.73")
    deal = loaded.win(loaded.company("C1002")["id"], [
        bearing, line("RC40/1R", "1", "35.4150"), {**bearing, "quantity": "2"},
    ], amount="1.00")  # fmt: skip
    loaded.settle()
    assert loaded.sale(deal)["state"] == "quotation", "held, for it was quoted at another amount"
    rep, before = loaded.crm.person(7), {row["quantity"]: row["id"] for row in loaded.sale_lines(deal)}
    first, second, third = rep.see("deals", deal)["links"]["line_items"]
    rep.delete("line_items", second)
    for properties in (line("FREIGHT", "1", "15.00"), line("RC41/1R", "4", "40.00", hs_discount_percentage="10"),
                       {**bearing, "quantity": "5"}):  # fmt: skip
        rep.create("line_items", properties, [("deals", deal)])
    rep.edit("line_items", first, {"hs_position_on_quote": "5"})
    rep.edit("line_items", third, {"hs_position_on_quote": "0", "quantity": "3"})
    rep.edit("deals", deal, {"amount": "280.14"})
    loaded.settle()
    rows = {(row["product."]["code"], row["quantity"]): row for row in loaded.sale_lines(deal)}
    assert {key: row["unit_price"] for key, row in rows.items()} == {
        ("BRG-6204-2RS", 10.0): Decimal("6.7300"), ("BRG-6204-2RS", 3.0): Decimal("6.7300"),
        ("BRG-6204-2RS", 5.0): Decimal("6.7300"), ("FREIGHT", 1.0): Decimal("15.0000"),
        ("RC41/1R", 4.0): Decimal("36.0000"),
    }  # fmt: skip
    assert rows["BRG-6204-2RS", 10.0]["id"] == before[10.0]
    assert rows["BRG-6204-2RS", 3.0]["id"] == before[2.0]
    assert rows["BRG-6204-2RS", 5.0]["id"] not in before.values()
    assert loaded.sale(deal)["state"] == "processing"
    assert loaded.sale(deal)["untaxed_amount"] == Decimal("280.14")
    assert not loaded.letters()


def test_a_deal_that_names_an_unknown_part_is_a_dead_letter_until_the_rep_mends_it(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [line("BRG-9999-ZZ", "4", "12.5")])
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert letter.error == "PermanentError"
    assert "BRG-9999-ZZ" in letter.message
    assert "correct the number on the order" in letter.mend
    assert not loaded.sales(deal)
    (item,) = loaded.crm.person().see("deals", deal)["links"]["line_items"]
    loaded.crm.person(7).edit("line_items", item, {"hs_sku": "BRG-6210-2RS"})
    loaded.settle()
    assert loaded.sale(deal)["state"] == "processing"
    assert not loaded.letters()


def test_an_echo_does_not_revive_a_dead_letter(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [line("BRG-8888-ZZ", "4", "12.5")])
    loaded.settle()
    before = loaded.letter("order", deal)
    loaded.look_again("order", deal)
    with loaded.written() as writes:
        loaded.settle()
    assert loaded.letter("order", deal).id == before.id
    assert writes == {"crm": 0, "erp": 0}


def test_a_unit_that_does_not_fit_the_part_is_refused_by_name(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [line("RC42/1R", "4", "12.5", unit="furlong")])
    loaded.settle()
    assert "furlong" in loaded.letter("order", deal).message


def test_a_second_look_at_everything_writes_nothing(loaded: Distributor) -> None:
    loaded.look_at_everything()
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
