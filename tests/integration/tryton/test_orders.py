"""Orders in the real ERP: what is stored, what may change, and what it costs in which currency."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from sync_workers.connectors.contract import ListChange
from sync_workers.errors import Exists, PermanentError, TransientError
from sync_workers.sandbox.tryton import warehouse
from sync_workers.sandbox.tryton.catalogue import SUPERSEDED
from tests.integration.tryton.bench import keyed, line, unique

pytestmark = pytest.mark.tryton

BEARING = "BRG-6204-2RS"
BELT = "vB-A30"  # sold in boxes of twelve


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
    assert erp.read(order).fields["comment"] != "ours"


def test_an_order_gets_what_the_form_would_fill_in(erp):
    customer, part = erp.customer(), erp.stocked_part()
    order = erp.order(customer, line(part, "3", unit_price=Decimal("1.23456")), line(part, "1"))
    assert order.fields["state"] == "draft"
    assert order.fields["invoice_address"] == {"id": customer.fields["addresses"][0]["id"], "key": "main"}
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


def test_a_superseded_part_shows_what_to_offer_instead(erp):
    code, successor = SUPERSEDED
    (part,) = erp.connector.find("part", "code", code)
    assert part.archived
    assert part.fields["replaced_by"] == {"code": successor}
    with pytest.raises(PermanentError, match=f"replaced in Tryton by {successor}") as caught:
        erp.order(erp.customer(), line(code))
    assert caught.value.mend == f"order {successor} instead"


def test_an_open_order_goes_on_though_its_part_was_switched_off(erp):
    number = unique()
    part = erp.write("part", None, {"name": "Last of its kind", "unit": {"symbol": "u"}}, number)
    order = erp.order(erp.customer(), line(number, "2", unit_price=Decimal(4)))
    erp.person("product.product.write", [int(part.id)], {"active": False})
    erp.write("order", order.id, {"comment": "the last two"})
    erp.step(order, "quote")
    assert erp.step(order, "confirm").fields["state"] == "processing"


@pytest.mark.parametrize(("unit", "part"), [("firkin", BEARING), ("kg", BEARING)])
def test_a_unit_that_the_part_does_not_come_in_is_named(erp, unit, part):
    with pytest.raises(PermanentError, match=f"no unit '{unit}'") as caught:
        erp.order(erp.customer(), line(part, unit={"symbol": unit}))
    assert part in caught.value.message
    assert caught.value.field == "unit.symbol"
    assert "add it" in caught.value.mend


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
    day = warehouse.today() + timedelta(days=9)
    written = erp.write("order", order.id, {"comment": "Gate 4", "shipping_date": day}, version=order.version)
    assert (written.fields["comment"], written.fields["state"]) == ("Gate 4", "quotation")
    assert written.fields["shipping_date"] == day


@pytest.mark.parametrize("path", ["description", "shipping_date"])
def test_an_order_under_way_refuses_what_may_not_change_any_more_and_names_it(erp, path):
    order = erp.placed(line(erp.stocked_part()))
    value = "too late" if path == "description" else warehouse.today() + timedelta(days=9)
    with pytest.raises(PermanentError, match=f"{path} cannot be changed any more, it is processing") as caught:
        erp.write("order", order.id, {path: value}, version=order.version)
    assert caught.value.field == path
    assert erp.write("order", order.id, {"comment": "Gate 5"}).fields["comment"] == "Gate 5"


def test_a_draft_that_goes_to_another_customer_takes_over_its_addresses_terms_and_taxes(erp):
    order = erp.order(erp.customer(), line(BEARING, "3"), line(BELT, "1", unit={"symbol": "bx12"}))
    assert [one["tax_code"] for one in order.fields["lines"]] == ["Sales tax 8.25 %"] * 2
    (exempt,) = erp.connector.find("customer", "code", "C1012")
    change = ListChange(change=((order.fields["lines"][0]["id"], {"quantity": Decimal(5)}),))
    after = erp.write("order", order.id, {"party": exempt.id, "lines": change}).fields
    assert after["party"] == exempt.id
    assert after["invoice_address"]["id"] == exempt.fields["addresses"][0]["id"]
    assert after["payment_term"] == exempt.fields["payment_term"]
    assert after["price_list"] == exempt.fields["price_list"]
    assert [(one["quantity"], one["unit"]["symbol"], one["tax_code"]) for one in after["lines"]] == [
        (5, "u", "Exempt"), (1, "bx12", "Exempt"),
    ]  # fmt: skip
    assert after["tax_amount"] == 0


@pytest.mark.parametrize("who", ["C1002", "C1012"])
def test_a_line_shows_its_tax_code_and_rate(erp, who):
    (customer,) = erp.connector.find("customer", "code", who)
    shown = erp.order(customer, line(BEARING, "10")).fields
    (one,) = shown["lines"]
    expected = ("Sales tax 8.25 %", Decimal("0.0825")) if who == "C1002" else ("Exempt", Decimal(0))
    assert (one["tax_code"], one["tax_rate"]) == expected
    assert shown["tax_amount"] == (shown["untaxed_amount"] * one["tax_rate"]).quantize(Decimal("0.01"))


def test_a_group_of_taxes_counts_by_its_members_and_no_tax_is_none(erp):
    order = erp.order(erp.customer(), line(BEARING, "10"), line(BEARING, "1"))
    sales_tax = erp.clerk.find("account.tax", [["name", "=", "Sales tax 8.25 %"]])
    (template,) = erp.clerk.read("account.tax", sales_tax, "invoice_account", "company")
    accounts = {"invoice_account": template["invoice_account"], "credit_note_account": template["invoice_account"]}
    (group,) = erp.clerk.create("account.tax", {
        "name": "Illinois", "description": "Illinois", "type": "none", "company": template["company"],
        "childs": [["create", [
            {"name": name, "description": name, "type": "percentage", "rate": Decimal(rate), **accounts,
             "company": template["company"]}
            for name, rate in (("State", "0.0625"), ("County", "0.01"))
        ]]],
    })  # fmt: skip
    first, second = (int(one["id"]) for one in order.fields["lines"])
    erp.clerk.write("sale.line", [first], {"taxes": [["remove", sales_tax], ["add", [group]]]})
    erp.clerk.write("sale.line", [second], {"taxes": [["remove", sales_tax]]})
    shown = erp.read(order).fields
    assert [(one["tax_code"], one["tax_rate"]) for one in shown["lines"]] == [
        ("Illinois", Decimal("0.0725")), (None, Decimal(0)),
    ]  # fmt: skip
    assert shown["tax_amount"] == (shown["lines"][0]["amount"] * Decimal("0.0725")).quantize(Decimal("0.01"))
    assert [one["tax_off"] for one in shown["lines"]] == [None, None]
    county = erp.clerk.find("account.tax", [["name", "=", "County"]])
    erp.clerk.write("account.tax", county, {"active": False})
    again = erp.read(order).fields
    assert [one["tax_off"] for one in again["lines"]] == ["County", None]
    assert again["tax_amount"] == shown["tax_amount"], "the ERP goes on with it"


def test_taxes_are_rounded_where_the_company_rounds_them(erp):
    order = erp.order(erp.customer(), line(BEARING))
    assert order.fields["tax_rounding"] == "document"


def test_a_quotation_shows_what_the_customers_tier_asks_per_unit_of_the_line(erp):
    (gold,) = erp.connector.find("customer", "code", "C1001")
    (belt,) = erp.connector.find("part", "code", BELT)
    lines = (
        line(BELT, "1", unit={"symbol": "u"}, unit_price=Decimal(5)),
        line(BELT, "12", unit={"symbol": "u"}, unit_price=Decimal(5)),
        line(BELT, "1", unit={"symbol": "bx12"}, unit_price=Decimal(60)),
    )
    order = erp.order(gold, *lines)
    assert [one["tier_price"] for one in order.fields["lines"]] == [None] * 3  # asked when it is to be judged
    quoted = erp.step(order, "quote").fields["lines"]
    price = belt.fields["list_price"]
    expected = [price * Decimal("0.9"), price * Decimal("0.85"), price * Decimal("0.85") * 12]
    assert [one["tier_price"] for one in quoted] == [one.quantize(Decimal("0.0001")) for one in expected]
    assert keyed([{**one, "key": one["note"]} for one in erp.read(order).fields["lines"]])["line-2"] == {
        **quoted[1], "key": "line-2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "digits", "rate", "price", "amount", "tax"),
    [
        pytest.param("JPY", 0, "148.5", "333.3333", "3333", "275", id="no decimals"),
        pytest.param("EUR", 2, "0.92", "6.7275", "67.28", "5.55", id="two"),
        pytest.param("KWD", 3, "0.3075", "1.2345", "12.345", "1.018", id="three"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(erp, code, digits, rate, price, amount, tax):
    erp.currency(code, digits, rate)
    order = erp.order(
        erp.customer(), line(BEARING, "10", unit_price=Decimal(price)), currency={"code": code}
    ).fields
    assert order["currency"] == {"code": code}
    assert order["lines"][0]["amount"] == order["untaxed_amount"] == Decimal(amount)
    assert order["tax_amount"] == Decimal(tax)
    assert order["total_amount"] == Decimal(amount) + Decimal(tax)


def test_a_tier_price_is_in_the_orders_currency(erp):
    erp.currency("EUR", 2, "0.92")
    (customer,) = erp.connector.find("customer", "code", "C1002")
    order = erp.order(customer, line(BEARING, "1", unit_price=Decimal(6)), currency={"code": "EUR"})
    (euros,) = erp.step(order, "quote").fields["lines"]
    order = erp.order(customer, line(BEARING, "1", unit_price=Decimal(6)))
    (dollars,) = erp.step(order, "quote").fields["lines"]
    number = erp.clerk.one("currency.currency", [["code", "=", "EUR"]])
    (currency,) = erp.clerk.read("currency.currency", [number], "rate")
    assert euros["tier_price"] == (dollars["tier_price"] * currency["rate"]).quantize(Decimal("0.0001"))
