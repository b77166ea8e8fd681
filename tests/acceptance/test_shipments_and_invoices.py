"""Each parcel is its own shipment, on its own day, and its invoice leaves with it (complaint 6): what reps see of it,
by the order's own lines; payments, returns and refunds."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import accounts, catalogue, sales, warehouse
from tests.acceptance.cash import (
    amounts,
    credit_notes,
    documents_of,
    invoices,
    lines_of,
    parcels,
    progress,
    settle,
)
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

PART = "BRG-6205-2RS"
CARRIER = catalogue.CARRIERS[1]
TEN = line(PART, "10", "7.2881")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle("part", "stock")
    settle(distributor)
    return distributor


def days() -> list[date]:
    """Return the day before yesterday, yesterday and today."""
    return [warehouse.today() - timedelta(days=ago) for ago in (2, 1, 0)]


@pytest.fixture(scope="module")
def shipped(loaded: Distributor) -> str:
    """Return a deal of ten that left as four, three and three on three days, each seen before the next one left."""
    deal = loaded.win(loaded.company("C1005")["id"], [TEN])
    settle(loaded)
    left = Decimal(10)
    for number, (pieces, day) in enumerate(zip((4, 3, 3), days(), strict=True), start=1):
        warehouse.ship(loaded.clerk, loaded.sale(deal)["id"], {PART: pieces}, carrier=CARRIER, tracking=f"1Z{number}",
                       day=day)  # fmt: skip
        accounts.post_invoices(loaded.clerk, loaded.sale(deal)["id"])
        settle(loaded)
        left -= pieces
        shown = lines_of(loaded, deal)[PART]
        assert progress(shown) == (10 - left, left)
        assert bool(shown.get("erp_expected")) is (left > 0)
        assert len(parcels(loaded, deal)) == len(invoices(loaded, deal)) == number
    return deal


def test_ten_that_leave_as_four_three_and_three_are_three_shipments_and_three_invoices(
    loaded: Distributor, shipped: str
) -> None:
    seen = parcels(loaded, shipped)
    assert [each["contents"] for each in seen] == [f"{pieces} u {PART}" for pieces in (4, 3, 3)]
    assert {each["carrier"] for each in seen} == {CARRIER}
    assert [each["tracking_number"] for each in seen] == ["1Z1", "1Z2", "1Z3"]
    assert [each["shipped_on"] for each in seen] == [day.isoformat() for day in days()]
    on_the_deal = loaded.deal(shipped)["erp_shipments"].splitlines()
    assert all(day.isoformat() in row for day, row in zip(days(), on_the_deal, strict=True)), on_the_deal
    assert {each["shipment_state"] for each in seen} == {"done"}
    assert len({each["shipment_number"] for each in seen}) == 3
    billed = invoices(loaded, shipped)
    assert sorted(amounts(billed, "total")) == sorted(row["total_amount"] for row in documents_of(loaded, shipped))
    assert len({each["invoice_number"] for each in billed}) == 3
    assert [each["shipments"] for each in billed] == [each["shipment_number"] for each in seen]
    assert loaded.deal(shipped)["erp_shipment_state"] == "sent"


def test_payments_update_the_balance_and_a_fully_paid_order_closes(loaded: Distributor, shipped: str) -> None:
    rows = documents_of(loaded, shipped)
    accounts.pay_invoice(loaded.clerk, rows[0]["id"], Decimal(10))
    settle(loaded)
    first = next(each for each in invoices(loaded, shipped) if each["invoice_number"] == rows[0]["number"])
    assert money(first["paid"]) == 10
    assert money(first["balance"]) == rows[0]["total_amount"] - 10
    for row in rows:
        accounts.pay_invoice(loaded.clerk, row["id"])
    settle(loaded)
    assert set(amounts(invoices(loaded, shipped), "balance")) == {Decimal(0)}
    assert {each["invoice_state"] for each in invoices(loaded, shipped)} == {"paid"}
    assert loaded.deal(shipped)["erp_order_state"] == "done"
    assert loaded.deal(shipped)["erp_invoice_state"] == "paid"


def test_a_shipment_that_is_undone_shows_so_and_its_goods_are_on_backorder_again(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [TEN])
    settle(loaded)
    shipment = warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
    settle(loaded)
    assert [each["shipment_state"] for each in parcels(loaded, deal)] == ["done"]
    warehouse.cancel_shipment(loaded.clerk, shipment)
    settle(loaded)
    assert [each["shipment_state"] for each in parcels(loaded, deal)] == ["cancelled"]
    assert progress(lines_of(loaded, deal)[PART])[0] == 0
    assert not loaded.letters()


def test_more_than_ordered_and_a_rest_that_is_given_up_show_on_their_lines(loaded: Distributor) -> None:
    over, short = (loaded.win(loaded.company("C1006")["id"], [TEN]) for _ in range(2))
    settle(loaded)
    warehouse.ship(loaded.clerk, loaded.sale(over)["id"], {PART: 12})
    warehouse.ship(loaded.clerk, loaded.sale(short)["id"], {PART: 4})
    sales.close_short(loaded.clerk, loaded.sale(short)["id"])
    settle(loaded)
    for deal, pieces in ((over, 12), (short, 4)):
        assert [each["contents"] for each in parcels(loaded, deal)] == [f"{pieces} u {PART}"]
        assert progress(lines_of(loaded, deal)[PART]) == (pieces, 0)
        assert loaded.deal(deal)["erp_shipment_state"] == "sent"
    assert not loaded.letters()
    assert not loaded.held()


def test_goods_that_come_back_are_a_credit_note_and_are_on_the_shelf_again(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1008")["id"], [TEN])
    settle(loaded)
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
    accounts.post_invoices(loaded.clerk, loaded.sale(deal)["id"])
    settle(loaded)
    before = warehouse.read_stock(loaded.clerk, PART).on_hand
    back = sales.return_goods(loaded.clerk, loaded.sale(deal)["id"], {PART: 4})
    accounts.post_invoices(loaded.clerk, back)
    settle(loaded)
    loaded.sweep_stock()
    settle(loaded)
    assert warehouse.read_stock(loaded.clerk, PART).on_hand == before + 4
    assert money(loaded.products()[PART]["stock_on_hand"]) == before + 4
    notes = [each["properties"] for each in loaded.crm.person().see_all("credit_notes")]
    assert len(notes) == 1
    assert money(notes[0]["total"]) < 0
    assert PART in notes[0]["contents"]
    assert not loaded.letters()


def test_a_refund_without_goods_credits_the_invoice(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1003")["id"], [TEN])
    settle(loaded)
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
    (invoice,) = accounts.post_invoices(loaded.clerk, loaded.sale(deal)["id"])
    settle(loaded)
    accounts.credit_invoice(loaded.clerk, invoice, refund=True)
    settle(loaded)
    (shown,) = invoices(loaded, deal)
    assert shown["invoice_state"] == "cancelled" or money(shown["balance"]) == 0
    notes = credit_notes(loaded, deal) or [
        each["properties"] for each in loaded.crm.person().see_all("credit_notes")
        if shown["invoice_number"] in str(each["properties"].get("credited_invoices"))
    ]  # fmt: skip
    assert [money(each["total"]) for each in notes] == [-money(shown["total"])]
    assert not loaded.letters()


def test_a_second_look_at_everything_writes_nothing(loaded: Distributor) -> None:
    loaded.settle("part", "stock")
    loaded.look_at_everything()
    with loaded.written() as writes:
        settle(loaded)
    assert writes == {"crm": 0, "erp": 0}


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
