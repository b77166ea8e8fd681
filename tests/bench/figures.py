"""What is promised, and whether a measurement keeps it: the last table of the performance page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bound:
    """What a figure must reach and what it aims at. ``at_least`` False: smaller is better."""

    must: float
    aim: float
    at_least: bool = True

    def verdict(self, value: float) -> str:
        for limit, word in ((self.aim, "aim reached"), (self.must, "reached")):
            if value >= limit if self.at_least else value <= limit:
                return word
        return "MISSED"


@dataclass
class Figure:
    """One line of the page: the rounds' values, judged by their median. ``detail`` is what stands behind them."""

    name: str
    unit: str
    bound: Bound
    rounds: list[float] = field(default_factory=list)
    detail: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        return self.bound.verdict(self.value) if self.rounds else "not measured"

    def add(self, value: float, **behind: float) -> None:
        self.rounds.append(value)
        for name, each in behind.items():
            self.detail.setdefault(name, []).append(each)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of them lie; the highest for a share of one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def shown(value: float) -> str:
    """Write a number with three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def spread(values: Sequence[float]) -> str:
    """Return ``median (lowest to highest)``."""
    if not values:
        return "-"
    return f"{shown(statistics.median(values))} ({shown(min(values))} to {shown(max(values))})"
