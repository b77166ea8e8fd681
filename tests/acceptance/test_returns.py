"""What comes back and what is given back: credit notes that the rep finds from the deal, with the invoice that they
credit, and goods that are on the shelf again only where goods came."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import accounts, sales, warehouse
from tests.acceptance.cash import credit_notes, invoices, lines_of, linked, progress, settle
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

PART, OTHER = "BRG-6205-2RS", "BRG-6206-2RS"
PRICE, OTHER_PRICE = Decimal("7.2881"), Decimal("7.8488")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Billed:
    """A deal whose goods have left and were billed in one invoice."""

    company: str
    deal: str
    sale: int
    invoice: int


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    settle(distributor)
    return distributor


@pytest.fixture
def billed(loaded: Distributor) -> Billed:
    company = loaded.company("C1008")["id"]
    deal = loaded.win(company, [line(PART, "6", str(PRICE)), line(OTHER, "3", str(OTHER_PRICE))])
    settle(loaded)
    sale = loaded.sale(deal)["id"]
    warehouse.ship(loaded.clerk, sale)
    (invoice,) = accounts.post_invoices(loaded.clerk, sale)
    settle(loaded)
    return Billed(company, deal, sale, invoice)


def on_hand(loaded: Distributor, part: str) -> Decimal:
    return Decimal(str(warehouse.read_stock(loaded.clerk, part).on_hand))


def test_a_part_of_a_delivery_that_comes_back_is_a_credit_note_of_its_deal_and_back_on_the_shelf(
    loaded: Distributor, billed: Billed
) -> None:
    before = on_hand(loaded, PART), on_hand(loaded, OTHER)
    back = sales.return_goods(loaded.clerk, billed.sale, {PART: 2})
    accounts.post_invoices(loaded.clerk, back)
    settle(loaded)
    assert (on_hand(loaded, PART), on_hand(loaded, OTHER)) == (before[0] + 2, before[1])
    (note,) = credit_notes(loaded, billed.deal)
    (invoice,) = invoices(loaded, billed.deal)
    assert money(note["subtotal"]) == -(2 * PRICE).quantize(CENT)
    assert note["credit_note_state"] == "posted"
    assert f"2 u {PART}" in note["contents"]
    assert OTHER not in note["contents"]
    assert note["credited_invoices"] == invoice["invoice_number"]
    assert note["credit_note_number"] in {
        each["credit_note_number"] for each in linked(loaded, "companies", billed.company, "credit_notes")}
    assert progress(lines_of(loaded, billed.deal)[PART])[0] == 6, "what was delivered was delivered"
    assert len(loaded.sales(billed.deal)) == 1
    assert not loaded.letters()


def test_a_refund_for_a_part_of_an_invoice_moves_no_goods_and_names_invoice_and_deal(
    loaded: Distributor, billed: Billed
) -> None:
    before = on_hand(loaded, PART), on_hand(loaded, OTHER)
    accounts.credit_part(loaded.clerk, billed.invoice, 1)
    settle(loaded)
    assert (on_hand(loaded, PART), on_hand(loaded, OTHER)) == before
    (note,) = credit_notes(loaded, billed.deal)
    (invoice,) = invoices(loaded, billed.deal)
    assert money(note["subtotal"]) in {-PRICE.quantize(CENT), -OTHER_PRICE.quantize(CENT)}
    assert note["credited_invoices"] == invoice["invoice_number"]
    assert invoice["invoice_state"] == "posted"
    assert money(invoice["balance"]) == money(invoice["total"]), "the credit is not set off yet"
    assert not loaded.letters()


def test_a_refund_of_the_whole_invoice_cancels_it_and_says_so_on_the_deal(loaded: Distributor, billed: Billed) -> None:
    before = on_hand(loaded, PART)
    accounts.credit_invoice(loaded.clerk, billed.invoice, refund=True)
    settle(loaded)
    assert on_hand(loaded, PART) == before
    (note,) = credit_notes(loaded, billed.deal)
    (invoice,) = invoices(loaded, billed.deal)
    assert money(note["total"]) == -money(invoice["total"])
    assert (invoice["invoice_state"], money(invoice["balance"])) == ("cancelled", 0)
    assert note["credited_invoices"] == invoice["invoice_number"]
    assert not loaded.letters()


def test_at_the_end_every_law_holds_and_a_second_look_writes_nothing(loaded: Distributor) -> None:
    loaded.look_at_everything()
    with loaded.written() as writes:
        settle(loaded)
    assert writes == {"crm": 0, "erp": 0}
    assert loaded.broken_laws() == []
