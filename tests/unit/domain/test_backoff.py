"""Waits double up to an hour, spread out, and end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_workers.domain.backoff import FIRST_WAIT, LONGEST_WAIT, MAX_AGE, MAX_FAILURES, wait_after

ALMOST_ONE = 0.999999


@pytest.mark.parametrize(
    ("failures", "bound"),
    [(1, FIRST_WAIT), (2, FIRST_WAIT * 2), (5, FIRST_WAIT * 16), (11, LONGEST_WAIT)],
)
def test_the_bound_doubles_up_to_the_longest(failures: int, bound: timedelta) -> None:
    wait = wait_after(failures, roll=ALMOST_ONE)
    assert wait is not None
    assert bound * 0.99 < wait <= bound


@given(failures=st.integers(1, MAX_FAILURES - 1), roll=st.floats(0, 1, exclude_max=True))
def test_any_wait_is_between_a_second_and_the_longest(failures: int, roll: float) -> None:
    wait = wait_after(failures, roll=roll)
    assert wait is not None
    assert timedelta(seconds=1) <= wait <= LONGEST_WAIT


def test_the_budget_ends_by_count_and_by_age() -> None:
    assert wait_after(MAX_FAILURES, roll=0.5) is None
    assert wait_after(10**9, roll=0.5) is None
    assert wait_after(1, roll=0.5, age=MAX_AGE) is None


@given(roll=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 11))
def test_never_sooner_than_the_system_asked(roll: float, failures: int) -> None:
    asked = timedelta(hours=2)
    wait = wait_after(failures, asked=asked, roll=roll)
    assert wait is not None
    assert wait >= asked


@pytest.mark.parametrize(("failures", "roll"), [(0, 0.5), (1, 1.0), (1, -0.1)])
def test_wrong_use_is_refused(failures: int, roll: float) -> None:
    with pytest.raises(ValueError):
        wait_after(failures, roll=roll)
