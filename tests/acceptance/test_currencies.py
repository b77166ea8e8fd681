"""Orders in currencies with no, two and three decimals: each line, the tax and the total are what the real ERP
rounds them to, in both systems, and what differs beyond the tolerance is held with the line and both figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from sync_workers.runtime import open_runtime
from sync_workers.sandbox.tryton import accounts, catalogue, warehouse
from tests.acceptance.cash import documents_of, invoices, notes, settle
from tests.acceptance.distributor import QUICK, Distributor, Json, line, money

pytestmark = pytest.mark.tryton

CUSTOMER = "C1006"  # pays the list price, and tax
RATES = {"USD": Decimal(1)} | {code: rate for code, (*_, rate) in catalogue.CURRENCIES.items()}
DIGITS = {"JPY": 0, "USD": 2, "KWD": 3}
LISTED = {part.code: part.price for part in catalogue.parts()}
TAX = catalogue.SALES_TAX[1]
FIRST, SECOND, THIRD = "BRG-6205-2RS", "BRG-6206-2RS", "BRG-6207-2RS"
PIECES = {FIRST: Decimal(3), SECOND: Decimal(7), THIRD: Decimal(11)}
MANY = Decimal(100_000)
Ordered = list[tuple[str, Decimal, Decimal]]
"""Part, quantity and price of each line."""


@dataclass(frozen=True)
class Money:
    """A currency, and how the ERP rounds in it: half to even, each line by itself, the tax of the document once."""

    code: str

    @property
    def unit(self) -> Decimal:
        return Decimal(1).scaleb(-DIGITS[self.code])

    def round(self, amount: Decimal) -> Decimal:
        return amount.quantize(self.unit, ROUND_HALF_EVEN)

    def price(self, part: str) -> Decimal:
        """Return what the customer's tier asks for a piece: four digits in every currency."""
        return (LISTED[part] * RATES[self.code]).quantize(Decimal("0.0001"))

    def amounts(self, ordered: Ordered, *, tax_per_line: bool = False) -> list[Decimal]:
        """Return the amounts of the lines, and then what they come to, the tax, and the total."""
        rows = [self.round(quantity * price) for _, quantity, price in ordered]
        bases = rows if tax_per_line else [sum(rows, Decimal(0))]
        untaxed, tax = sum(rows, Decimal(0)), sum((self.round(base * TAX) for base in bases), Decimal(0))
        return [*rows, untaxed, tax, untaxed + tax]

    def usual(self) -> Ordered:
        return [(part, pieces, self.price(part)) for part, pieces in PIECES.items()]


CURRENCIES = [Money(code) for code in DIGITS]
of_each = pytest.mark.parametrize("currency", CURRENCIES, ids=[f"{code}-{DIGITS[code]}" for code in DIGITS])


@pytest.fixture(scope="module")
def loaded(distributor: Distributor) -> Distributor:
    distributor.settle()
    return distributor


def win(at: Distributor, currency: Money, ordered: Ordered, **properties: str) -> str:
    rows: Sequence[Json] = [line(part, str(quantity), str(price)) for part, quantity, price in ordered]
    return at.win(at.company(CUSTOMER)["id"], rows, deal_currency_code=currency.code, **properties)


def held(at: Distributor, deal: str) -> str:
    """Return why an order is held for its totals; blank when it is not."""
    found = [(code, reason) for _, origin, code, reason in at.held() if origin == deal]
    assert [code for code, _ in found] in ([], ["totals_differ"])
    return str(found[0][1]) if found else ""


def assert_both_show(at: Distributor, deal: str, expected: list[Decimal]) -> None:
    """Compare every figure of a confirmed order in both systems."""
    sale, shown = at.sale(deal), at.deal(deal)
    assert sale["state"] == shown["erp_order_state"] == "processing", held(at, deal)
    assert [row["amount"] for row in at.sale_lines(deal)] == expected[:-3]
    assert [sale[name] for name in ("untaxed_amount", "tax_amount", "total_amount")] == expected[-3:]
    assert [money(shown[name]) for name in ("erp_subtotal", "erp_tax", "erp_total")] == expected[-3:]


# -- as it was quoted


@pytest.fixture(scope="module")
def confirmed(loaded: Distributor) -> dict[Money, str]:
    deals = {each: win(loaded, each, each.usual(), amount=str(each.amounts(each.usual())[-3])) for each in CURRENCIES}
    loaded.settle()
    assert not loaded.letters()
    return deals


@of_each
def test_lines_tax_and_total_are_the_erps_to_the_smallest_unit(
    loaded: Distributor, confirmed: dict[Money, str], currency: Money
) -> None:
    expected = currency.amounts(currency.usual())
    assert expected[-3] != sum(quantity * price for _, quantity, price in currency.usual()), "nothing was rounded"
    assert_both_show(loaded, confirmed[currency], expected)


def test_so_are_their_invoices(loaded: Distributor, confirmed: dict[Money, str]) -> None:
    for deal in confirmed.values():
        warehouse.ship(loaded.clerk, loaded.sale(deal)["id"])
        accounts.post_invoices(loaded.clerk, loaded.sale(deal)["id"])
    settle(loaded)
    for currency, deal in confirmed.items():
        (shown,), (billed,) = invoices(loaded, deal), documents_of(loaded, deal)
        *_, total = currency.amounts(currency.usual())
        assert money(shown["total"]) == money(shown["balance"]) == billed["total_amount"] == total


# -- beyond the tolerance


def too_exact(currency: Money) -> Ordered:
    """Return lines of which one was quoted with five digits of a price: the ERP keeps four."""
    return [(FIRST, Decimal(3), currency.price(FIRST)), (SECOND, MANY, currency.price(SECOND) + Decimal("0.00004"))]


@pytest.fixture(scope="module")
def differing(loaded: Distributor) -> dict[Money, str]:
    deals = {each: win(loaded, each, too_exact(each)) for each in CURRENCIES}
    loaded.settle()
    assert not loaded.letters()
    return deals


@of_each
def test_a_line_beyond_the_tolerance_is_held_and_named_with_both_figures(
    loaded: Distributor, differing: dict[Money, str], currency: Money
) -> None:
    deal = differing[currency]
    quoted, comes_to = (currency.round(MANY * price) for price in (too_exact(currency)[1][2], currency.price(SECOND)))
    assert abs(quoted - comes_to) > 2 * currency.unit
    reason = held(loaded, deal)
    assert f"line 2 ({SECOND}) was quoted at {quoted} and comes to {comes_to}" in reason
    assert f"({currency.code}, net prices, tax rounded per document)" in reason
    assert loaded.sale(deal)["state"] == loaded.deal(deal)["erp_order_state"] == "quotation"
    assert reason in notes(loaded, deal)[0]


def test_once_the_price_is_corrected_they_go_on_by_themselves(
    loaded: Distributor, differing: dict[Money, str]
) -> None:
    rep = loaded.crm.person(7)
    for currency, deal in differing.items():
        (item,) = [each for each in rep.see("deals", deal)["links"]["line_items"]
                   if rep.see("line_items", each)["properties"]["hs_sku"] == SECOND]  # fmt: skip
        rep.edit("line_items", item, {"price": str(currency.price(SECOND))})
    loaded.settle()
    for currency, deal in differing.items():
        ordered = [(FIRST, Decimal(3), currency.price(FIRST)), (SECOND, MANY, currency.price(SECOND))]
        assert_both_show(loaded, deal, currency.amounts(ordered))


def test_the_tolerance_of_a_document_counts_the_smallest_unit_of_its_currency(loaded: Distributor) -> None:
    untaxed = {each: each.amounts(each.usual())[-3] for each in CURRENCIES}
    deals = {(each, units): win(loaded, each, each.usual(), amount=str(untaxed[each] + units * each.unit))
             for each in CURRENCIES for units in (2, 5)}  # fmt: skip
    loaded.settle()
    for (currency, units), deal in deals.items():
        asked, has = untaxed[currency] + units * currency.unit, untaxed[currency]
        assert (f"before tax {asked} was quoted, erp has {has}" in held(loaded, deal)) is (units == 5)
        assert loaded.sale(deal)["state"] == ("quotation" if units == 5 else "processing")


def test_at_the_end_every_law_holds_in_the_ledger_and_in_both_systems(loaded: Distributor) -> None:
    assert loaded.broken_laws() == []


# -- a company that rounds the tax of each line


@pytest.fixture
def per_line(loaded: Distributor) -> Iterator[Distributor]:
    """Let the ERP's company round the tax of each line, and start anew: the fleet keeps that setting for minutes."""
    loaded.clerk.write("account.configuration", [1], {"tax_rounding": "line"})
    runtime = replace(open_runtime(loaded.environ, pool_size=5), **QUICK)  # type: ignore[arg-type]
    yield replace(loaded, runtime=runtime)
    runtime.dispose()


def test_a_company_that_rounds_tax_line_by_line_is_recomputed_so_and_nothing_is_held(per_line: Distributor) -> None:
    prices = {"JPY": Decimal(1108), "USD": Decimal("7.32"), "KWD": Decimal("2.25")}
    lines: dict[Money, Ordered] = {each: [(FIRST, Decimal(1), prices[each.code])] * 10 for each in CURRENCIES}
    deals = {each: win(per_line, each, ordered) for each, ordered in lines.items()}
    per_line.settle()
    for currency, ordered in lines.items():
        expected = currency.amounts(ordered, tax_per_line=True)
        assert abs(expected[-2] - currency.amounts(ordered)[-2]) > 2 * currency.unit, "both ways come to the same"
        assert_both_show(per_line, deals[currency], expected)
