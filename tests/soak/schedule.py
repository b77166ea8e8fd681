"""What happens in a soak and when, drawn from its seed alone: the same seed, the same plan.

A longer run begins with the steps of a shorter one, so a seed that failed after two minutes of ten may be run
again for three. What a step finds when its time comes (how far the fleet is by then) no seed can repeat.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

PEOPLE = {"new_company": 3, "new_order": 8, "edit_order": 6, "edit_customer_in_crm": 3, "edit_in_erp": 5,
          "overreach_in_erp": 1}  # fmt: skip
HARM = {"unreliable_system": 8, "crm_away": 1, "erp_away": 1, "kill_worker": 2, "kill_web": 1, "kill_beat": 1,
        "freeze_worker": 1, "wipe_broker": 2, "restart_broker": 1, "restart_postgres": 1}  # fmt: skip
# What lasts, what ends it, and for how many seconds: people go on meanwhile.
LASTS = {"crm_away": ("crm_back", 0.5, 4.0), "erp_away": ("erp_back", 0.5, 4.0),
         "freeze_worker": ("thaw_worker", 1.0, 6.0)}  # fmt: skip
PEOPLE_PER_S = 8.0
HARM_EVERY_S = (1.0, 6.0)
FIRST_HARM_S = 2.0


@dataclass(frozen=True, order=True)
class Step:
    """One thing to do, so many seconds after the beginning; ``seed`` draws what it does it to."""

    at_s: float
    act: str
    seed: int


def plan(seed: int, minutes: float) -> list[Step]:
    """Return the steps of a run in order. What was begun is ended, if need be at the end of the run."""
    ends = minutes * 60
    steps = [step for chain in (_people(seed), _harm(seed)) for step in takewhile(lambda step: step.at_s < ends, chain)]
    for step in list(steps):
        if step.act in LASTS:
            back, least, most = LASTS[step.act]
            lasts_s = random.Random(step.seed).uniform(least, most)
            steps.append(Step(min(step.at_s + lasts_s, ends), back, step.seed))
    return sorted(steps)


def _people(seed: int) -> Iterator[Step]:
    draw, at_s = random.Random(f"{seed} people"), 0.0
    while True:
        yield Step(at_s, _one_of(draw, PEOPLE), draw.getrandbits(32))
        at_s += draw.expovariate(PEOPLE_PER_S)


def _harm(seed: int) -> Iterator[Step]:
    draw, at_s = random.Random(f"{seed} harm"), FIRST_HARM_S
    while True:
        yield Step(at_s, _one_of(draw, HARM), draw.getrandbits(32))
        at_s += draw.uniform(*HARM_EVERY_S)


def _one_of(draw: random.Random, weights: dict[str, int]) -> str:
    return draw.choices(list(weights), list(weights.values()))[0]
