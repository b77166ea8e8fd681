"""Customers in the real ERP: who they are, how they stand, and two that become one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.errors import Exists, PermanentError, SyncError, TransientError
from tests.integration.tryton.bench import Erp, adding, address, changed, drained, line, unique

pytestmark = pytest.mark.tryton


def test_a_customer_is_stored_as_it_was_sent(erp):
    reference = unique()
    stored = erp.customer(reference, email="buyer@example.com", phone="+12025550123", tax_id="94-3166")
    assert stored.fields["code"] == reference
    assert stored.fields["email"] == "buyer@example.com"
    assert stored.fields["tax_id"] == "94-3166"
    assert stored.fields["addresses"][0]["city"] == "Springfield"
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


def test_finance_keeps_limit_balance_terms_tier_tax_code_and_hold(erp):
    (gold,) = erp.connector.find("customer", "code", "C1019")
    assert gold.fields["credit_limit"] == Decimal(500)
    assert gold.fields["open_balance"] == 0
    assert gold.fields["price_list"] == "Gold"
    assert gold.fields["payment_term"] == "Net 30"
    assert gold.fields["tax_rule"] is None
    assert gold.fields["hold"] is False
    (exempt,) = erp.connector.find("customer", "code", "C1012")
    assert exempt.fields["tax_rule"] == "Exempt"
    for path in ("tax_rule", "hold", "open_balance"):
        with pytest.raises(PermanentError, match=path):
            erp.write("customer", exempt.id, {path: None})


def test_a_customer_is_on_hold_while_it_is_in_the_category_for_it(erp):
    customer = erp.customer()
    erp.limit(customer, "0")
    assert erp.read(customer, "customer").fields["hold"] is False  # no credit is no hold by itself
    position = drained(erp.connector, "customer")
    erp.hold(customer)
    assert erp.read(customer, "customer").fields["hold"] is True
    assert customer.id in changed(erp.connector, "customer", position)
    erp.hold(customer, off=True)
    assert erp.read(customer, "customer").fields["hold"] is False


def test_the_open_balance_follows_orders_and_invoices_and_that_is_news_of_the_customer(erp):
    customer, part = erp.customer(), erp.stocked_part()
    position = drained(erp.connector, "customer")
    before = erp.read(customer, "customer")
    order = erp.placed(line(part, "2", unit_price=Decimal(50)), customer=customer)
    ordered = erp.read(customer, "customer")
    assert ordered.fields["open_balance"] == 100
    assert ordered.version != before.version
    assert customer.id in changed(erp.connector, "customer", position)
    erp.ship(order)
    erp.clerk.press("account.invoice", "post", *erp.clerk.read("sale.sale", [int(order.id)], "invoices")[0]["invoices"])
    assert erp.read(customer, "customer").fields["open_balance"] == Decimal("108.25")  # with tax


def test_a_customer_is_quoted_in_its_own_currency(erp):
    code = erp.currency("EUR", 2, "0.92")
    customer = erp.customer(currency={"code": code})
    assert customer.fields["currency"] == {"code": "EUR"}
    assert erp.order(customer, line(erp.stocked_part())).fields["currency"] == {"code": "EUR"}


@pytest.mark.parametrize("why", ["unknown", "without a rate"])
def test_a_currency_that_cannot_be_used_is_named_with_what_to_add(erp, why):
    code = "XBT" if why == "unknown" else erp.currency("XTS", 2, "")
    for write in (
        lambda: erp.customer(currency={"code": code}),
        lambda: erp.order(erp.customer(), line(erp.stocked_part()), currency={"code": code}),
    ):
        with pytest.raises(PermanentError, match=f"'{code}'") as caught:
            write()
        assert caught.value.field == "currency.code"
        assert f"{code}" in caught.value.mend
        assert "rate" in caught.value.mend


def test_a_country_that_the_erp_does_not_know_is_named(erp):
    with pytest.raises(PermanentError, match="'ZZ'") as caught:
        erp.customer(addresses=adding(("main", address(country={"code": "ZZ"}))))
    assert caught.value.field == "addresses.country.code"


# -- two become one


def replace(erp: Erp, source: Native, target: Native) -> Native:
    return erp.connector.write(NativeWrite("customer", target.id, {"source": source.id}, "", action="replace"))


@pytest.mark.parametrize("alike", [True, False], ids=["same name", "other name and tax id"])
def test_two_customers_become_one_with_both_histories(erp, alike):
    part = erp.stocked_part()
    gone = erp.customer(tax_id=None if alike else "11-1111111", name="Globex" if alike else "Globex West")
    stays = erp.customer(tax_id=None if alike else "22-2222222", addresses=adding(("hq", address(city="Ogden"))))
    orders = [erp.placed(line(part, "1"), customer=one) for one in (gone, stays)]
    united = replace(erp, gone, stays)
    assert united.id == stays.id
    assert united.fields["code"] == stays.fields["code"]
    assert [one["key"] for one in united.fields["addresses"]] == ["hq"]
    shown = [erp.read(order).fields for order in orders]
    assert [one["party"] for one in shown] == [stays.id, stays.id]
    assert shown[0]["invoice_address"]["key"] == "main"  # an address of the one that is gone, still told by its key
    source = erp.read(gone, "customer")
    assert source.archived
    assert source.fields["replaced_by"] == stays.id
    assert united.fields["open_balance"] == sum(one["untaxed_amount"] for one in shown)
    erp.ship(orders[0])
    assert erp.read(orders[0]).fields["shipment_state"] == "sent"


def test_a_merge_repeated_is_the_same_customer(erp):
    gone, stays = erp.customer(), erp.customer()
    assert replace(erp, gone, stays) == replace(erp, gone, stays)


def test_a_merge_the_other_way_round_is_refused_and_says_so(erp):
    gone, stays = erp.customer(), erp.customer()
    replace(erp, gone, stays)
    with pytest.raises(PermanentError, match=f"merged it into party {stays.id} already"):
        replace(erp, stays, gone)
    with pytest.raises(PermanentError, match=f"merged it into party {stays.id} already"):
        replace(erp, gone, erp.customer())


def test_a_merge_with_a_customer_that_is_not_there_is_refused_by_number(erp):
    with pytest.raises(PermanentError, match="999999999"):
        erp.connector.write(NativeWrite("customer", erp.customer().id, {"source": "999999999"}, "", action="replace"))


def test_customers_know_no_other_step(erp):
    with pytest.raises(PermanentError, match="no step 'confirm'"):
        erp.connector.write(NativeWrite("customer", erp.customer().id, {}, "", action="confirm"))
