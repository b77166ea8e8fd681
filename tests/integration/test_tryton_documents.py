"""Shipments, invoices and credit notes of the real ERP, as the connector shows them and as polls find them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, Native, NativeWrite, SystemSettings
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.connectors.tryton.session import Deadline
from sync_workers.errors import Hold, PermanentError, SyncError, TransientError
from sync_workers.sandbox.tryton import accounts, sales, warehouse
from sync_workers.sandbox.tryton.catalogue import CARRIERS, MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer
from sync_workers.sandbox.tryton.wizards import Wizard

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"
SEAL = "SEAL 40 62 10"
CUSTOMER = "C1002"
KINDS = ("shipment", "invoice", "credit_note")


class Office:
    """The connector under test, the people at the ERP, and what the polls of each kind have found since."""

    def __init__(self, settings: SystemSettings, clerk: Rpc) -> None:
        self.settings = settings
        self.connector = TrytonConnector(settings, {})
        self.clerk = clerk
        self._cursors: dict[str, Cursor] = {}
        self._orders = itertools.count(1)

    def order(self, lines: Mapping[str, float] | None = None) -> int:
        """Return a confirmed order whose lines carry the keys k0, k1 ..."""
        sale = sales.place_order(self.clerk, CUSTOMER, lines or {BEARING: 10}, f"crm-order-{next(self._orders)}")
        (row,) = self.clerk.read("sale.sale", [sale], "lines")
        for place, line in enumerate(row["lines"]):
            self.clerk.write("sale.line", [line], {"note": f"k{place}"})
        sales.release_order(self.clerk, sale)
        return sale

    def shipped(self, lines: Mapping[str, float] | None = None) -> tuple[int, str]:
        """Return an order that has left at once, and its draft invoice."""
        sale = self.order(lines)
        warehouse.ship(self.clerk, sale)
        (invoice,) = accounts.waiting_invoices(self.clerk, sale)
        return sale, str(invoice)

    def invoiced(self, lines: Mapping[str, float] | None = None) -> tuple[int, str]:
        sale, invoice = self.shipped(lines)
        accounts.post_invoices(self.clerk, sale)
        return sale, invoice

    def read(self, kind: str, number: object) -> Native:
        native = self.connector.read(kind, str(number))
        assert native is not None
        return native

    def post(self, invoice: str, **more: Any) -> Native:
        return self.connector.write(NativeWrite("invoice", invoice, {}, "", action="post", **more))

    def news(self, kind: str) -> set[str]:
        """Return the records that polls of this kind have found since the last call."""
        found: set[str] = set()
        more = True
        while more:
            page = self.connector.changes(kind, self._cursors.get(kind, Cursor()))
            found |= {notice.external_id for notice in page.notices}
            self._cursors[kind], more = page.cursor, page.more
        return found

    def ids(self, kind: str) -> list[str]:
        found: list[str] = []
        while page := self.connector.ids(kind, found[-1] if found else ""):
            found += page
        return found

    def customer(self) -> str:
        return str(sales.find_customer(self.clerk, CUSTOMER))


@pytest.fixture(scope="module")
def office(tryton: TrytonServer) -> Iterator[Office]:
    database = tryton.fresh_database(f"documents_{secrets.token_hex(6)}")
    options = {
        "database": database, "user": tryton.user, "password": tryton.password, "warehouse": MAIN_WAREHOUSE,
        "invoice_on_shipment": True, "longest_transaction_s": 0,
    }  # fmt: skip
    clerk = tryton.login(CLERK, database)
    for code in (BEARING, SEAL):
        warehouse.receive_goods(clerk, code, 1000)
    yield Office(SystemSettings("erp", "tryton", tryton.url, options), clerk)
    clerk.close()
    tryton.drop_database(database)


def lines_of(native: Native) -> list[tuple[str | None, str, Decimal]]:
    return [(line["line"], line["product"]["code"], line["quantity"]) for line in native.fields["lines"]]


def shown(native: Native, *names: str) -> tuple[Any, ...]:
    return tuple(native.fields[name] for name in names)


def test_ten_shipped_as_four_three_and_three_are_three_parcels_with_an_invoice_each(office):
    sale = office.order({BEARING: 10, SEAL: 2})
    for kind in KINDS:
        office.news(kind)
    seen: set[str] = set()
    for number, (pieces, rest) in enumerate([(4, 2), (3, 0), (3, 0)], 1):
        shipment = warehouse.ship(office.clerk, sale, {BEARING: pieces, SEAL: rest}, tracking=f"PP {number}")
        assert str(shipment) in office.news("shipment")
        parcel = office.read("shipment", shipment)
        assert shown(parcel, "state", "order", "customer") == ("done", str(sale), office.customer())
        assert shown(parcel, "carrier", "tracking") == (CARRIERS[0], f"PP {number}")
        assert shown(parcel, "effective_date", "warehouse") == (warehouse.today(), MAIN_WAREHOUSE)
        assert "DOCK ROAD" in parcel.fields["ship_to"].upper()
        wanted = [("k0", BEARING, Decimal(pieces)), *([("k1", SEAL, Decimal(rest))] if rest else [])]
        assert sorted(lines_of(parcel)) == wanted

        (invoice,) = office.news("invoice") - seen
        seen.add(invoice)
        draft = office.read("invoice", invoice)
        assert shown(draft, "state", "order", "post_asked") == ("draft", str(sale), True)
        assert shown(draft, "shipments", "credits") == (parcel.fields["number"], None)
        assert sorted(lines_of(draft)) == wanted

        posted = office.post(invoice, version=draft.version)
        assert posted.fields["number"].startswith("INV")
        assert shown(posted, "state", "invoice_date", "paid_amount") == ("posted", warehouse.today(), 0)
        assert posted.fields["due_date"] == warehouse.today() + timedelta(days=14)
        assert posted.fields["balance"] == posted.fields["total_amount"] > 0
        assert posted.fields["total_amount"] == posted.fields["untaxed_amount"] + posted.fields["tax_amount"]
        assert posted.fields["shipped_at"] < posted.fields["posted_at"]
        assert invoice in office.news("invoice")


def test_a_shipment_is_planned_until_it_leaves(office):
    sale = office.order()
    (shipment,) = warehouse.open_shipments(office.clerk, sale)
    office.news("shipment")
    for button, state in [("assign_try", "planned"), ("pick", "planned"), ("pack", "planned"), ("ship", "shipped")]:
        office.clerk.press_through("stock.shipment.out", button, shipment)
        parcel = office.read("shipment", shipment)
        assert shown(parcel, "state", "effective_date") == (state, None)
        assert lines_of(parcel) == [("k0", BEARING, 10)]
        assert str(shipment) in office.news("shipment")


def test_a_tracking_number_that_comes_later_is_news(office):
    shipment = warehouse.ship(office.clerk, office.order())
    assert office.read("shipment", shipment).fields["tracking"] is None
    office.news("shipment")
    warehouse.set_carrier(office.clerk, shipment, CARRIERS[0], "PP LATE")
    assert office.news("shipment") == {str(shipment)}
    (found,) = office.connector.find("shipment", "tracking", "PP LATE")
    assert found.id == str(shipment)


def test_a_server_without_carriers_shows_a_shipment_without_them(office):
    bare, model = TrytonConnector(office.settings, {}), "stock.shipment.out"
    known = bare._session.ask_fields(model, Deadline())
    bare._session._fields[model] = {
        name: field for name, field in known.items()
        if name not in ("carrier", "shipping_reference", "root_packages")
    }  # fmt: skip
    shipment = warehouse.ship(office.clerk, office.order(), tracking="PP UNSEEN")
    parcel = bare.read("shipment", str(shipment))
    assert parcel is not None
    assert not {"carrier", "tracking"} & set(parcel.fields)
    assert shown(parcel, "state", "order") == ("done", office.read("shipment", shipment).fields["order"])


def test_a_shipment_that_is_undone_is_cancelled_and_keeps_what_was_in_it(office):
    sale, invoice = office.shipped()
    (row,) = office.clerk.read("sale.sale", [sale], "shipments")
    (shipment,) = row["shipments"]
    for kind in KINDS:
        office.news(kind)
    warehouse.cancel_shipment(office.clerk, shipment)
    assert str(shipment) in office.news("shipment")
    assert office.read("shipment", shipment).fields["state"] == "cancelled"
    assert lines_of(office.read("shipment", shipment)) == [("k0", BEARING, 10)]
    assert invoice in office.news("invoice")
    assert shown(office.read("invoice", invoice), "post_asked", "shipped_at") == (False, None)
    (credit,) = office.news("credit_note")
    assert shown(office.read("credit_note", credit), "state", "order") == ("draft", str(sale))
    assert lines_of(office.read("credit_note", credit)) == [("k0", BEARING, -10)]


def test_more_than_ordered_and_less_than_ordered_are_shown_as_they_left(office):
    over, short = office.order(), office.order()
    more = warehouse.ship(office.clerk, over, {BEARING: 12})
    less = warehouse.ship(office.clerk, short, {BEARING: 4})
    (rest,) = warehouse.open_shipments(office.clerk, short)
    sales.close_short(office.clerk, short)
    assert lines_of(office.read("shipment", more)) == [("k0", BEARING, 12)]
    assert lines_of(office.read("shipment", less)) == [("k0", BEARING, 4)]
    assert office.read("shipment", rest).fields["state"] == "cancelled"
    (invoice,) = accounts.waiting_invoices(office.clerk, over)
    assert lines_of(office.read("invoice", str(invoice))) == [("k0", BEARING, 12)]


def test_payments_in_part_and_whole_are_news_with_what_is_still_open(office):
    _, invoice = office.invoiced()
    total = office.read("invoice", invoice).fields["total_amount"]
    office.news("invoice")
    accounts.pay_invoice(office.clerk, int(invoice), Decimal("10.00"))
    assert office.news("invoice") == {invoice}
    assert shown(office.read("invoice", invoice), "state", "paid_amount", "balance") == ("posted", 10, total - 10)
    accounts.pay_invoice(office.clerk, int(invoice))
    assert office.news("invoice") == {invoice}
    assert shown(office.read("invoice", invoice), "state", "paid_amount", "balance") == ("paid", total, 0)


def test_a_payment_that_is_reconciled_by_hand_and_its_undoing_are_news(office):
    _, invoice = office.invoiced()
    due, paid = booked_payment(office.clerk, int(invoice))
    office.news("invoice")
    with Wizard(office.clerk, "account.move.reconcile_lines", "account.move.line", due, paid):
        pass
    assert office.news("invoice") == {invoice}
    assert shown(office.read("invoice", invoice), "state", "balance") == ("paid", 0)
    with Wizard(office.clerk, "account.move.unreconcile_lines", "account.move.line", due):
        pass
    assert office.news("invoice") == {invoice}
    assert office.read("invoice", invoice).fields["state"] == "posted"


@pytest.mark.parametrize("pieces", [10, 3], ids=["everything", "some"])
def test_a_return_is_a_credit_note_of_the_order_that_was_shipped(office, pieces):
    sale, invoice = office.invoiced()
    office.news("credit_note")
    back = sales.return_goods(office.clerk, sale, {BEARING: pieces})
    (credit,) = office.news("credit_note")
    accounts.post_invoices(office.clerk, back)
    assert office.news("credit_note") == {credit}
    note = office.read("credit_note", credit)
    assert note.fields["number"].startswith("CN")
    assert shown(note, "state", "order", "customer") == ("posted", str(sale), office.customer())
    assert note.fields["credits"] == office.read("invoice", invoice).fields["number"]
    assert lines_of(note) == [("k0", BEARING, -pieces)]
    assert note.fields["balance"] == note.fields["total_amount"] < 0
    (row,) = office.clerk.read("sale.sale", [back], "shipment_returns")
    (received,) = office.clerk.read("stock.shipment.out.return", row["shipment_returns"], "number")
    assert shown(note, "shipments", "post_asked") == (received["number"], False)


def test_a_refund_without_a_return_names_the_invoice_that_it_cancels(office):
    sale, invoice = office.invoiced()
    for kind in KINDS:
        office.news(kind)
    credit = str(accounts.credit_invoice(office.clerk, int(invoice), refund=True))
    assert (office.news("invoice"), office.news("credit_note")) == ({invoice}, {credit})
    cancelled, note = office.read("invoice", invoice), office.read("credit_note", credit)
    assert shown(cancelled, "state", "paid_amount", "balance") == ("cancelled", 0, 0)
    assert shown(note, "state", "order", "balance") == ("paid", str(sale), 0)
    assert note.fields["credits"] == cancelled.fields["number"]
    assert lines_of(note) == [("k0", BEARING, -10)]


def test_a_credit_for_part_of_an_invoice_keeps_the_line_of_the_order(office):
    sale, invoice = office.invoiced({BEARING: 10, SEAL: 2})
    credit = str(accounts.credit_part(office.clerk, int(invoice), 2))
    note = office.read("credit_note", credit)
    assert shown(note, "state", "order") == ("posted", str(sale))
    assert lines_of(note) == [("k0", BEARING, -2)]
    assert note.fields["credits"] == office.read("invoice", invoice).fields["number"]


def test_every_verb_agrees_on_what_is_an_invoice_and_what_a_credit_note(office):
    sale, invoice = office.invoiced()
    draft = str(accounts.credit_invoice(office.clerk, int(invoice), refund=False))
    sales.return_goods(office.clerk, sale)
    found = office.clerk.find("account.invoice", [["type", "=", "out"]])
    rows = office.clerk.read("account.invoice", found, "number", "total_amount")
    totals = {str(row["id"]): row["total_amount"] for row in rows}
    below = {number for number, total in totals.items() if total < 0}
    assert draft in below
    assert set(office.ids("credit_note")) == below
    assert set(office.ids("invoice")) == set(totals) - below
    assert set(office.connector.read_many("credit_note", list(totals))) == below
    assert set(office.connector.read_many("invoice", list(totals))) == set(totals) - below
    for row in rows:
        if row["number"]:
            kind, other = ("credit_note", "invoice") if row["total_amount"] < 0 else ("invoice", "credit_note")
            assert [one.id for one in office.connector.find(kind, "number", row["number"])] == [str(row["id"])]
            assert office.connector.find(other, "number", row["number"]) == []
    everything = TrytonConnector(office.settings, {})
    assert {one.external_id for one in everything.changes("credit_note", Cursor()).notices} == below
    assert office.connector.read("invoice", draft) is None
    assert office.connector.read("credit_note", invoice) is None


def test_drafts_of_the_other_kind_do_not_end_the_sweep(office, monkeypatch):
    _, invoice = office.invoiced()
    for _ in range(3):
        accounts.credit_invoice(office.clerk, int(invoice), refund=False)
    _, last = office.shipped()
    monkeypatch.setattr("sync_workers.connectors.tryton.connector.IDS", 2)
    assert office.ids("invoice")[-1] == last
    assert len(office.ids("invoice")) == len(set(office.ids("invoice")))


def test_a_post_that_is_repeated_is_the_same_invoice(office):
    _, invoice = office.shipped()
    posted = office.post(invoice)
    assert office.post(invoice) == posted
    accounts.pay_invoice(office.clerk, int(invoice))
    assert office.post(invoice).fields["number"] == posted.fields["number"]


def test_a_closed_period_is_a_hold_until_period_and_journal_are_open_again(office):
    office.invoiced()  # so that the journal has a period of its own, which is closed along
    _, invoice = office.shipped()
    period = accounts.close_period(office.clerk)
    name = f"{warehouse.today():%Y-%m}"
    with pytest.raises(Hold) as caught:
        office.post(invoice)
    assert (caught.value.code, caught.value.recheck) == ("period_closed", timedelta(minutes=10))
    assert f"open the period {name}" in caught.value.mend
    assert office.read("invoice", invoice).fields["state"] == "draft"
    office.clerk.press("account.period", "reopen", period)
    with pytest.raises(Hold) as caught:
        office.post(invoice)
    assert caught.value.code == "period_closed"
    assert "period of the journal Revenue" in caught.value.mend
    closed = office.clerk.find("account.journal.period", [["period", "=", period], ["state", "=", "closed"]])
    office.clerk.press("account.journal.period", "reopen", *closed)
    assert office.post(invoice).fields["state"] == "posted"


def test_a_day_without_a_period_is_a_hold_that_names_it(office):
    _, invoice = office.shipped()
    far = warehouse.today().replace(year=warehouse.today().year - 3)
    office.clerk.write("account.invoice", [int(invoice)], {"invoice_date": far, "payment_term_date": warehouse.today()})
    with pytest.raises(Hold) as caught:
        office.post(invoice)
    assert caught.value.code == "period_closed"
    assert f"a period for {far}" in caught.value.mend


def test_posts_side_by_side_are_booked_or_may_be_tried_again(office):
    drafts = [office.shipped()[1] for _ in range(4)]

    def post(invoice: str) -> Native | SyncError:
        try:
            return office.post(invoice)
        except SyncError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(post, drafts))
    for invoice, result in zip(drafts, results, strict=True):
        if isinstance(result, Native):
            assert result.fields["state"] == "posted"
        else:
            assert isinstance(result, TransientError), result
            assert office.post(invoice).fields["state"] == "posted"
    assert office.connector.traits("invoice").serial == ("post",)


def test_an_invoice_that_changed_since_it_was_planned_is_not_posted(office):
    _, invoice = office.shipped()
    planned = office.read("invoice", invoice)
    office.clerk.write("account.invoice", [int(invoice)], {"reference": "changed by a person"})
    with pytest.raises(TransientError):
        office.post(invoice, version=planned.version)
    assert office.read("invoice", invoice).fields["state"] == "draft"


def test_a_cancelled_invoice_is_not_posted(office):
    _, invoice = office.shipped()
    office.clerk.press("account.invoice", "cancel", int(invoice))
    with pytest.raises(PermanentError, match="cancelled"):
        office.post(invoice)


def test_nobody_asks_for_an_invoice_where_the_setting_does_not(office):
    options = {**office.settings.options, "invoice_on_shipment": False}
    quiet = TrytonConnector(replace(office.settings, options=options), {})
    _, invoice = office.shipped()
    draft = quiet.read("invoice", invoice)
    assert draft is not None
    assert draft.fields["post_asked"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_never_written(office, kind):
    with pytest.raises(PermanentError, match="Tryton makes it"):
        office.connector.write(NativeWrite(kind, None, {"number": "1"}, "ours"))
    number = office.ids(kind)[0]
    with pytest.raises(PermanentError, match="Tryton makes it"):
        office.connector.write(NativeWrite(kind, number, {"number": "1"}, "ours"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_is_described_and_the_doctor_is_content(office, kind):
    described = office.connector.describe(kind)
    native = office.read(kind, office.ids(kind)[-1])
    assert set(paths_in(native.fields)) <= set(described)
    assert [one for one in office.connector.examine({kind: list(paths_in(native.fields))}) if not one.ok] == []


def paths_in(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from paths_in(value, f"{path}.")
        elif isinstance(value, list):
            yield from (inner for inner in paths_in(value[0], f"{path}.") if not inner.endswith("lines.id"))
        else:
            yield path


def booked_payment(clerk: Rpc, invoice: int) -> tuple[int, int]:
    """Book what an invoice asks for as a bank statement would; return the line that is due and the one that pays."""
    (row,) = clerk.read("account.invoice", [invoice], "lines_to_pay")
    (due,) = clerk.read("account.move.line", row["lines_to_pay"], "account", "debit", "party")
    method = clerk.find("account.invoice.payment.method", [])[:1]
    (bank,) = clerk.read("account.invoice.payment.method", method, "debit_account", "journal")
    nothing = Decimal(0)
    (move,) = clerk.create("account.move", {
        "journal": bank["journal"], "period": accounts.find_period(clerk, warehouse.today()),
        "date": warehouse.today(), "company": clerk.context["company"], "lines": [["create", [
            {"account": bank["debit_account"], "debit": due["debit"], "credit": nothing},
            {"account": due["account"], "party": due["party"], "debit": nothing, "credit": due["debit"]},
        ]]],
    })  # fmt: skip
    clerk.press("account.move", "post", move)
    return due["id"], clerk.one("account.move.line", [["move", "=", move], ["account", "=", due["account"]]])
