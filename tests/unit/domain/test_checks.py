"""What is compared before an order is confirmed: to the cent and to the line, in every currency."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.checks import RECHECK, judge
from sync_workers.domain.mapping import Check
from sync_workers.domain.records import Values
from sync_workers.errors import SettingsError
from tests.unit.domain.stores import make_sheet

UNITS = {"JPY": Decimal(1), "USD": Decimal("0.01"), "KWD": Decimal("0.001")}


def check(name: str = "totals", **options: str) -> Check:
    return Check(name, "erp", ("confirm",), "a reason", "crm", options)


def line(
    quantity: str, price: str, amount: str | None = None, rate: str = "0.0825", part: str = "BRG"
) -> dict[str, Any]:
    made: dict[str, Any] = {"part": part, "quantity": Decimal(quantity), "unit_price": Decimal(price),
                            "tax_rate": Decimal(rate)}  # fmt: skip
    made["amount"] = Decimal(amount) if amount else Decimal(quantity) * Decimal(price)
    return made


def erp_of(*lines: dict[str, Any], currency: str = "USD", rounding: str = "document", **changed: Any) -> Values:
    """Return an order as an ERP that computes correctly shows it, but for ``changed``."""
    unit = UNITS[currency]

    def cut(value: Decimal) -> Decimal:
        return value.quantize(unit, ROUND_HALF_EVEN)

    kept = {str(at): {**one, "amount": cut(one["amount"])} for at, one in enumerate(lines)}
    subtotal = sum((one["amount"] for one in kept.values()), Decimal(0))
    bases: dict[Any, Decimal] = {}  # one tax for each rate, or one for each line
    for at, one in kept.items():
        of = at if rounding == "line" else one["tax_rate"]
        bases[of] = bases.get(of, Decimal(0)) + one["amount"] * one["tax_rate"]
    tax = sum((cut(each) for each in bases.values()), Decimal(0))
    return {"currency": currency, "tax_rounding": rounding, "subtotal": subtotal, "tax": tax, "total": subtotal + tax,
            "lines": kept, **changed}  # fmt: skip


def crm_of(*lines: dict[str, Any], quoted: str | None = None) -> Values:
    amount = Decimal(quoted) if quoted else sum((one["amount"] for one in lines), Decimal(0))
    return {"quoted": amount, "lines": {str(at): one for at, one in enumerate(lines)}}


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
@pytest.mark.parametrize("rounding", ["line", "document"])
def test_an_order_that_the_erp_computes_as_it_was_quoted_passes(currency: str, rounding: str) -> None:
    lines = [line("10", "6.7275"), line("3", "101"), line("7", "0.333")]
    assert judge(check(), crm_of(*lines), erp_of(*lines, currency=currency, rounding=rounding)) is None


@pytest.mark.parametrize(
    ("quoted", "shown", "said"),
    [
        pytest.param(crm_of(line("10", "6.73")), erp_of(line("10", "6.74")),
                     "line 1 (BRG) was quoted at 67.30 and comes to 67.40", id="another price"),
        pytest.param(crm_of(line("10", "6.73"), line("1", "5", part="NUT")), erp_of(line("10", "6.73")),
                     "line 2 (NUT) was quoted and is missing", id="a line is missing"),
        pytest.param(crm_of(line("10", "6.73"), quoted="60"), erp_of(line("10", "6.73")),
                     "before tax 60 was quoted, erp has 67.30", id="a discount on the whole deal"),
        pytest.param(crm_of(line("10", "6.73")), erp_of(line("10", "6.73"), tax=Decimal("9.99")),
                     "the tax should be 5.55 and is 9.99", id="another tax"),
        pytest.param(crm_of(line("10", "6.73")), erp_of(line("10", "6.73"), total=Decimal("99")),
                     "do not make 99", id="a total that does not add up"),
        pytest.param(crm_of(line("10", "6.73", "67.30")), erp_of(line("10", "6.73", "67.50")),
                     "line 1 (BRG) should come to 67.30 and comes to 67.50", id="an amount that does not multiply"),
    ],
)  # fmt: skip
def test_a_difference_beyond_the_tolerance_names_the_line_and_both_figures(
    quoted: Values, shown: Values, said: str
) -> None:
    objection = judge(check(), quoted, shown)
    assert objection is not None
    assert objection.code == "totals_differ"
    assert said in objection.message
    assert "USD, net prices, tax rounded per document" in objection.message
    assert "correct the line in crm" in objection.mend


@pytest.mark.parametrize(
    ("currency", "tolerance", "off_by", "passes"),
    [
        ("USD", "2", "0.02", True), ("USD", "2", "0.04", False), ("JPY", "2", "2", True), ("JPY", "2", "4", False),
        ("KWD", "2", "0.002", True), ("KWD", "2", "0.004", False), ("USD", "0", "0.02", False),
    ],
)  # fmt: skip
def test_the_tolerance_counts_the_smallest_unit_of_the_currency(
    currency: str, tolerance: str, off_by: str, passes: bool
) -> None:
    one = line("1", "100")
    quoted = crm_of(one, quoted=str(Decimal(100) + Decimal(off_by)))
    found = judge(check(tolerance=tolerance), quoted, erp_of(one, currency=currency))
    assert (found is None) is passes


def test_gross_quotes_are_compared_with_the_tax_in_them() -> None:
    shown = erp_of(line("10", "10"))
    gross = crm_of(line("10", "10", "108.25"), quoted="108.25")
    assert judge(check(basis="gross"), gross, shown) is None
    objection = judge(check(basis="gross"), crm_of(line("10", "10", "100"), quoted="100"), shown)
    assert objection is not None
    assert "with tax 100 was quoted, erp has 108.25" in objection.message
    assert "gross prices" in objection.message


@given(
    lines=st.lists(
        st.builds(
            line,
            st.integers(1, 500).map(str),
            st.decimals("0.0001", "999", places=4, allow_nan=False).map(str),
            rate=st.sampled_from(["0", "0.0825", "0.19"]),
        ),
        min_size=1,
        max_size=20,
    ),
    currency=st.sampled_from(sorted(UNITS)),
    rounding=st.sampled_from(["line", "document"]),
)
def test_no_order_is_held_for_the_rounding_that_the_erp_does_itself(
    lines: list[dict[str, Any]], currency: str, rounding: str
) -> None:
    assert judge(check(tolerance="0"), crm_of(*lines), erp_of(*lines, currency=currency, rounding=rounding)) is None


@pytest.mark.parametrize(
    ("quoted", "shown", "passes"),
    [
        ("standard", "standard", True),
        ("exempt", "standard", False),
        (None, "standard", True),
        ("standard", None, False),
    ],
)
def test_a_tax_code_is_compared_line_by_line(quoted: str | None, shown: str | None, passes: bool) -> None:
    ours, theirs = {**line("1", "5"), "tax_code": quoted}, {**line("1", "5"), "tax_code": shown}
    objection = judge(check("tax_codes"), crm_of(ours), {**erp_of(theirs), "ship_to": "dock 4"})
    assert (objection is None) is passes
    if objection is not None:
        assert objection.code == "tax_differs"
        assert f"line 1 (BRG) was quoted with tax code {quoted}" in objection.message
        assert "ship-to dock 4" in objection.message
        assert objection.mend.startswith("correct the tax code in crm, or the line's taxes in erp")


@pytest.mark.parametrize(
    ("quoted", "off", "code"),
    [
        pytest.param("standard", None, None, id="on"),
        pytest.param("standard", "standard", "tax_off", id="quoted"),
        pytest.param(None, "standard", "tax_off", id="not named in the quote"),
        pytest.param("exempt", "standard", "tax_off", id="another one was quoted"),
        pytest.param("standard", "city, state", "tax_off", id="members of a group"),
        pytest.param("exempt", None, "tax_differs", id="on, and another one was quoted"),
    ],
)
def test_a_tax_code_that_is_switched_off_stops_the_order_with_its_line(
    quoted: str | None, off: str | None, code: str | None
) -> None:
    first, second = line("1", "5"), line("2", "3", part="NUT")
    ours = {**second, "tax_code": quoted}
    theirs = {**second, "tax_code": "standard", "tax_off": off}
    objection = judge(check("tax_codes"), crm_of(first, ours), erp_of(first, theirs))
    assert (objection and objection.code) == code
    if objection is not None and off is not None:
        assert objection.message == f"line 2 (NUT) has the tax code {off}, which is switched off in erp"
        assert objection.mend.startswith("switch it on in erp, or give the line another tax there")
        assert objection.recheck == RECHECK


@pytest.mark.parametrize(
    ("price", "tier", "below", "passes"),
    [("10", "10", "0", True), ("9.99", "10", "0", False), ("8.50", "10", "15", True), ("8.49", "10", "15", False),
     ("99", "10", "0", True)],
)  # fmt: skip
def test_a_price_is_compared_with_the_customers_tier(price: str, tier: str, below: str, passes: bool) -> None:
    theirs = {**line("1", price), "tier_price": Decimal(tier)}
    objection = judge(check("tier_prices", below_percent=below), crm_of(line("1", price)), erp_of(theirs))
    assert (objection is None) is passes
    if objection is not None:
        assert (objection.code, f"is quoted at {price}" in objection.message) == ("price_below_tier", True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "luck"}, "no check is called 'luck'"),
        ({"before": ["ship"]}, "the sheet has no step 'ship'"),
        ({"name": "tax_codes"}, "needs the fields lines.tax_code"),
        ({"name": "tier_prices", "tolerance": "1"}, "takes no such option"),
    ],
)
def test_a_check_that_could_find_nothing_is_refused(changed: dict[str, Any], said: str) -> None:
    step = {"name": "confirm", "system": "erp", "when": {"state": "quotation"}}
    written = {"name": "tier_prices", "system": "erp", "before": ["confirm"], "quoted_by": "crm", **changed}
    with pytest.raises(SettingsError, match=said):
        make_sheet([{"name": "state", "owner": "erp", "crm": "s", "erp": "s"}], step=[step], check=[written])
