"""What goes wrong without anybody saying so: a company that is archived, a part that is switched off, and a fiscal
period that is closed, each while orders are under way. ``test_unknown_words`` has the words that nobody knows."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from sync_workers.commands.main import cli
from sync_workers.connectors.tryton.posting import RECHECK
from sync_workers.flows import reconcile
from sync_workers.sandbox.tryton import accounts, assortment, warehouse
from tests.acceptance.cash import documents_of, invoices, lines_of, linked, parcels, progress, settle
from tests.acceptance.distributor import Distributor, line, money

pytestmark = pytest.mark.tryton

PART = "BRG-6205-2RS"
BEARING = line(PART, "10", "7.2881")


def prepare(folder: Path) -> None:
    """Let invoices be asked for the moment their goods have left."""
    settings = folder / "systems.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("[systems.erp]\n", "[systems.erp]\ninvoice_on_shipment = true\n")
    settings.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.kinds = ("customer", "part", "stock", "order")
    distributor.settle(within_s=240)
    settle(distributor)
    return distributor


# -- a company that is archived in the CRM


@pytest.fixture(scope="module")
def orphan(loaded: Distributor) -> tuple[str, str]:
    """Return a company that a rep archived and its deal, of which nothing had been shipped then."""
    company = loaded.new_company(name="Gone Fishing LLC")
    deal = loaded.win(company, [BEARING])
    loaded.settle()
    loaded.crm.person(7).delete("companies", company)
    settle(loaded)
    return company, deal


def test_a_company_that_is_archived_with_open_orders_is_held_and_the_erp_keeps_its_party(
    loaded: Distributor, orphan: tuple[str, str]
) -> None:
    company, _ = orphan
    ((kind, origin, code, reason),) = loaded.held()
    assert (kind, origin, code) == ("customer", company, "archived_in_crm")
    assert f"customer {company} was archived in crm" in reason
    assert [party["active"] for party in loaded.parties("Gone Fishing LLC")] == [True]
    assert not loaded.letters()


def test_its_open_order_goes_on_to_cash(loaded: Distributor, orphan: tuple[str, str]) -> None:
    _, deal = orphan
    assert loaded.sale(deal)["state"] == "processing"
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"], {PART: 4})
    settle(loaded)
    assert progress(lines_of(loaded, deal)[PART]) == (4, 6)
    assert [each["contents"] for each in parcels(loaded, deal)] == [f"4 u {PART}"]
    (invoice,) = documents_of(loaded, deal)
    assert [money(each["total"]) for each in invoices(loaded, deal)] == [invoice["total_amount"]]
    assert not loaded.letters()
    assert len(loaded.held()) == 1


def test_a_company_that_is_restored_is_in_step_again_by_itself(loaded: Distributor, orphan: tuple[str, str]) -> None:
    company, deal = orphan
    rep = loaded.crm.person(7)
    rep.restore("companies", company)
    rep.edit("companies", company, {"phone": "+1 312 555 0777"})
    settle(loaded)
    assert not loaded.held()
    (party,) = loaded.parties("Gone Fishing LLC")
    assert party["phone"] == "+1 312 555 0777"
    warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
    settle(loaded)
    assert progress(lines_of(loaded, deal)[PART]) == (10, 0)
    assert not loaded.letters()


def test_what_it_got_meanwhile_is_found_from_the_company_after_the_next_reconcile(
    loaded: Distributor, orphan: tuple[str, str]
) -> None:
    company, deal = orphan
    for kind in ("order", "shipment", "invoice"):
        reconcile.reconcile(loaded.runtime, "crm", kind)
    settle(loaded)
    assert [each["contents"] for each in linked(loaded, "companies", company, "shipments")] == [
        f"4 u {PART}", f"6 u {PART}"]
    assert len(linked(loaded, "companies", company, "invoices")) == len(invoices(loaded, deal)) == 2


# -- a part that is switched off in the ERP


@pytest.fixture(scope="module")
def superseded(loaded: Distributor) -> str:
    """Return a deal with an open order for RC41/1R, which was replaced by RC42/1R since."""
    deal = loaded.win(loaded.company("C1005")["id"], [line("RC41/1R", "5", "38.7480")])
    loaded.settle()
    assortment.deactivate_part(loaded.clerk, "RC41/1R", replaced_by="RC42/1R")
    settle(loaded)
    return deal


def test_a_part_that_is_switched_off_shows_so_in_the_catalogue_with_what_replaces_it(
    loaded: Distributor, superseded: str
) -> None:
    product = loaded.products()["RC41/1R"]
    assert (product["erp_active"], product["replaced_by"]) == ("false", "RC42/1R")
    assert not loaded.held()


def test_an_open_order_keeps_the_part_and_goes_on_to_cash(loaded: Distributor, superseded: str) -> None:
    loaded.look_again("order", superseded)
    warehouse.ship(loaded.clerk, loaded.sale(superseded)["id"])
    settle(loaded)
    assert progress(lines_of(loaded, superseded)["RC41/1R"]) == (5, 0)
    assert len(parcels(loaded, superseded)) == len(invoices(loaded, superseded)) == 1
    assert not loaded.letters()


def test_a_new_order_that_names_it_is_refused_with_the_part_and_its_replacement(
    loaded: Distributor, superseded: str
) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], [BEARING, line("RC41/1R", "5", "38.7480")])
    settle(loaded)
    letter = loaded.letter("order", deal)
    assert "RC41/1R" in letter.message
    assert "replaced" in letter.message
    assert "RC42/1R" in letter.mend
    assert not loaded.sales(deal), "not even the line that could be had"
    rep = loaded.crm.person(7)
    (item,) = [each for each in rep.see("deals", deal)["links"]["line_items"]
               if rep.see("line_items", each)["properties"]["hs_sku"] == "RC41/1R"]  # fmt: skip
    rep.edit("line_items", item, {"hs_sku": "RC42/1R", "price": "42.0810"})
    settle(loaded)
    assert {row["product."]["code"] for row in loaded.sale_lines(deal)} == {PART, "RC42/1R"}
    assert not loaded.letters()


# -- a fiscal period that is closed in the ERP


@pytest.fixture(scope="module")
def closed(loaded: Distributor) -> int:
    """Close the month in which goods have been billed already, and return its period."""
    loaded.settle()
    return accounts.close_period(loaded.clerk)


@pytest.fixture(scope="module")
def unbilled(loaded: Distributor, closed: int) -> list[str]:
    """Return deals whose goods left while the month was closed."""
    deals = [loaded.win(loaded.company("C1006")["id"], [BEARING]) for _ in range(3)]
    loaded.settle()
    for deal in deals:
        warehouse.ship(loaded.clerk, loaded.sale(deal)["id"], {PART: 4})
    settle(loaded)
    return deals


def _wait(loaded: Distributor) -> None:
    """Let the time go by after which what waits for a period is looked at again."""
    due = loaded.rows("UPDATE records SET due_at = due_at - %s WHERE hold_code = 'period_closed'"
                      " RETURNING due_at <= clock_timestamp()", RECHECK)
    assert due, "nothing waits"
    assert set(due) == {(True,)}
    settle(loaded)


def test_a_closed_period_is_a_hold_that_costs_nothing_and_the_orders_ship_on(
    loaded: Distributor, unbilled: list[str]
) -> None:
    assert not loaded.letters(), "no dead letter per order"
    assert [(kind, code) for kind, _, code, _ in loaded.held()] == [("invoice", "period_closed")] * 3
    assert all(f"the period {warehouse.today():%Y-%m} is closed in Tryton" in reason for *_, reason in loaded.held())
    for deal in unbilled:
        assert len(parcels(loaded, deal)) == 1
        assert not invoices(loaded, deal)
    crm = loaded.crm.written_by_api()
    _wait(loaded)
    assert loaded.crm.written_by_api() == crm, "looking again tells nobody anything"
    assert len(loaded.held()) == 3
    assert loaded.rows("SELECT DISTINCT failures FROM records WHERE state = 'held'") == [(0,)]


def test_an_invoice_that_accounting_dates_in_the_next_period_goes_out_by_itself(
    loaded: Distributor, unbilled: list[str]
) -> None:
    (invoice,) = documents_of(loaded, unbilled[0])
    first = (warehouse.today().replace(day=1) + timedelta(days=32)).replace(day=1)
    loaded.clerk.write("account.invoice", [invoice["id"]], {"accounting_date": first})
    settle(loaded)
    assert [each["invoice_state"] for each in invoices(loaded, unbilled[0])] == ["posted"]
    assert len(loaded.held()) == 2
    assert not loaded.letters()


def test_all_go_out_by_themselves_once_the_period_is_open_again(
    loaded: Distributor, unbilled: list[str], closed: int
) -> None:
    accounts.reopen_period(loaded.clerk, closed)
    _wait(loaded)
    assert not loaded.held()
    for deal in unbilled:
        (invoice,) = documents_of(loaded, deal)
        assert [each["invoice_number"] for each in invoices(loaded, deal)] == [invoice["number"]]
    assert not loaded.letters()


def test_status_says_how_long_each_invoice_took_after_its_shipment(loaded: Distributor) -> None:
    """Those of the closed period waited for it: the worst is theirs, and it is said, not left out."""
    posted = loaded.clerk.find("account.invoice", [["type", "=", "out"], ["state", "in", ["posted", "paid"]]])
    lag = json.loads(CliRunner().invoke(cli, ["status", "--json"], catch_exceptions=False).stdout)["invoice_lag"]
    assert lag["count"] == len(posted) >= 5
    assert 0 < lag["median_s"] <= lag["worst_s"]
    said = CliRunner().invoke(cli, ["status"], catch_exceptions=False).stdout
    assert f"{lag['count']} invoices within a day: median" in said


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    ((last,),) = loaded.rows("SELECT max(id) FROM attempts")
    loaded.look_at_everything()
    settle(loaded)
    assert loaded.rows("SELECT system, kind, record_id, fields FROM attempts WHERE id > %s", last) == []
    assert loaded.broken_laws() == []
