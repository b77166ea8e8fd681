"""The Tryton connector against the real server: what it promises the engine, attacked."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from sync_workers.connectors.contract import Cursor, Native, Variant
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.connectors.tryton.session import Deadline, Session
from sync_workers.errors import PermanentError, SyncError, SystemDown, TransientError
from tests.integration.tryton.bench import PATHS, changed, drained, erp, line, unique

__all__ = ["erp"]  # a fixture

pytestmark = pytest.mark.tryton


def test_examine_finds_a_server_that_is_ready(erp):
    findings = erp.connector.examine(PATHS)
    assert [finding for finding in findings if not finding.ok] == []


def test_examine_says_what_to_mend_when_the_password_is_wrong(erp):
    options = {**erp.settings.options, "password": "not-this-one"}
    findings = TrytonConnector(replace(erp.settings, options=options), {}).examine(PATHS)
    assert not findings[-1].ok
    assert "password" in findings[-1].mend


def test_a_server_that_refuses_the_login_is_down_and_not_a_poisoned_record(erp):
    options = {**erp.settings.options, "user": unique()}
    with pytest.raises(SystemDown):
        TrytonConnector(replace(erp.settings, options=options), {}).find("customer", "code", "x")


def test_the_company_and_its_employees_are_no_customers(erp):
    company = erp.person("company.company.search_read", [], 0, None, None, ["party"])[0]["party"]
    assert str(company) not in erp.connector.ids("customer")
    notices = erp.connector.changes("customer", Cursor()).notices
    assert str(company) not in [notice.external_id for notice in notices]


def test_confirms_of_limited_customers_side_by_side_end_confirmed_or_may_be_tried_again(erp):
    orders = []
    for _ in range(6):
        customer = erp.customer()
        erp.limit(customer, "100000")
        orders.append(erp.step(erp.order(customer, line(erp.stocked_part(), "1")), "quote"))

    def confirm(order: Native) -> Native | SyncError:
        try:
            return erp.step(order, "confirm")
        except SyncError as error:
            return error

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(confirm, orders))
    for order, result in zip(orders, results, strict=True):
        state = erp.connector.read("order", order.id).fields["state"]
        if isinstance(result, Native):
            assert state in ("confirmed", "processing")
        else:
            assert isinstance(result, TransientError), result
            assert state == "quotation"
            assert erp.step(order, "confirm").fields["state"] in ("confirmed", "processing")


def test_stock_is_promised_at_the_confirm_and_gone_with_the_shipment(erp):
    part = erp.stocked_part()
    (before,) = erp.connector.find("stock", "code", part)
    order = erp.step(erp.order(erp.customer(), line(part, "4")), "quote")
    erp.step(order, "confirm")
    promised = erp.connector.read("stock", before.id)
    assert promised.fields["on_hand"] == before.fields["on_hand"]
    assert promised.fields["allocated"] == before.fields["allocated"] + 4
    assert promised.fields["available"] == before.fields["available"] - 4
    start = erp.connector.changes("stock", Cursor()).cursor
    erp.ship(order)
    shipped = erp.connector.read("stock", before.id)
    assert shipped.fields["on_hand"] == before.fields["on_hand"] - 4
    assert shipped.fields["allocated"] == before.fields["allocated"]
    assert before.id in {notice.external_id for notice in erp.connector.changes("stock", start).notices}
    assert erp.connector.read("order", order.id).fields["shipment_state"] == "sent"


def test_the_snapshot_shows_every_part_once_by_ascending_id(erp):
    ids = [int(part.id) for part in erp.connector.stock_snapshot()]
    assert ids == sorted(set(ids))
    assert {str(one) for one in ids} == set(all_ids(erp.connector, "stock"))


def test_stock_cannot_be_written(erp):
    (part,) = erp.connector.find("stock", "code", erp.stocked_part())
    with pytest.raises(PermanentError):
        erp.write("stock", part.id, {"on_hand": Decimal(1)})


def test_a_change_of_an_item_is_a_change_of_its_record(erp):
    customer = erp.customer()
    order = erp.order(customer, line(erp.stocked_part()))
    starts = {kind: drained(erp.connector, kind) for kind in ("customer", "order")}
    erp.person("sale.line.write", [int(order.fields["lines"][0]["id"])], {"note": "touched"})
    erp.person("party.address.write", [int(customer.fields["addresses"][0]["id"])], {"city": "Ogden"})
    assert order.id in changed(erp.connector, "order", starts["order"])
    assert customer.id in changed(erp.connector, "customer", starts["customer"])


def test_rows_of_a_long_transaction_that_turn_up_behind_the_position_are_not_missed(erp):
    cursor = drained(erp.connector, "customer")
    busy = erp.customer()
    seen: set[str] = set()
    newest = busy.changed_at
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(erp.person, "party.party.create", [{"name": unique()} for _ in range(1500)])
        while not slow.done():
            busy = erp.write("customer", busy.id, {"phone": f"+1202555{secrets.randbelow(9000) + 1000}"})
            page = erp.connector.changes("customer", cursor)
            seen |= {notice.external_id for notice in page.notices}
            cursor, newest = page.cursor, max(newest, busy.changed_at)
        created = [str(number) for number in slow.result()]
    assert erp.connector.read("customer", created[0]).changed_at < newest  # it did turn up behind
    assert set(created) <= seen | changed(erp.connector, "customer", cursor)


def test_a_page_that_ends_inside_one_call_s_rows_goes_on_where_it_ended(erp):
    connector = TrytonConnector(
        replace(erp.settings, options={**erp.settings.options, "longest_transaction_s": 0}), PATHS
    )
    start = drained(connector, "customer")
    created = {
        str(one) for one in erp.person("party.party.create", [{"name": unique()} for _ in range(1100)])
    }
    seen: list[str] = []
    pages, more, cursor = 0, True, start
    while more:
        page = connector.changes("customer", cursor)
        seen += [notice.external_id for notice in page.notices]
        pages, more, cursor = pages + 1, page.more, page.cursor
    assert pages > 1
    assert created <= set(seen)


def test_a_session_that_ended_is_renewed_by_a_read_and_a_write_is_left_to_the_next_try(erp):
    connector = TrytonConnector(erp.settings, PATHS)
    customer = erp.customer()
    session = connector._session
    log_out(session)
    with pytest.raises(TransientError):
        session.call(
            "model.party.party.write", [int(customer.id)], {"name": "x"}, within=Deadline(), writes=True
        )
    assert connector.read("customer", customer.id).fields["name"] == "Globex"
    log_out(session)
    assert connector.read("customer", customer.id).fields["name"] == "Globex"


def test_an_absent_record_is_none_and_not_an_error(erp):
    assert erp.connector.read("order", "999999999") is None
    assert erp.connector.read_many("customer", ["999999999", "not-a-number"]) == {}


def test_an_unknown_field_is_refused_by_name(erp):
    with pytest.raises(PermanentError, match="shoe_size"):
        erp.write("customer", None, {"name": "x", "shoe_size": "44"})


def test_a_spent_budget_sends_nothing(erp):
    reference = unique()
    with pytest.raises(TransientError):
        erp.write("customer", None, {"name": "late"}, reference, budget_s=0.0)
    assert erp.connector.find("customer", "code", reference) == []


def test_every_kind_is_described_and_has_traits(erp):
    variants = {kind: erp.connector.traits(kind).variant for kind in ("customer", "part", "order")}
    assert variants == {"customer": Variant.T1, "part": Variant.T1, "order": Variant.T2}
    assert erp.connector.describe("order")["state"].choices
    assert erp.connector.describe("customer")["code"].unique
    assert erp.connector.describe("order")["lines.unit_price"].type == "numeric"


def log_out(session: Session) -> None:
    """End the session on the server, as its administrator may at any time."""
    session._post("common.db.logout", [], session.login(Deadline()).header, Deadline(), False)


def all_ids(connector: TrytonConnector, kind: str) -> list[str]:
    found: list[str] = []
    while page := connector.ids(kind, found[-1] if found else ""):
        found += page
    return found


