"""Stock never goes back in the ERP's time: whoever reads when, and whoever commits first."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_workers.ledger import stock
from sync_workers.ledger.stock import SEEN_FOR, stage
from tests.integration.ledger_reports.test_stock_staging import AT, put, reading

WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def level(desk, external_id: str = "1") -> Decimal:
    return desk.one("SELECT on_hand FROM stock_levels WHERE external_id = %s", external_id)


def await_waiting(desk) -> None:
    ends = time.monotonic() + 10
    while desk.one(WAITS) == 0:
        assert time.monotonic() < ends, "nobody waits"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("polled", "minutes", "ends_as"),
    [
        pytest.param("4", 5, ("5", 0, 1), id="read before the sweep read it"),
        pytest.param("4", 10, ("4", 1, 0), id="read after the sweep read it"),
    ],
)
def test_a_poll_that_stages_while_a_sweep_is_under_way_waits_and_is_compared_with_it(desk, polled, minutes, ends_as):
    put(desk, [reading("1", "5")])
    with ThreadPoolExecutor(1) as pool:
        with desk.ledger.transaction() as tx:
            assert stage(tx, "erp", [reading("1", "5", minutes=9)]).changed == 0
            poll = pool.submit(put, desk, [reading("1", polled, minutes=minutes)])
            await_waiting(desk)
        staged = poll.result()
    assert (f"{level(desk)}", staged.changed, staged.older) == ends_as


def test_a_sweep_that_read_before_a_poll_committed_does_not_undo_it(desk):
    """The sweep's page was read at nine and equals what it knew; at ten the poll brings another figure."""
    put(desk, [reading("1", "5")])
    page = [reading("1", "5", minutes=9)]
    put(desk, [reading("1", "7", minutes=10)])
    staged = put(desk, page)
    assert (level(desk), staged.changed, staged.older) == (7, 0, 1)


def test_an_older_reading_that_comes_between_an_equal_one_and_its_commit_has_to_wait_for_it(desk):
    """At nine the sweep saw what is known; the poll's figure of eight must not slip in before that is stored."""
    put(desk, [reading("1", "5")])
    with ThreadPoolExecutor(1) as pool:
        with desk.ledger.transaction() as tx:
            stage(tx, "erp", [reading("1", "5", minutes=9)])
            stage(tx, "erp", [reading("2", "1", minutes=9)])
            late = pool.submit(put, desk, [reading("1", "4", minutes=8)])
            await_waiting(desk)
        assert late.result().older == 1
    assert level(desk) == 5
    assert desk.one("SELECT count(*) FROM events WHERE external_id = '1'") == 1


def test_systems_do_not_wait_for_each_other(desk):
    with desk.ledger.transaction() as tx:
        stage(tx, "erp", [reading("1")])
        assert desk.ledger.run(lambda other: stage(other, "scm", [reading("1")])).changed == 1


def test_what_did_not_move_is_not_written_again(desk):
    rows = [reading(str(number)) for number in range(3000)]
    put(desk, rows)
    before = desk.sql("SELECT external_id, xmin::text, ctid::text FROM stock_levels ORDER BY 1")
    put(desk, [reading(str(number), minutes=1) for number in range(3000)])
    assert desk.sql("SELECT external_id, xmin::text, ctid::text FROM stock_levels ORDER BY 1") == before
    assert desk.one("SELECT count(*) FROM stock_seen") == 1


def test_a_part_that_comes_again_pages_later_is_compared_with_what_was_seen_in_the_same_staging(desk):
    put(desk, [reading("1", "5"), reading("2", "5")])
    between = [reading(f"x{number}") for number in range(2 * stock.PAGE)]
    staged = put(desk, [reading("1", "5", minutes=9), reading("2", "6", minutes=9), *between,
                        reading("1", "4", minutes=8), reading("2", "4", minutes=8)])
    assert (level(desk, "1"), level(desk, "2"), staged.older) == (5, 6, 2)


def test_of_a_part_read_twice_a_poison_reading_does_not_hide_the_sound_one(desk):
    staged = put(desk, [reading("1", "7", minutes=1), reading("1", "NaN", minutes=2)])
    assert (level(desk), staged.changed, staged.refusals) == (7, 1, 1)


def test_a_change_of_any_further_figure_is_news(desk):
    put(desk, [reading("1", further="a"), reading("2", further="a")])
    assert put(desk, [reading("1", minutes=1, further="b"), reading("2", minutes=1, further="a")]).changed == 1
    assert put(desk, [reading("1", minutes=2, further="b")]).changed == 0


def test_who_was_seen_is_forgotten_after_a_day_and_what_is_older_than_that_is_not_believed(desk):
    day = SEEN_FOR // timedelta(minutes=1)
    put(desk, [reading("1", "5"), reading("2", "5")])
    put(desk, [reading("1", "5", minutes=10), reading("2", "5", minutes=10)])
    put(desk, [reading("2", "5", minutes=day + 60)])
    put(desk, [reading("2", "5", minutes=day + 61)])
    assert desk.one("SELECT count(*) FROM stock_seen WHERE read_at <= %s", AT + timedelta(minutes=10)) == 0
    late = put(desk, [reading("1", "4", minutes=9), reading("3", "4", minutes=9)])
    assert (level(desk, "1"), late.changed, late.older) == (5, 1, 1)  # a part that nobody knew is news at any age
    assert put(desk, [reading("1", "4", minutes=90)]).changed == 1


def test_a_clock_that_runs_ahead_does_not_make_the_others_unbelievable(desk):
    now = desk.one("SELECT clock_timestamp()")
    put(desk, [reading("1", "5", at=now), reading("2", "5", at=now)])
    put(desk, [reading("1", "5", at=now + 9 * SEEN_FOR)])
    assert put(desk, [reading("2", "6", at=now + timedelta(seconds=1))]).changed == 1


MINUTES = 12
TRUTH = st.lists(st.integers(0, 2), min_size=MINUTES, max_size=MINUTES)
STAGINGS = st.lists(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, MINUTES - 1)), max_size=7), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(truth=st.fixed_dictionaries(dict.fromkeys("abcd", TRUTH)), stagings=STAGINGS)
def test_whatever_comes_when_each_part_shows_its_newest_reading(desk, monkeypatch, truth, stagings):
    monkeypatch.setattr(stock, "PAGE", 3)
    desk.sql("TRUNCATE stock_levels, stock_seen")
    newest: dict[str, int] = {}
    for staging in stagings:
        told = {external_id: truth[external_id][newest[external_id]] for external_id in newest}
        for external_id, minute in staging:
            newest[external_id] = max(minute, newest.get(external_id, 0))
        staged = put(desk, [reading(one, str(truth[one][minute]), minutes=minute) for one, minute in staging])
        shown = dict(desk.sql("SELECT external_id, on_hand FROM stock_levels"))
        assert shown == {one: truth[one][minute] for one, minute in newest.items()}
        assert staged.changed >= sum(1 for one in shown if told.get(one) != shown[one])
    again = put(desk, [reading(one, str(truth[one][minute]), minutes=minute) for one, minute in newest.items()])
    assert (again.changed, again.older, again.due) == (0, 0, [])
