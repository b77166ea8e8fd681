"""A soak that failed can be run again: its seed decides what is done, to what and when."""

from __future__ import annotations

from collections import Counter

from tests.soak.harm import Harm
from tests.soak.people import People
from tests.soak.schedule import HARM, LASTS, PEOPLE, plan


def test_a_seed_plans_the_same_run_each_time_and_another_one_another() -> None:
    assert plan(7, 2) == plan(7, 2)
    assert plan(7, 2) != plan(8, 2)


def test_a_longer_run_begins_as_the_shorter_one() -> None:
    longer = plan(7, 3)
    ends = {end for end, _, _ in LASTS.values()}
    shorter = [step for step in plan(7, 2) if step.act not in ends or step.at_s < 120]
    assert [step for step in longer if step in shorter] == shorter
    assert len(longer) > len(shorter)


def test_ten_minutes_hold_everything_that_can_happen_and_end_what_they_begin() -> None:
    steps = plan(7, 10)
    done = Counter(step.act for step in steps)
    assert set(done) == {*PEOPLE, *HARM, *(end for end, _, _ in LASTS.values())}
    assert all(done[act] == done[end] for act, (end, _, _) in LASTS.items())
    assert steps == sorted(steps)
    assert steps[-1].at_s <= 600


def test_everything_that_is_planned_can_be_done() -> None:
    assert all(hasattr(People, act) for act in PEOPLE)
    assert all(hasattr(Harm, act) for act in {*HARM, *(end for end, _, _ in LASTS.values())})
