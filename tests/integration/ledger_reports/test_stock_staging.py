"""Stock in bulk: what moved becomes news, nothing else does, and no bad row holds up the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sync_workers.errors import TransientError
from sync_workers.ledger.stock import Reading, Staged, stage

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def reading(external_id: str, on_hand: str | Decimal = "5", *, minutes: int = 0, **more) -> Reading:
    figures = {"part_number": f"P-{external_id}", "allocated": Decimal(0), "available": Decimal(on_hand),
               "at": AT + timedelta(minutes=minutes), **more}
    return Reading(external_id, on_hand=Decimal(on_hand), **figures)


def put(desk, rows) -> Staged:
    return desk.ledger.run(lambda tx: stage(tx, "erp", iter(rows)))


def test_of_fifty_thousand_readings_only_the_twenty_that_moved_are_news(desk):
    first = put(desk, (reading(str(number)) for number in range(50_000)))
    assert (first.seen, first.changed, len(first.due)) == (50_000, 50_000, 50_000)
    moved = set(range(0, 50_000, 2_500))
    again = put(desk, (reading(str(number), "9" if number in moved else "5", minutes=1) for number in range(50_000)))
    assert (again.seen, again.changed, len(again.due)) == (50_000, 20, 20)
    assert desk.one("SELECT count(*) FROM events WHERE kind = 'stock' AND source = 'poll'") == 50_020
    assert desk.one("SELECT count(*) FROM stock_levels WHERE on_hand = 9") == 20
    assert desk.one("SELECT count(*) FROM events WHERE payload IS NOT NULL") == 0


def test_the_same_readings_twice_raise_nothing(desk):
    put(desk, [reading("1"), reading("2")])
    assert put(desk, [reading("1"), reading("2", minutes=1)]).changed == 0


def test_equal_figures_written_otherwise_are_equal(desk):
    put(desk, [reading("1", "5")])
    assert put(desk, [reading("1", "5.000", minutes=1)]).changed == 0


def test_an_older_reading_never_overwrites_a_newer_one(desk):
    put(desk, [reading("1", "5", minutes=1)])
    assert put(desk, [reading("1", "5", minutes=9)]).changed == 0
    late = put(desk, [reading("1", "4", minutes=5)])
    assert (late.changed, late.older) == (0, 1)
    assert desk.one("SELECT on_hand FROM stock_levels") == 5


def test_of_one_part_read_twice_the_newest_counts(desk):
    put(desk, [reading("1", "7", minutes=2), reading("1", "3", minutes=1)])
    assert desk.one("SELECT on_hand FROM stock_levels") == 7


POISON = [
    pytest.param(reading("bad", part_number="A\x00B"), "part_number", id="a NUL"),
    pytest.param(reading("bad", part_number="A\ud800"), "part_number", id="half a character"),
    pytest.param(reading("bad", "NaN"), "on_hand", id="no number"),
    pytest.param(reading("bad", "Infinity"), "on_hand", id="without end"),
    pytest.param(reading("bad", Decimal("1e40")), "on_hand", id="beyond reason"),
    pytest.param(reading("bad", at=datetime(2026, 3, 1)), "time", id="no zone"),  # noqa: DTZ001
    pytest.param(reading(""), "external_id", id="no id"),
    pytest.param(reading("bad", part_number=None), "part_number", id="no part number"),
]


@pytest.mark.parametrize(("poison", "word"), POISON)
def test_a_poison_row_is_named_and_the_rest_goes_through(desk, poison, word):
    staged = put(desk, [reading("1"), poison, reading("2")])
    assert (staged.changed, staged.refusals) == (2, 1)
    assert word in staged.refused[0].reason
    incident, body = desk.sql("SELECT incident, body FROM alerts")[0]
    assert incident == "stock readings:erp"
    assert "correct these parts in erp" in body
    put(desk, [reading("1", minutes=1)])
    assert desk.one("SELECT closed_at IS NOT NULL FROM alerts")


def test_a_page_of_nothing_but_poison_does_not_end_the_staging(desk):
    rows = [reading("x", "NaN") for _ in range(5000)] + [reading("1")]
    staged = put(desk, rows)
    assert (staged.changed, staged.refusals, len(staged.refused)) == (1, 5000, 100)


def test_texts_that_mean_something_to_copy_are_kept_as_they_are(desk):
    odd = ["\\N", "a\\tb", "\\.", "Ö-17 µm", "ｽﾌﾟﾘﾝｸﾞ", " "]
    put(desk, [reading(f"{number}", part_number=text) for number, text in enumerate(odd)])
    assert [row[0] for row in desk.sql("SELECT part_number FROM stock_levels ORDER BY external_id")] == odd


def test_a_system_that_fails_halfway_leaves_the_ledger_as_it_was_and_says_so(desk):
    def rows() -> Iterator[Reading]:
        yield reading("1")
        raise TransientError("the ERP went away")

    with pytest.raises(TransientError, match="the ERP went away"):
        put(desk, rows())
    assert desk.one("SELECT count(*) FROM stock_levels") == 0


def test_two_stagings_in_one_transaction_do_not_meet(desk):
    def work(tx):
        return stage(tx, "erp", iter([reading("1")])).changed + stage(tx, "erp", iter([reading("2")])).changed

    assert desk.ledger.run(work) == 2


def test_no_readings_change_nothing(desk):
    assert put(desk, []) == Staged()
