"""An account that can have no custom objects: parcels, invoices and credit notes are text and notes on the deal."""

from __future__ import annotations

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from sync_workers.sandbox.tryton import accounts, catalogue, sales, warehouse
from tests.acceptance.cash import invoices, notes, settle
from tests.acceptance.distributor import Distributor, line

pytestmark = pytest.mark.tryton

ACCOUNT = {"custom_objects": 0}
CARRIER = catalogue.CARRIERS[1]
PART = "BRG-6205-2RS"
ONE_ADDRESS = "C1004"  # a company has no other one in such an account
TEN = line(PART, "10", "7.2881")
IN_THE_CRM = re.compile(r"^crm = .*\n", re.MULTILINE)
TABLES = re.compile(r"^\[(?:object|reference)\]\n(?:.+\n)*", re.MULTILINE)


def prepare(folder: Path) -> None:
    """Do to the sheets what ``doctor`` advises, and have notes of each line."""
    shutil.rmtree(folder / "mappings" / "stock")
    settings = folder / "systems.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("[systems.crm]\n", '[systems.crm]\naddresses = "own"\n'), encoding="utf-8")
    for kind in ("shipment", "credit_note"):
        sheet = folder / "mappings" / kind / "v1.toml"
        sheet.write_text(IN_THE_CRM.sub("", TABLES.sub("", sheet.read_text(encoding="utf-8"))), encoding="utf-8")
    order = folder / "mappings" / "order" / "v1.toml"
    text = order.read_text(encoding="utf-8")
    for name in ("erp_shipments", "erp_invoices", "erp_credit_notes"):
        place = f'"properties.{name}"'
        assert f"\ncrm = {place}\n" in text
        text = text.replace(f"\ncrm = {place}\n", f"\ncrm = {{ path = {place}, note = true }}\n")
    order.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle("part")
    return distributor


@pytest.fixture(scope="module")
def deal(loaded: Distributor) -> str:
    """A deal of ten that left as four and six, each billed at once."""
    deal = loaded.win(loaded.company(ONE_ADDRESS)["id"], [TEN])
    settle(loaded)
    sale = loaded.sale(deal)["id"]
    for pieces, tracking in ((4, "1Z1"), (6, "1Z2")):
        warehouse.ship(loaded.clerk, sale, {PART: Decimal(pieces)}, carrier=CARRIER, tracking=tracking)
        accounts.post_invoices(loaded.clerk, sale)
        settle(loaded)
    return deal


def test_a_rep_finds_each_parcel_and_invoice_on_the_deal(loaded: Distributor, deal: str) -> None:
    seen, said = loaded.deal(deal), notes(loaded, deal)
    parcels, billed = seen["erp_shipments"].splitlines(), seen["erp_invoices"].splitlines()
    assert len(parcels) == len(billed) == 2
    for tracking in ("1Z1", "1Z2"):
        assert sum(f"{CARRIER}, {tracking}" in each for each in parcels) == 1
        assert sum(f"{CARRIER}, {tracking}" in each for each in said) == 1, said
    for row in (*parcels, *billed):
        assert any(row in each for each in said), (row, said)
    assert len(invoices(loaded, deal)) == 2, "HubSpot has an object for invoices in every edition"
    assert not seen.get("erp_credit_notes")
    before = len(said)
    settle(loaded)
    assert len(notes(loaded, deal)) == before


def test_a_rep_finds_each_credit_note_on_the_deal(loaded: Distributor, deal: str) -> None:
    sale = loaded.sale(deal)["id"]
    (billed,) = loaded.clerk.read("sale.sale", [sale], "invoices")
    given = accounts.credit_part(loaded.clerk, min(billed["invoices"]), 3)
    back = sales.return_goods(loaded.clerk, sale, {PART: 2})
    (returned,) = accounts.post_invoices(loaded.clerk, back)
    settle(loaded)
    wanted = sorted(
        f"{row['number']}: posted {row['invoice_date']}, {row['total_amount']:f} USD"
        for row in loaded.clerk.read(
            "account.invoice", [given, returned], "number", "invoice_date", "total_amount"
        )
    )
    assert sorted(loaded.deal(deal)["erp_credit_notes"].splitlines()) == wanted
    said = notes(loaded, deal)
    assert all(any(row in each for each in said) for row in wanted), said
    before = len(said)
    settle(loaded)
    assert len(notes(loaded, deal)) == before
