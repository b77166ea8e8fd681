"""What a rep may still change, what is put back and told, what is cancelled and taken up again, and what is never
confirmed because it is not what the customer accepted (complaints 10 and 11)."""

from __future__ import annotations

import pytest

from sync_workers.sandbox.tryton import warehouse
from tests.acceptance.cash import line_ids, lines_of, lose, notes
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

BEARING = line("BRG-6205-2RS", "4", "7.2881")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle()
    return distributor


def test_a_locked_change_is_put_back_and_the_rep_is_told_why_once(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], [BEARING])
    loaded.settle()
    (item,) = line_ids(loaded, deal)
    rep = loaded.crm.person(7)
    rep.edit("line_items", item, {"quantity": "400"})
    rep.edit("deals", deal, {"po_number": "PO-too-late"})
    loaded.settle()
    assert loaded.sale_lines(deal)[0]["quantity"] == 4.0
    assert lines_of(loaded, deal)["BRG-6205-2RS"]["quantity"] == "4"
    assert loaded.deal(deal)["po_number"] == loaded.sale(deal)["description"] != "PO-too-late"
    fields = {field for field, _, _ in loaded.overrules("order", deal)}
    assert {"po_number", f"lines[{item}].quantity"} <= fields
    (note,) = notes(loaded, deal)
    assert "400 was put back to 4" in note
    assert "state is processing" in note
    assert not loaded.letters()
    with loaded.written() as writes:
        loaded.look_again("order", deal)
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_a_line_that_is_added_or_taken_out_too_late_goes_back_too(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], [BEARING, line("BRG-6206-2RS", "2", "7.8488")])
    loaded.settle()
    rep = loaded.crm.person(7)
    taken = next(each for each in line_ids(loaded, deal)
                 if rep.see("line_items", each)["properties"]["hs_sku"] == "BRG-6206-2RS")  # fmt: skip
    rep.delete("line_items", taken)
    added = str(rep.create("line_items", line("BRG-6207-2RS", "1", "8.4094"), [("deals", deal)])["id"])
    loaded.settle()
    shown = lines_of(loaded, deal)
    assert set(shown) == {"BRG-6205-2RS", "BRG-6206-2RS"}
    assert money(shown["BRG-6206-2RS"]["quantity"]) == 2
    assert added not in line_ids(loaded, deal)
    assert len(loaded.sale_lines(deal)) == 2
    assert not loaded.letters()
    with loaded.written() as writes:
        loaded.settle()
    assert writes == {"crm": 0, "erp": 0}


def test_a_deal_that_is_lost_before_anything_left_cancels_its_order_and_is_taken_up_again_when_won(
    loaded: Distributor,
) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [BEARING])
    loaded.settle()
    assert loaded.sale(deal)["state"] == "processing"
    lose(loaded, deal)
    loaded.settle()
    assert loaded.deal(deal)["erp_order_state"] == "cancelled"
    assert not loaded.letters()
    loaded.crm.person(7).move(deal, "closedwon")
    loaded.settle()
    assert loaded.deal(deal)["erp_order_state"] == "processing"
    assert [row["quantity"] for row in loaded.sale_lines(deal)] == [4.0]
    assert len(loaded.sales(deal)) == 1


def test_a_deal_that_is_lost_after_a_part_was_shipped_closes_the_rest_short(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [line("BRG-6208-2RS", "10", "8.97")])
    loaded.settle()
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"], {"BRG-6208-2RS": 4})
    loaded.settle()
    lose(loaded, deal)
    loaded.settle()
    shown = lines_of(loaded, deal)["BRG-6208-2RS"]
    assert (money(shown["erp_shipped"]), money(shown["erp_backordered"])) == (4, 0)
    assert not loaded.letters()
    assert not loaded.held()


def test_an_order_for_another_amount_than_was_quoted_is_held_and_names_both_figures(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1008")["id"], [BEARING], amount="20.00")
    loaded.settle()
    assert loaded.sale(deal)["state"] == "quotation", "it exists, and is not confirmed"
    ((_, _, code, reason),) = [each for each in loaded.held() if each[1] == deal]
    assert code == "totals_differ"
    assert "before tax 20.00 was quoted, erp has 29.15" in reason
    assert "tax rounded per" in reason
    assert loaded.deal(deal)["erp_order_number"], "the rep sees the order all the same"
    (note,) = notes(loaded, deal)
    assert "29.15" in note
    loaded.crm.person(7).edit("deals", deal, {"amount": "29.15"})
    loaded.settle()
    assert loaded.sale(deal)["state"] == "processing"


def test_a_price_far_below_the_customers_tier_is_held(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1008")["id"], [line("RC40/1R", "2", "10.00")], amount="20.00")
    loaded.settle()
    ((_, _, code, reason),) = [each for each in loaded.held() if each[1] == deal]
    assert code == "price_below_tier"
    assert "line 1 (RC40/1R) is quoted at 10" in reason
    assert loaded.sale(deal)["state"] == "quotation"


def test_five_orders_of_one_customer_each_carry_their_own_addresses(loaded: Distributor) -> None:
    """Complaint 11: one customer, several places, and every order goes where it was said to go."""
    rep = loaded.crm.person(7)
    company = loaded.new_company(name="Many Places LLC")
    places = [
        str(rep.create("addresses", {"name": f"Plant {number}", "street": f"{number} Mill Lane", "city": "Dayton",
                                     "postal_code": "45402", "country": "United States", "billing": "true",
                                     "shipping": "true"}, [("companies", company)])["id"])
        for number in (1, 2)
    ]  # fmt: skip
    loaded.look_again("customer", company)
    loaded.settle()
    deals = []
    for number in range(5):
        deal = loaded.open_deal(company, [BEARING])
        if number:
            rep.link("deals", deal, "addresses", places[number % 2], "Ship to")
            rep.link("deals", deal, "addresses", places[(number + 1) % 2], "Bill to")
        rep.move(deal, "closedwon")
        deals.append(deal)
    loaded.settle()
    (party,) = loaded.parties("Many Places LLC")
    rows = loaded.clerk.read(
        "party.address", loaded.clerk.find("party.address", [["party", "=", party["id"]]]), "street"
    )
    assert sorted(row["street"] for row in rows) == ["1 Mill Lane", "18 Harbor Street", "2 Mill Lane"]
    street = {row["id"]: row["street"] for row in rows}
    went = [
        (street[loaded.sale(deal)["shipment_address"]], street[loaded.sale(deal)["invoice_address"]]) for deal in deals
    ]
    assert went == [("18 Harbor Street", "18 Harbor Street"),
                    *[("2 Mill Lane", "1 Mill Lane"), ("1 Mill Lane", "2 Mill Lane")] * 2]  # fmt: skip
    rep.edit("addresses", places[0], {"street": "99 New Road"})
    loaded.look_again("customer", company)
    loaded.settle()
    sale = loaded.sale(deals[1])
    (kept,) = loaded.clerk.read("party.address", [sale["invoice_address"]], "street")
    assert kept["street"] == "1 Mill Lane", "an order keeps the address that it went to"
    assert not loaded.letters()


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
