"""Stock in sales units (complaint 9): seven pieces are one box of six, never two, and a run later still one."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.amounts import Number
from sync_workers.domain.converters import Spot, Unconvertible
from sync_workers.domain.counts import Counted
from sync_workers.domain.mapping import Sheet
from sync_workers.domain.parsing import parse
from sync_workers.domain.registry import build_converter
from sync_workers.errors import SettingsError
from sync_workers.mappings import page
from tests.unit.domain.stores import Store, World

AT = Spot("stock", "boxes", "crm")
UNITS = {"crm": {"box": "6 piece", "dozen": "12 piece", "half": "1/2 piece", "foot": "0.3048 metre",
                 "third": "1/3 piece"}}  # fmt: skip


def counts_in(unit: str, **options: Any) -> dict[str, Any]:
    return {"path": "boxes", "as": "quantity", "count_in": unit, **options}


def make_sheet(place: dict[str, Any], **more: Any) -> Sheet:
    """Return a sheet of stock: each piece, and the same in the unit that ``place`` says."""
    why = {"owner": "erp", "why": "the warehouse counts"}
    rows = [
        {"name": "available", **why, "as": "quantity", "crm": "each", "erp": "available"},
        {"name": "boxes", **why, "crm": place, "erp": {"path": "available", "as": "quantity", "read_only": True}},
    ]
    data = {"kind": "stock", "version": 1, "created_by": ["erp"], "units": UNITS, "field": rows, **more}
    return parse(data, "stock/v1.toml")


def converter(unit: str, **options: Any) -> Counted:
    found = make_sheet(counts_in(unit, **options)).rule("boxes").places["crm"].converter
    assert isinstance(found, Counted)
    return found


@pytest.mark.parametrize(
    ("unit", "options", "pieces", "written", "shown"),
    [
        pytest.param("box", {"digits": 0}, "7", "1", "6", id="seven pieces are one box"),
        pytest.param("box", {"digits": 0}, "1", "0", "0", id="one piece is none"),
        pytest.param("box", {"digits": 0}, "0", "0", "0", id="nothing is nothing"),
        pytest.param("box", {"digits": 0}, "12", "2", "12", id="two boxes to the piece"),
        pytest.param("box", {"digits": 0}, "11.999", "1", "6", id="not quite two boxes"),
        pytest.param("box", {"digits": 0}, "-1", "-1", "-6", id="a piece too few is a box too few"),
        pytest.param("box", {"digits": 0}, "-6", "-1", "-6", id="a box too few, to the piece"),
        pytest.param("box", {"digits": 0, "rounding": "up"}, "7", "2", "12", id="up where the sheet says so"),
        pytest.param("box", {"digits": 0, "rounding": "up"}, "-7", "-1", "-6", id="up is towards more"),
        pytest.param("box", {"digits": 0, "rounding": "half_up"}, "9", "2", "12", id="half up"),
        pytest.param("box", {"digits": 0, "rounding": "half_up"}, "8.99", "1", "6", id="less than half"),
        pytest.param("box", {"digits": 0, "rounding": "half_up"}, "-9", "-2", "-12", id="half up, below zero"),
        pytest.param("box", {"digits": 0, "rounding": "half_even"}, "15", "2", "12", id="half to even"),
        pytest.param("box", {"digits": 2}, "7", "1.16", "6.96", id="with two digits"),
        pytest.param("dozen", {}, "18", "1.5", "18", id="exactly, with a fraction that ends"),
        pytest.param("half", {"digits": 0}, "7", "14", "7", id="a unit of less than one piece"),
        pytest.param("foot", {"digits": 0}, "1", "3", "0.9144", id="metres in whole feet"),
    ],
)
def test_an_amount_in_a_unit(unit: str, options: dict[str, Any], pieces: str, written: str, shown: str) -> None:
    made = converter(unit, **options)
    assert str(made.write(Decimal(pieces), AT)) == written
    assert made.shown(Decimal(pieces), AT) == Decimal(shown)


@pytest.mark.parametrize(("typed", "pieces"), [("2", "12"), (1.5, "9"), ("0.1", "0.6"), (0, "0")])
def test_what_somebody_typed_is_read_whole(typed: Any, pieces: str) -> None:
    assert converter("box", digits=0).read(typed, AT) == Decimal(pieces)


def test_it_is_a_number_to_whoever_creates_a_field_for_it() -> None:
    assert isinstance(converter("box", digits=0), Number)


def test_without_digits_what_makes_no_exact_number_is_refused_and_says_what_would_mend_it() -> None:
    with pytest.raises(Unconvertible, match="no exact number of 'box', which holds 6") as caught:
        converter("box").write(Decimal(7), AT)
    assert "digits and rounding" in caught.value.mend


@pytest.mark.parametrize(
    ("place", "words"),
    [
        pytest.param(counts_in("crate"), "'crate' is no unit of this system's .units. table, which has box,",
                     id="an unknown unit"),
        pytest.param(counts_in("third"), "1/3 of the base unit is no decimal number", id="no decimal"),
        pytest.param({**counts_in("box"), "unit": "unit"}, "not in both", id="two units"),
        pytest.param(counts_in("box", digits=0, rounding="sideways"), "rounding must be one of", id="rounding"),
        pytest.param({**counts_in("box"), "as": "decimal"}, "takes no option 'count_in'", id="no quantity"),
    ],
)  # fmt: skip
def test_a_sheet_that_cannot_be_counted_is_refused(place: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_sheet(place)


def test_a_sheet_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match="which this sheet has not"):
        build_converter("quantity", {"count_in": "box"})


def test_the_page_that_people_sign_says_what_is_counted() -> None:
    assert "``boxes`` (quantity, counted in box, 6 each)" in page(make_sheet(counts_in("box", digits=0)))


AMOUNTS = st.decimals("-1e9", "1e9", places=4)
HOLDS = st.fractions(Fraction(1, 64), 10_000).filter(lambda one: one.denominator in (1, 2, 4, 5, 8, 10, 16, 64))


@given(AMOUNTS, HOLDS, st.integers(0, 6))
def test_never_more_is_shown_than_there_is_and_never_a_whole_step_less(
    amount: Decimal, holds: Fraction, digits: int
) -> None:
    shown = Fraction(Counted(digits, unit="box", holds=holds).shown(amount, AT))
    assert shown <= Fraction(amount) < shown + holds / 10**digits


@given(AMOUNTS, HOLDS, st.one_of(st.none(), st.integers(0, 6)), st.sampled_from(["down", "up", "half_up", "half_even"]))
def test_what_was_written_reads_back_as_it_was_foreseen_and_is_written_no_other_way(
    amount: Decimal, holds: Fraction, digits: int | None, rounding: str
) -> None:
    made = Counted(digits, rounding, "box", holds)
    try:
        written = made.write(amount, AT)
    except Unconvertible:
        assert digits is None
        return
    back = made.read(str(written), AT)
    assert back == made.shown(amount, AT)
    assert made.write(back, AT) == written


@given(st.lists(st.tuples(st.sampled_from(["erp", "crm"]), st.integers(-30, 90)), max_size=6))
def test_whoever_counts_or_types_the_crm_shows_what_there_is_and_a_second_run_writes_nothing(
    edits: list[tuple[str, int]],
) -> None:
    world = World(make_sheet(counts_in("box", digits=0)), origin="erp", stores={
        "erp": Store(row={"id": "1", "available": Decimal(7)}), "crm": Store(row={"id": "2"})})  # fmt: skip
    world.settle()
    assert world.stores["crm"].row == {"id": "2", "each": 7, "boxes": 1}
    for system, number in edits:
        world.stores[system].edit("available" if system == "erp" else "boxes", Decimal(number))
        world.settle()
        there = int(world.shows("available")["erp"])
        assert (world.shows("each")["crm"], world.shows("boxes")["crm"]) == (there, there // 6)
        assert world.settle() == []
    assert world.stores["erp"].writes == 0
