"""A unit, a currency or a tax code that the other side does not know, or has switched off: what stops the order names
line, field, value and what mends it; once mended the order moves on by itself, or by one requeue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.sandbox.tryton import accounts, assortment, catalogue, sales
from tests.acceptance.cash import lines_of, notes
from tests.acceptance.distributor import Distributor, line, money
from tests.acceptance.duty import release_next_version, requeue, type_command

pytestmark = pytest.mark.tryton

FIRST, SECOND = "BRG-6205-2RS", "BRG-6206-2RS"
BEARING = line(FIRST, "10", "7.2881")
SALES_TAX, EXEMPT = catalogue.SALES_TAX[0], catalogue.EXEMPT
CROWNS = Decimal("10.5")  # what a dollar buys
CARTON, HOLDS = "carton", 24  # how many pieces


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle()
    return distributor


def two_lines(**properties: str) -> list[dict[str, str]]:
    return [BEARING, line(SECOND, "2", "7.8488", **properties)]


def correct(at: Distributor, deal: str, part: str, **properties: str) -> None:
    """Let the rep correct one line."""
    rep = at.crm.person(7)
    (item,) = [each for each in rep.see("deals", deal)["links"]["line_items"]
               if rep.see("line_items", each)["properties"]["hs_sku"] == part]  # fmt: skip
    rep.edit("line_items", item, properties)


def assert_moved_on(at: Distributor, deal: str) -> None:
    at.settle()
    assert at.sale(deal)["state"] == at.deal(deal)["erp_order_state"] == "processing"
    assert not at.letters()
    assert not at.held()


# -- units


def test_a_unit_of_the_crm_that_nobody_knows_is_named_with_its_line_and_the_units_that_there_are(
    loaded: Distributor,
) -> None:
    deal = loaded.win(loaded.company("C1005")["id"], two_lines(unit="pallet"))
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert letter.field is not None
    assert letter.field.endswith(".unit")
    assert f"'{letter.field}' in crm (item 2) shows 'pallet'" in letter.message
    assert "write a unit that it knows there (box of 12, box of 100, piece, box, " in letter.mend
    assert "or add 'pallet' to the sheet's [units] table" in letter.mend
    assert not loaded.sales(deal), "not even the line that is well"
    correct(loaded, deal, SECOND, unit="piece")
    assert_moved_on(loaded, deal)
    assert [row["quantity"] for row in loaded.sale_lines(deal)] == [10.0, 2.0]


def test_a_unit_of_the_erp_that_nobody_knows_is_named_too_and_nothing_is_written_over_it(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1008")["id"], two_lines(), amount="20.00")  # held, so that it can be edited
    loaded.settle()
    clerk, sale = loaded.clerk, loaded.sale(deal)
    (pallet,) = clerk.create("product.uom", {
        "name": "Pallet", "symbol": "plt", "category": clerk.data_id("product", "uom_cat_unit"), "factor": 500.0,
        "rate": 0.002, "rounding": 1.0, "digits": 0,
    })  # fmt: skip
    piece = clerk.data_id("product", "uom_unit")
    clerk.press("sale.sale", "draft", sale["id"])
    clerk.write("sale.line", sale["lines"][1:], {"unit": pallet})
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert f"'{letter.field}' in erp (item 2) shows 'plt'" in letter.message
    assert "write a unit that it knows there (bx12, bx100, u, box, " in letter.mend
    assert [row["unit."]["symbol"] for row in loaded.sale_lines(deal)] == ["u", "plt"]
    clerk.write("sale.line", sale["lines"][1:], {"unit": piece})
    loaded.crm.person(7).edit("deals", deal, {"amount": "88.58"})
    assert_moved_on(loaded, deal)


def test_a_unit_that_the_next_version_of_the_sheet_knows_goes_through_once_by_one_requeue(loaded: Distributor) -> None:
    cartons = line(SECOND, "2", str(Decimal("7.8488") * HOLDS), CARTON)
    deal = loaded.win(loaded.company("C1005")["id"], [BEARING, cartons])
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert f"'{letter.field}' in crm (item 2) shows '{CARTON}'" in letter.message
    assert f"or add '{CARTON}' to the sheet's [units] table" in letter.mend
    assert not loaded.sales(deal)
    release_next_version(loaded, "order", "[units.crm]\n", f'[units.crm]\n"{CARTON}" = "{HOLDS} piece"\n')
    requeue(letter)
    assert_moved_on(loaded, deal)
    assert [(row["quantity"], row["unit."]["symbol"], row["unit_price"]) for row in loaded.sale_lines(deal)] == [
        (10.0, "u", Decimal("7.2881")), (2.0 * HOLDS, "u", Decimal("7.8488"))]  # fmt: skip
    assert len(loaded.sales(deal)) == 1
    assert [op for op, *_ in loaded.attempts("order", deal, "erp")].count("create") == 1


# -- currencies


def test_a_currency_that_the_erp_does_not_know_is_named_and_the_rep_may_correct_it(loaded: Distributor) -> None:
    deal = loaded.win(loaded.company("C1006")["id"], [BEARING], deal_currency_code="NOK")
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert letter.field == "currency.code"
    assert "Tryton has no currency 'NOK'" in letter.message
    assert "add the currency NOK and its rate there, then requeue" in letter.mend
    assert not loaded.sales(deal)
    loaded.crm.person(7).edit("deals", deal, {"deal_currency_code": "USD"})
    assert_moved_on(loaded, deal)
    assert loaded.sale(deal)["currency."]["code"] == "USD"


def test_a_currency_that_finance_adds_with_its_rate_moves_on_by_one_requeue(loaded: Distributor) -> None:
    price = (Decimal("7.2881") * CROWNS).quantize(Decimal("0.0001"))
    deal = loaded.win(loaded.company("C1006")["id"], [line(FIRST, "10", str(price))], deal_currency_code="NOK")
    loaded.settle()
    assortment.add_currency(loaded.clerk, "NOK", "Norwegian Krone", "578", "kr")
    requeue(loaded.letter("order", deal))
    loaded.settle()
    letter = loaded.letter("order", deal)
    assert "no exchange rate for the currency 'NOK'" in letter.message
    assert "add a rate of NOK that is valid today there, then requeue" in letter.mend
    assortment.set_rate(loaded.clerk, "NOK", CROWNS)
    requeue(letter)
    assert_moved_on(loaded, deal)
    sale = loaded.sale(deal)
    assert (sale["currency."]["code"], sale["untaxed_amount"]) == ("NOK", (price * 10).quantize(Decimal("0.01")))
    assert money(loaded.deal(deal)["erp_total"]) == sale["total_amount"]


# -- tax codes


def held_for_its_tax(at: Distributor, customer: str, tax_code: str) -> str:
    """Return a deal that waits since its second line was quoted with this tax code."""
    deal = at.win(at.company(customer)["id"], two_lines(tax_code=tax_code))
    at.settle()
    ((kind, origin, code, reason),) = at.held()
    assert (kind, origin, code) == ("order", deal, "tax_differs")
    differs = f"line 2 ({SECOND}) was quoted with tax code {tax_code}, erp says {SALES_TAX}"
    assert differs in reason
    (note,) = notes(at, deal)
    assert differs in note, "the rep reads it on the deal"
    assert "correct the tax code in crm, or the line's taxes in erp, or confirm the order there by hand" in note
    assert at.sale(deal)["state"] == "quotation"
    assert not at.letters()
    return deal


def test_a_tax_code_that_nobody_knows_is_held_and_the_rep_may_correct_it(loaded: Distributor) -> None:
    deal = held_for_its_tax(loaded, "C1005", "VAT 19")
    correct(loaded, deal, SECOND, tax_code=SALES_TAX)
    assert_moved_on(loaded, deal)


def test_finance_may_confirm_by_hand_what_the_erp_calls_for(loaded: Distributor) -> None:
    deal = held_for_its_tax(loaded, "C1005", "VAT 19")
    sales.release_order(loaded.clerk, loaded.sale(deal)["id"])
    assert_moved_on(loaded, deal)
    assert loaded.sale(deal)["tax_amount"] > 0


def test_finance_may_tax_the_line_in_the_erp_as_it_was_quoted(loaded: Distributor) -> None:
    deal = held_for_its_tax(loaded, "C1008", EXEMPT)
    clerk, sale = loaded.clerk, loaded.sale(deal)
    taxes = {name: clerk.one("account.tax", [["name", "=", name]]) for name in (SALES_TAX, EXEMPT)}
    clerk.press("sale.sale", "draft", sale["id"])
    clerk.write("sale.line", sale["lines"][1:],
                {"taxes": [["remove", [taxes[SALES_TAX]]], ["add", [taxes[EXEMPT]]]]})  # fmt: skip
    assert_moved_on(loaded, deal)
    assert loaded.sale_lines(deal)[1]["taxes"] == [taxes[EXEMPT]]
    assert lines_of(loaded, deal)[SECOND]["tax_code"] == EXEMPT


@pytest.fixture(scope="module")
def switched_off(loaded: Distributor) -> list[str]:
    """Return two deals that wait since finance has switched off the tax that customer, ship-to and quote call for."""
    accounts.switch_tax(loaded.clerk, SALES_TAX, on=False)
    deals = [loaded.win(loaded.company("C1005")["id"], two_lines(tax_code=SALES_TAX)) for _ in range(2)]
    loaded.settle()
    return deals


def test_a_tax_code_that_was_switched_off_holds_the_order_and_nothing_is_posted(
    loaded: Distributor, switched_off: list[str]
) -> None:
    said = "; ".join(f"line {number} ({part}) has the tax code {SALES_TAX}, which is switched off in erp"
                     for number, part in enumerate((FIRST, SECOND), start=1))  # fmt: skip
    assert sorted(row[:3] for row in loaded.held()) == [("order", deal, "tax_off") for deal in sorted(switched_off)]
    for *_, reason in loaded.held():
        assert said in reason
    for deal in switched_off:
        (note,) = notes(loaded, deal)
        assert said in note, "the rep reads it on the deal"
        assert "switch it on in erp, or give the line another tax there" in note
        sale = loaded.sale(deal)
        (led_to,) = loaded.clerk.read("sale.sale", [sale["id"]], "invoices", "shipments")
        assert (sale["state"], led_to["invoices"], led_to["shipments"]) == ("quotation", [], [])
    assert not loaded.letters()


def test_one_of_them_takes_another_tax_and_moves_on_by_itself(loaded: Distributor, switched_off: list[str]) -> None:
    waits, deal = switched_off
    clerk, sale = loaded.clerk, loaded.sale(deal)
    old, new = (clerk.one("account.tax", [["name", "=", name], ["active", "in", [True, False]]])
                for name in (SALES_TAX, EXEMPT))  # fmt: skip
    clerk.press("sale.sale", "draft", sale["id"])
    clerk.write("sale.line", sale["lines"], {"taxes": [["remove", [old]], ["add", [new]]]})
    for part in (FIRST, SECOND):
        correct(loaded, deal, part, tax_code=EXEMPT)
    loaded.settle()
    assert loaded.sale(deal)["state"] == loaded.deal(deal)["erp_order_state"] == "processing"
    assert [row["taxes"] for row in loaded.sale_lines(deal)] == [[new], [new]]
    assert [row[1] for row in loaded.held()] == [waits]


def test_the_other_goes_through_once_when_the_tax_is_on_again(loaded: Distributor, switched_off: list[str]) -> None:
    deal, _ = switched_off
    accounts.switch_tax(loaded.clerk, SALES_TAX, on=True)
    type_command("dead", "requeue", "--held", "--kind", "order", "--code", "tax_off", "--why", "it is on again")
    assert_moved_on(loaded, deal)
    assert [len(loaded.sales(each)) for each in switched_off] == [1, 1]
    assert loaded.sale(deal)["tax_amount"] > 0
    assert len(notes(loaded, deal)) == 1


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []
