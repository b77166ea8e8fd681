"""The Tryton connector against the real server: what it promises the engine, attacked."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, ListChange, Native, NativeWrite, SystemSettings, Variant
from sync_workers.connectors.tryton.connector import TrytonConnector
from sync_workers.connectors.tryton.session import Deadline, Session
from sync_workers.errors import Exists, Hold, PermanentError, SyncError, SystemDown, TransientError
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer
from sync_workers.sandbox.tryton.warehouse import ship

pytestmark = pytest.mark.tryton

PATHS = {
    "customer": ["code", "email"],
    "part": ["code"],
    "stock": ["on_hand"],
    "order": ["reference", "lines.note"],
}


class Erp:
    """The connector under test, and what a person at the ERP does meanwhile."""

    def __init__(self, settings: SystemSettings, privileged: SystemSettings, clerk: Rpc) -> None:
        self.settings = settings
        self.privileged = privileged
        self.connector = TrytonConnector(settings, PATHS)
        self._clerk = clerk

    def person(self, method: str, *params: Any) -> Any:
        return self._clerk.call(f"model.{method}", *params)

    def write(
        self, kind: str, id_: str | None, fields: dict[str, Any], reference: str = "", **more: Any
    ) -> Native:
        if id_ is None:
            more.setdefault("reference_path", "code" if kind in ("customer", "part") else "reference")
        return self.connector.write(NativeWrite(kind, id_, fields, reference or unique(), **more))

    def customer(self, reference: str = "", **fields: Any) -> Native:
        address = {"street": "1 Main Street", "city": "Springfield"}
        return self.write("customer", None, {"name": "Globex", "main_address": address, **fields}, reference)

    def stocked_part(self) -> str:
        """Return the number of a part of which there are at least twenty to sell."""
        return next(
            str(part.fields["code"])
            for part in self.connector.stock_snapshot()
            if part.fields["available"] >= 20
        )

    def order(self, customer: Native, *lines: dict[str, Any], reference: str = "") -> Native:
        added = tuple((f"line-{number}", line) for number, line in enumerate(lines, 1))
        return self.write("order", None, {"party": customer.id, "lines": ListChange(add=added)}, reference)

    def step(self, order: Native, action: str) -> Native:
        return self.connector.write(NativeWrite("order", order.id, {}, "", action=action))

    def limit(self, customer: Native, amount: str | None) -> None:
        value = None if amount is None else Decimal(amount)
        self.person("party.party.write", [int(customer.id)], {"credit_limit_amount": value})

    def ship(self, order: Native) -> None:
        """Do what the warehouse does until the goods have left."""
        ship(self._clerk, int(order.id))


def unique() -> str:
    return f"T-{secrets.token_hex(5)}"


def line(part: str, quantity: str = "2", **fields: Any) -> dict[str, Any]:
    return {"product": {"code": part}, "quantity": Decimal(quantity), **fields}


@pytest.fixture(scope="module")
def erp(tryton: TrytonServer) -> Iterator[Erp]:
    database = tryton.fresh_database(f"connector_{secrets.token_hex(6)}")

    def settings(user: str) -> SystemSettings:
        options = {"database": database, "user": user, "password": tryton.passwords[user]}
        return SystemSettings("erp", "tryton", tryton.url, {**options, "warehouse": MAIN_WAREHOUSE})

    clerk = tryton.login(CLERK, database)
    yield Erp(settings(tryton.user), settings(CLERK), clerk)
    clerk.close()
    tryton.drop_database(database)


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


def test_a_customer_is_stored_as_it_was_sent(erp):
    reference = unique()
    stored = erp.customer(reference, email="buyer@example.com", phone="+12025550123", tax_id="94-3166")
    assert stored.fields["code"] == reference
    assert stored.fields["email"] == "buyer@example.com"
    assert stored.fields["tax_id"] == "94-3166"
    assert stored.fields["main_address"]["city"] == "Springfield"
    assert erp.connector.read("customer", stored.id) == stored
    assert erp.connector.find("customer", "tax_id", "94-3166")


def test_twenty_creates_of_one_customer_at_once_make_one(erp):
    reference = unique()

    def create(_: int) -> Native | SyncError:
        try:
            return erp.customer(reference)
        except SyncError as error:
            return error

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(create, range(20)))
    born = [result for result in results if isinstance(result, Native)]
    (found,) = erp.connector.find("customer", "code", reference)
    assert [one.id for one in born] == [found.id]
    refused = [result for result in results if not isinstance(result, Native)]
    assert all(isinstance(error, Exists | TransientError) for error in refused), refused
    assert {error.external_id for error in refused if isinstance(error, Exists)} <= {found.id}


def test_a_switched_off_customer_is_found_and_marked(erp):
    customer = erp.customer()
    erp.person("party.party.write", [int(customer.id)], {"active": False})
    (found,) = erp.connector.find("customer", "code", customer.fields["code"])
    assert found.archived
    with pytest.raises(Exists):
        erp.customer(customer.fields["code"])


def test_addresses_are_added_changed_and_removed_one_by_one(erp):
    customer = erp.customer()
    main = customer.fields["addresses"][0]
    more = erp.write(
        "customer",
        customer.id,
        {
            "addresses": ListChange(
                add=(("depot", {"street": "2 Dock Road", "city": "Ogden", "delivery": True}),)
            )
        },
        version=customer.version,
    )
    depot = more.fields["addresses"][1]
    assert (depot["city"], depot["delivery"], depot["invoice"]) == ("Ogden", True, False)
    less = erp.write(
        "customer",
        customer.id,
        {"addresses": ListChange(change=((main["id"], {"city": "Shelbyville"}),), remove=(depot["id"],))},
        version=more.version,
    )
    assert [one["city"] for one in less.fields["addresses"]] == ["Shelbyville"]
    assert less.fields["main_address"]["city"] == "Shelbyville"


@pytest.mark.parametrize("where", ["the record", "an item of it", "a deleted item"])
def test_a_write_planned_on_an_older_state_is_refused(erp, where):
    order = erp.order(erp.customer(), line(erp.stocked_part()), line(erp.stocked_part()))
    lines = [int(one["id"]) for one in order.fields["lines"]]
    if where == "the record":
        erp.person("sale.sale.write", [int(order.id)], {"comment": "changed by a person"})
    elif where == "an item of it":
        erp.person("sale.line.write", [lines[0]], {"quantity": 7.0})
    else:
        erp.person("sale.line.delete", [lines[1]])
    with pytest.raises(TransientError):
        erp.write("order", order.id, {"comment": "ours"}, version=order.version)
    assert erp.connector.read("order", order.id).fields["comment"] != "ours"


def test_an_order_gets_what_the_form_would_fill_in(erp):
    customer, part = erp.customer(), erp.stocked_part()
    order = erp.order(customer, line(part, "3", unit_price=Decimal("1.23456")), line(part, "1"))
    assert order.fields["state"] == "draft"
    assert order.fields["invoice_address"] == customer.fields["main_address"]["id"]
    priced, unpriced = order.fields["lines"]
    assert (priced["note"], priced["unit_price"], priced["amount"]) == (
        "line-1", Decimal("1.2346"), Decimal("3.70"),
    )  # fmt: skip
    (known,) = erp.connector.find("part", "code", part)
    assert unpriced["unit_price"] == known.fields["list_price"]
    assert order.fields["total_amount"] == order.fields["untaxed_amount"] + order.fields["tax_amount"]


def test_an_order_sent_twice_is_found_by_its_reference(erp):
    customer, reference = erp.customer(), unique()
    order = erp.order(customer, line(erp.stocked_part()), reference=reference)
    assert [one.id for one in erp.connector.find("order", "reference", reference)] == [order.id]
    with pytest.raises(Exists) as caught:
        erp.order(customer, line(erp.stocked_part()), reference=reference)
    assert caught.value.external_id == order.id


def test_lines_are_added_changed_and_removed_one_by_one(erp):
    part = erp.stocked_part()
    order = erp.order(erp.customer(), line(part, "1"), line(part, "2"))
    first, second = (one["id"] for one in order.fields["lines"])
    change = ListChange(
        add=(("line-3", line(part, "5")),), change=((first, {"quantity": Decimal(9)}),), remove=(second,)
    )
    after = erp.write("order", order.id, {"lines": change}, version=order.version)
    assert [(one["note"], one["quantity"]) for one in after.fields["lines"]] == [("line-1", 9), ("line-3", 5)]


@pytest.mark.parametrize("why", ["unknown", "switched off", "replaced"])
def test_a_part_that_cannot_be_sold_is_named_with_what_would_mend_it(erp, why):
    number, successor = unique(), erp.stocked_part()
    if why != "unknown":
        part = erp.write("part", None, {"name": "Old part", "unit": {"symbol": "u"}}, number)
        (heir,) = erp.connector.find("part", "code", successor)
        values = {"active": False} | ({"replaced_by": int(heir.id)} if why == "replaced" else {})
        erp.person("product.product.write", [int(part.id)], values)
    with pytest.raises(PermanentError) as caught:
        erp.order(erp.customer(), line(number))
    assert number in caught.value.message
    assert caught.value.field == "product.code"
    assert (successor in caught.value.message) is (why == "replaced")


def test_a_confirm_repeated_is_the_same_order(erp):
    order = erp.order(erp.customer(), line(erp.stocked_part()))
    quoted = erp.step(order, "quote")
    assert quoted.fields["state"] == "quotation"
    assert quoted.fields["number"]
    confirmed = erp.step(order, "confirm")
    assert confirmed.fields["state"] in ("confirmed", "processing")
    assert erp.step(order, "confirm") == confirmed
    assert erp.step(order, "quote") == confirmed


def test_a_quotation_is_reopened_for_what_only_a_draft_may_change(erp):
    order = erp.step(erp.order(erp.customer(), line(erp.stocked_part())), "quote")
    written = erp.write("order", order.id, {"description": "PO-2"}, version=order.version)
    assert written.fields["description"] == "PO-2"
    assert written.fields["state"] == "draft"
    assert written.fields["number"] == order.fields["number"]


def test_a_quotation_stays_one_for_what_may_change_at_any_time(erp):
    order = erp.step(erp.order(erp.customer(), line(erp.stocked_part())), "quote")
    written = erp.write("order", order.id, {"comment": "Gate 4"}, version=order.version)
    assert (written.fields["comment"], written.fields["state"]) == ("Gate 4", "quotation")


def test_an_order_under_way_refuses_what_may_not_change_any_more_and_names_it(erp):
    order = erp.step(erp.order(erp.customer(), line(erp.stocked_part())), "quote")
    order = erp.step(order, "confirm")
    with pytest.raises(PermanentError, match="description cannot be changed any more, it is processing") as caught:
        erp.write("order", order.id, {"description": "too late"}, version=order.version)
    assert caught.value.field == "description"


def test_the_company_and_its_employees_are_no_customers(erp):
    company = erp.person("company.company.search_read", [], 0, None, None, ["party"])[0]["party"]
    assert str(company) not in erp.connector.ids("customer")
    notices = erp.connector.changes("customer", Cursor()).notices
    assert str(company) not in [notice.external_id for notice in notices]


def test_a_confirm_beyond_the_credit_limit_is_a_hold_that_a_higher_limit_releases(erp):
    customer = erp.customer()
    erp.limit(customer, "10")
    order = erp.step(erp.order(customer, line(erp.stocked_part(), "4", unit_price=Decimal(50))), "quote")
    assert order.fields["hold_reason"] == "credit_hold"
    with pytest.raises(Hold) as caught:
        erp.step(order, "confirm")
    assert caught.value.code == "credit_hold"
    assert caught.value.recheck == timedelta(seconds=60)
    assert "200" in caught.value.message
    assert "exceed the credit limit 10" in caught.value.message
    assert erp.connector.read("order", order.id).fields["state"] == "quotation"
    erp.limit(customer, "1000")
    assert erp.connector.read("order", order.id).fields["hold_reason"] is None
    assert erp.step(order, "confirm").fields["hold_reason"] is None


def test_a_user_who_may_exceed_limits_is_asked_and_that_is_a_hold_unless_accepted(erp):
    customer = erp.customer()
    erp.limit(customer, "10")
    order = erp.step(erp.order(customer, line(erp.stocked_part(), "4", unit_price=Decimal(50))), "quote")
    press = NativeWrite("order", order.id, {}, "", action="confirm")
    with pytest.raises(Hold) as caught:
        TrytonConnector(erp.privileged, PATHS).write(press)
    assert caught.value.code == "credit_hold"
    accepting = replace(
        erp.privileged, options={**erp.privileged.options, "accept_warnings": ["credit_limit_amount"]}
    )
    confirmed = TrytonConnector(accepting, PATHS).write(press)
    assert confirmed.fields["state"] in ("confirmed", "processing")


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
    erp.person("party.address.write", [int(customer.fields["main_address"]["id"])], {"city": "Ogden"})
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


def drained(connector: TrytonConnector, kind: str) -> Cursor:
    """Return the position after all that has changed so far."""
    page = connector.changes(kind, Cursor())
    while page.more:
        page = connector.changes(kind, page.cursor)
    return page.cursor


def changed(connector: TrytonConnector, kind: str, cursor: Cursor) -> set[str]:
    seen: set[str] = set()
    more = True
    while more:
        page = connector.changes(kind, cursor)
        seen |= {notice.external_id for notice in page.notices}
        more, cursor = page.more, page.cursor
    return seen
