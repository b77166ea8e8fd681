"""``bench``: measure every figure that is claimed, on this machine, in one run.

What is measured and how stands in ``tests/bench`` of a checkout; an installed package does not carry it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from sync_workers.commands import output
from sync_workers.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("intake", "throughput", "fleet", "slow", "history", "stock")


@click.command()
@output.as_json
@click.option("--quick", is_flag=True,
              help="Fewer rounds and smaller numbers, no page in docs: shows that it works, proves nothing.")
@click.option("--rounds", type=click.IntRange(min=1), help="How often everything is measured (3).")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Measure only this; the page is not written.")
@click.pass_context
def bench(ctx: click.Context, as_json: bool, quick: bool, rounds: int | None, only: tuple[str, ...]) -> None:
    """Measure every figure that is claimed, side by side with the peers, and write docs/benchmarks.rst.

    Starts servers of its own below SYNC_HOME (or .sync-bench) and stops them. Takes about half an hour.
    Exit code 1 when a figure misses what it must reach.
    """
    measuring = _measuring()
    size = measuring.QUICK if quick else measuring.FULL
    if rounds:
        size = replace(size, rounds=rounds)
    home = Path(os.environ.get("SYNC_HOME") or CHECKOUT / ".sync-bench") / "bench"
    figures = measuring.run(home, size, lambda text: click.echo(text, err=True), only or PARTS)
    peers = measuring.Baselines(home / "peers").versions() if not only else {}
    if not only:
        measuring.write_page(figures, size, peers, *([home / "benchmarks.rst"] if size != measuring.FULL else []))
    if as_json:
        output.print_json([{"name": each.name, "unit": each.unit, "rounds": each.rounds, "median": each.value,
                            "must": each.bound.must, "aim": each.bound.aim, "verdict": each.verdict,
                            "behind": each.detail} for each in figures])
    else:
        _show(figures, measuring)
    ctx.exit(1 if any(each.verdict == "MISSED" for each in figures) else 0)


def _show(figures: list[Any], measuring: Any) -> None:
    page = output.table("figure", "measured", "must reach", "aim", "verdict")
    for each in figures:
        output.row(page, each.name, f"{measuring.spread(each.rounds)} {each.unit}", measuring.shown(each.bound.must),
                   measuring.shown(each.bound.aim), each.verdict)
        for name, values in each.detail.items():
            output.row(page, f"  {name}", measuring.spread(values), "", "", "")
    output.console().print(page)


def _measuring() -> Any:
    if not (CHECKOUT / "tests" / "bench" / "run.py").exists():
        raise SettingsError("the benchmark is part of a checkout, and this is an installed package",
                            mend="clone the repository and run 'make bench' there")
    sys.path.insert(0, str(CHECKOUT))
    return import_module("tests.bench.run")
