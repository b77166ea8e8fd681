"""Every converter, both ways, and what it says about values it cannot carry."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.amounts import Units
from sync_workers.domain.converters import LEDGER, Spot, Unconvertible
from sync_workers.domain.registry import CONVERTERS, build_converter
from sync_workers.errors import Unlinked

UNITS = Units(
    (("box", Fraction(12), "piece"), ("pc", Fraction(1), "piece"), ("third", Fraction(1, 3), "piece"))
)


def spot(values: dict[str, Any] | None = None, native: dict[str, Any] | None = None) -> Spot:
    return Spot("order", "f", "erp", None, values or {}, native or {})


@pytest.mark.parametrize(
    ("name", "options", "native", "canonical", "written"),
    [
        ("text", {}, "  a b ", "a b", "a b"),
        ("text", {}, 12, "12", "12"),
        ("text_upper", {}, " de ", "DE", "DE"),
        ("text_lower", {}, "A@B.C", "a@b.c", "a@b.c"),
        ("exact", {}, " 007 ", " 007 ", " 007 "),
        ("html_text", {}, "<p>a &amp; b</p><p>c</p>", "a & b\nc", "a &amp; b<br>c"),
        ("bool", {}, "true", True, True),
        ("bool", {}, False, False, False),
        ("integer", {}, "12", Decimal(12), 12),
        ("decimal", {"digits": 2}, "9.995", Decimal("10.00"), Decimal("10.00")),
        ("decimal", {"digits": 2, "rounding": "half_even"}, "9.985", Decimal("9.98"), Decimal("9.98")),
        ("decimal", {"digits": 0, "rounding": "down"}, "9.9", Decimal(9), Decimal(9)),
        ("decimal", {}, 0.1, Decimal("0.1"), Decimal("0.1")),
        ("date", {}, "2026-11-24", date(2026, 11, 24), date(2026, 11, 24)),
        ("date", {}, "1763942400000", date(2025, 11, 24), date(2025, 11, 24)),
        (
            "date",
            {"zone": "Europe/Berlin"},
            datetime(2026, 11, 23, 23, 30, tzinfo=UTC),
            date(2026, 11, 24),
            date(2026, 11, 24),
        ),
        (
            "datetime",
            {"zone": "Europe/Berlin", "precision": "second"},
            "2026-11-24T10:00:00.75",
            datetime(2026, 11, 24, 9, tzinfo=UTC),
            datetime(2026, 11, 24, 9, tzinfo=UTC),
        ),
        ("epoch_ms", {}, "1763942400123", datetime(2025, 11, 24, 0, 0, 0, 123000, UTC), 1763942400123),
        ("country", {"form": "name"}, "Germany", "DE", "Germany"),
        ("country", {"form": "name"}, "uk", "GB", "United Kingdom"),
        ("country", {"form": "alpha3"}, "deu", "DE", "DEU"),
        ("country", {}, "Czechia", "CZ", "CZ"),
        ("map", {"map": {"net30": "30 days", "n30": "30 days"}}, "n30", "30 days", "net30"),
        ("map", {"map": {"true": "yes", "false": "no"}}, True, "yes", "true"),
    ],
)
def test_a_value_there_and_back(
    name: str, options: dict[str, Any], native: Any, canonical: Any, written: Any
) -> None:
    converter = build_converter(name, options)
    assert converter.read(native, spot()) == canonical
    assert converter.write(canonical, spot()) == written
    assert converter.shown(canonical, spot()) == canonical


NATIVES = {
    "text": st.text(), "text_upper": st.text(), "text_lower": st.text(), "html_text": st.text(),
    "exact": st.text(min_size=1),
    "bool": st.sampled_from([True, False, "true", " NO ", "1"]),
    "integer": st.integers(),
    "decimal": st.decimals(-10**9, 10**9, places=6) | st.floats(-1e9, 1e9),
    "money": st.decimals(-10**9, 10**9, places=6),
    "date": st.dates() | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    "datetime": st.datetimes(min_value=datetime(1900, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
    "epoch_ms": st.integers(10**9, 4 * 10**12),
    "country": st.sampled_from(["uk", "Germany", "deu", "FR", " usa "]),
    "map": st.sampled_from(["a", "b", "c"]),
    "unit": st.sampled_from(["box", "pc", "third"]),
}
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("text", {}), ("text_upper", {}), ("text_lower", {}), ("exact", {}), ("html_text", {}), ("bool", {}),
    ("integer", {}), ("decimal", {}), ("decimal", {"digits": 2}), ("decimal", {"digits": 1, "rounding": "down"}),
    ("money", {}), ("date", {"zone": "Europe/Berlin"}), ("datetime", {"zone": "Asia/Tokyo", "precision": "second"}),
    ("epoch_ms", {}), ("country", {"form": "name"}), ("country", {"form": "alpha3"}),
    ("map", {"map": {"a": "x", "b": "x", "c": "y"}}), ("unit", {}),
]


@pytest.mark.parametrize(("name", "options"), WAYS)
@given(st.data())
def test_what_was_read_is_shown_as_it_was_read(name: str, options: dict[str, Any], data: st.DataObject) -> None:
    """A write whose answer reads as it was sent needs no other proof that it took."""
    converter = build_converter(name, options, UNITS)
    at = spot({"currency": "JPY"})
    canonical = converter.read(data.draw(NATIVES[name]), at)
    if canonical is not None:
        assert converter.shown(canonical, at) == canonical


@pytest.mark.parametrize(
    ("name", "options", "native", "says"),
    [
        ("bool", {}, "maybe", "neither true nor false"),
        ("integer", {}, "1.5", "not a whole number"),
        ("decimal", {}, "1,5", "not a number"),
        ("decimal", {}, True, "not a number"),
        ("decimal", {}, "NaN", "not a finite number"),
        ("decimal", {"digits": 2}, "1" * 40, "more digits"),
        ("money", {}, "1", "money without a currency"),
        ("date", {}, "2026-13-24", "not a date"),
        ("datetime", {}, "soon", "not a date or time"),
        ("country", {}, "Atlantis", "no country"),
        ("map", {"map": {"a": "b"}}, "z", "no entry in the value map"),
        ("text", {}, ["a"], "not text"),
    ],
)
def test_what_cannot_be_carried_over_is_refused_in_words(
    name: str, options: dict[str, Any], native: Any, says: str
) -> None:
    with pytest.raises(Unconvertible, match=says):
        build_converter(name, options).read(native, spot())


@pytest.mark.parametrize(
    ("currency", "shown"), [("EUR", "10.00"), ("JPY", "10"), ("KWD", "9.995"), ("clf", "9.9950")]
)
def test_money_has_the_digits_of_its_currency(currency: str, shown: str) -> None:
    money = build_converter("money", {})
    assert money.needs == ("currency",)
    found = money.read("9.995", spot({"currency": currency}))
    assert str(found) == shown


def test_money_without_its_currency_at_hand_goes_over_as_it_was_read() -> None:
    assert build_converter("money", {}).write(Decimal("9.995"), spot()) == Decimal("9.995")


class TestUnits:
    """Ordered in boxes, stocked in pieces: exact, or refused with the reason."""

    quantity = build_converter("quantity", {"unit": "unit"}, UNITS)
    price = build_converter("unit_price", {"unit": "unit", "digits": 4}, UNITS)
    unit = build_converter("unit", {}, UNITS)

    def test_boxes_become_pieces(self) -> None:
        native = {"unit": "box"}
        assert self.quantity.read("2", spot(native=native)) == 24
        assert self.unit.read("box", spot(native=native)) == "piece"
        assert self.price.read("18", spot(native=native)) == Decimal("1.5")

    def test_a_canonical_unit_is_written_in_the_native_unit_that_equals_it(self) -> None:
        assert self.unit.write("piece", spot()) == "pc"
        assert self.quantity.write(Decimal(24), spot()) == 24

    @pytest.mark.parametrize("quantity", ["1", "2.5"])
    def test_what_has_no_exact_number_is_refused_with_unit_and_factor(self, quantity: str) -> None:
        said = f"cannot be converted exactly into the other unit: {quantity} by 1/3, the factor of 'third'"
        with pytest.raises(Unconvertible, match=said) as caught:
            self.quantity.read(quantity, spot(native={"unit": "third"}))
        assert caught.value.mend == "order a whole number of units"

    def test_so_is_a_price_that_has_none(self) -> None:
        price = build_converter("unit_price", {"unit": "unit"}, units=UNITS)
        assert price.read("102", spot(native={"unit": "box"})) == Decimal("8.5")
        with pytest.raises(Unconvertible, match="100 by 1/12, the factor of 'box'") as caught:
            price.read("100", spot(native={"unit": "box"}))
        assert caught.value.mend == "quote a price that comes to full digits by 1/12, or in the base unit"

    def test_an_unknown_unit_is_named(self) -> None:
        with pytest.raises(Unconvertible, match="'pallet'"):
            self.quantity.read("1", spot(native={"unit": "pallet"}))


class TestLinksToOtherRecords:
    """A pointer is the system's id there and the ledger's record id here."""

    class Ledger:
        def record_of(self, kind: str, system: str, external_id: str) -> str | None:
            return "r-1" if (kind, system, external_id) == ("customer", "erp", "4") else None

        def id_in(self, kind: str, record: str, system: str) -> str | None:
            return "4" if (kind, record, system) == ("customer", "r-1", "erp") else None

    converter = build_converter("record:customer", {})
    at = Spot("order", "customer", "erp", Ledger())

    def test_known_ids_are_carried_over(self) -> None:
        assert self.converter.read(4, self.at) == "r-1"
        assert self.converter.write("r-1", self.at) == "4"

    def test_an_id_that_the_ledger_does_not_know_says_which_record_goes_first(self) -> None:
        with pytest.raises(Unlinked) as caught:
            self.converter.read("9", self.at)
        found = caught.value
        assert (found.kind, found.system, found.external_id, found.target) == ("customer", "erp", "9", LEDGER)

    def test_a_record_without_counterpart_says_where_it_is_missing(self) -> None:
        with pytest.raises(Unlinked) as caught:
            self.converter.write("r-2", self.at)
        found = caught.value
        assert (found.kind, found.system, found.external_id, found.target) == (
            "customer",
            LEDGER,
            "r-2",
            "erp",
        )

    def test_a_merge_may_compare_links_before_they_exist(self) -> None:
        assert self.converter.shown("r-2", self.at) == "r-2"


@given(value=st.decimals(-1000, 1000, places=5), digits=st.integers(0, 5))
def test_what_a_system_shows_it_shows_again(value: Decimal, digits: int) -> None:
    number = build_converter("decimal", {"digits": digits})
    once = number.shown(value, spot())
    assert number.shown(once, spot()) == once


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("txt", {}, "no converter is called 'txt'"),
        ("text", {"digits": 2}, "'text' takes no option 'digits'"),
        ("decimal", {"digits": -1}, "digits must be"),
        ("decimal", {"rounding": "up_a_bit"}, "rounding must be one of"),
        ("datetime", {"zone": "Mars/Base"}, "not a time zone"),
        ("country", {"form": "flag"}, "form must be one of"),
        ("map", {}, "needs a table map"),
        ("record", {}, "needs the kind"),
    ],
)
def test_a_sheet_that_asks_for_what_is_not_there_is_told_so(
    name: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        build_converter(name, options)


def test_every_registered_converter_can_be_built() -> None:
    for name in CONVERTERS:
        build_converter(name, {"map": {"a": "b"}} if name == "map" else {})
