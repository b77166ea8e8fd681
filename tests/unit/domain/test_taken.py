"""What becomes the base after a write (protocol G3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sync_workers.domain.merge import after_write
from sync_workers.domain.records import Change, Ref, Value
from tests.unit.domain.stores import make_sheet

SHEET = make_sheet(
    [
        {"name": "price", "as": "decimal", "crm": "price", "erp": {"path": "price", "digits": 2}},
        {"name": "number", "owner": "erp", "crm": "number", "erp": "number"},
        {"name": "local", "owner": "erp", "erp": "local"},
    ]
)


def judge(sent: str, came_back: Any, ref: Ref | None = None, previous: dict[str, Value] | None = None) -> Any:
    changes = {"price": Change(None, Decimal(sent), "owner crm")}
    return after_write(SHEET, "erp", ref, changes, {"price": came_back}, previous)


def test_what_came_back_equal_in_that_systems_precision_is_the_base() -> None:
    taken = judge("9.995", Decimal("10.00"))
    assert (taken.sent["price"], taken.held["price"]) == (Decimal("9.995"), Decimal("10.00"))
    assert not taken.again
    assert taken.returned == {}


def test_otherwise_the_base_is_what_it_should_look_like_and_the_record_stays_due() -> None:
    taken = judge("9.995", Decimal(11))
    assert taken.held["price"] == Decimal("10.00")
    assert taken.again
    assert taken.refused == ()
    assert taken.returned == {"price": Decimal(11)}


def test_a_blank_that_means_what_was_written_is_the_base() -> None:
    changes = {"number": Change("7", "8", "locked")}
    taken = after_write(SHEET, "crm", None, changes, {"number": None}, implied={"number"})
    assert (taken.sent["number"], taken.held["number"], taken.again) == ("8", None, False)
    assert after_write(SHEET, "crm", None, changes, {"number": "9"}, implied={"number"}).again


def test_the_same_sent_and_returned_twice_names_the_field() -> None:
    first = judge("9.99", Decimal(11))
    ref = Ref("erp", "1", sent=first.sent, held=first.held)
    assert judge("9.99", Decimal(11), ref, dict(first.returned)).refused == ("price",)
    assert judge("9.99", Decimal(12), ref, dict(first.returned)).refused == ()
    assert judge("9.98", Decimal(11), ref, dict(first.returned)).refused == ()


def test_a_write_that_takes_forgets_the_one_that_did_not() -> None:
    first = judge("9.99", Decimal(11))
    ref = Ref("erp", "1", sent=first.sent, held=first.held)
    assert judge("9.99", Decimal("9.99"), ref, dict(first.returned)).returned == {}


def test_a_number_that_the_target_gave_itself_is_news() -> None:
    changes = {"price": Change(None, Decimal(1), "created from crm")}
    shown = {"price": Decimal(1), "number": "SO-7", "local": "x"}
    assert after_write(SHEET, "erp", None, changes, shown).again


def test_what_no_other_system_shows_is_no_news() -> None:
    changes = {"price": Change(None, Decimal(1), "created from crm")}
    shown = {"price": Decimal(1), "number": None, "local": "x"}
    assert not after_write(SHEET, "erp", None, changes, shown).again


def test_fields_that_were_not_written_keep_their_base() -> None:
    ref = Ref("erp", "1", sent={"number": "7"}, held={"number": "7"})
    taken = after_write(SHEET, "erp", ref, {}, {"price": None, "number": "8"})
    assert taken.held == {"number": "7"}
    assert taken.again
