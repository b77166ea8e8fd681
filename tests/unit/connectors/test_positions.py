"""The cursor never passes the system's time less its longest transaction, and nothing is skipped."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync_workers.connectors.contract import Cursor, Notice
from sync_workers.connectors.positions import Step, follow

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
BEHIND = timedelta(seconds=5)
PAGE = 3


@dataclass
class System:
    """Rows by (stamp, id) with whole-second stamps, paged by three."""

    now: datetime = START
    rows: dict[str, datetime] = field(default_factory=dict)

    def edit(self, row: str, began: timedelta = timedelta(0)) -> None:
        """Commit an edit now whose transaction began earlier: the stamp is that of its beginning."""
        self.rows[row] = (self.now - began).replace(microsecond=0)

    def fetch(self, position: Cursor) -> Step:
        rows = sorted((at, row) for row, at in self.rows.items())
        if position.at is not None:
            at, after = position.at, position.id
            rows = [each for each in rows if each[0] > at or (each[0] == at and each[1] > after)]
        page = rows[:PAGE]
        notices = [Notice("order", row) for _, row in page]
        if not page:
            return Step(notices, self.now, None, position, None)
        end = Cursor(*page[-1])
        return Step(notices, self.now, end.at, end, end if len(page) == PAGE else None)


def poll(system: System, cursor: Cursor) -> tuple[set[str], Cursor]:
    seen: set[str] = set()
    while True:
        page = follow(system.fetch, cursor, BEHIND)
        seen |= {notice.external_id for notice in page.notices}
        cursor = page.cursor
        if not page.more:
            return seen, cursor


def test_a_quiet_system_tells_nothing_twice() -> None:
    system = System()
    for row in "abcdefg":
        system.edit(row)
    system.now += timedelta(minutes=1)
    seen, cursor = poll(system, Cursor())
    assert seen == set("abcdefg")
    assert poll(system, cursor) == (set(), cursor)


def test_a_burst_with_one_stamp_beyond_a_page_is_seen_at_once() -> None:
    system = System()
    rows = {f"row-{n:02}" for n in range(20)}
    for row in rows:
        system.edit(row)
    seen, cursor = poll(system, Cursor())
    assert seen == rows
    assert cursor.at is not None
    assert cursor.at <= system.now - BEHIND


def test_a_row_that_appears_behind_the_newest_is_still_seen() -> None:
    system = System()
    system.edit("early")
    _, cursor = poll(system, Cursor())
    system.now += timedelta(seconds=3)
    system.edit("slow transaction", began=timedelta(seconds=4))
    seen, _ = poll(system, cursor)
    assert "slow transaction" in seen


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.floats(0, 4).map(lambda seconds: timedelta(seconds=seconds)),
            st.floats(0, 8).map(lambda seconds: timedelta(seconds=seconds)),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_every_edit_is_seen_by_a_later_poll(
    story: list[tuple[str, timedelta, timedelta, bool]],
) -> None:
    system, cursor = System(), Cursor()
    unseen: set[str] = set()
    for row, began, pause, polls in story:
        system.edit(row, began)
        unseen.add(row)
        if polls:
            seen, cursor = poll(system, cursor)
            assert unseen <= seen
            unseen = set()
        system.now += pause
    seen, cursor = poll(system, cursor)
    assert unseen <= seen
    assert cursor.at is None or cursor.at <= system.now - BEHIND or not story
