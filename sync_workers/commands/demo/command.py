"""``sync-workers demo``: build the stage, play the story, settle, close the books, prove, report."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from sync_workers import logs
from sync_workers.commands.demo import books, exhibits, report
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.live import View, opened_view
from sync_workers.commands.demo.report import Told, Verdict
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.commands.demo.stage import Stage, build
from sync_workers.commands.demo.stories import SCENARIOS
from sync_workers.commands.servers import nothing_left, only_one
from sync_workers.errors import SyncError
from sync_workers.ledger import counts, doorstep
from sync_workers.sandbox.processes import wait_until

SETTLES_WITHIN_S = 90.0
LOOK_AGAIN_S = 0.5
INTERRUPTED = 130


@click.command()
@click.option("--keep", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same day.")
@click.option(
    "--scenario", "names", type=click.Choice(list(SCENARIOS)), multiple=True, default=("day",), show_default=True,
    metavar="NAME", help="One of those that --list names; several are played one after the other.",
)  # fmt: skip
@click.option("--list", "lists", is_flag=True, help="List the scenarios.")
@click.option("--plain-output", is_flag=True, help="Plain lines instead of a live page.")
def demo(keep: bool, seed: int, names: tuple[str, ...], lists: bool, plain_output: bool) -> None:
    """Play a working day on a real ERP (Tryton) and a simulated CRM (HubSpot), with accidents.

    Exit code 0 only if every story ended as promised, every order arrived once, stock is in step and every
    law holds.
    """
    if lists:
        width = max(len(name) for name in SCENARIOS)
        for each in SCENARIOS.values():
            click.echo(f"{each.name:<{width}}  {each.title}")
        return
    logs.configure("ERROR")
    home = Path(os.environ.get("SYNC_HOME") or ".sync")
    try:
        with only_one(home, "demo"), nothing_left() as household:
            began = time.monotonic()
            with opened_view(plain=plain_output) as view:
                stories = [SCENARIOS[name] for name in dict.fromkeys(names)]
                stage = build(home, household, view.say, {need for story in stories for need in story.needs})
                view.watch(stage.ledger)
                day = Day(stage, random.Random(seed), view.say)  # noqa: S311 - a story, not a secret
                told = [tell(story, day, view) for story in stories]
                view.say("proving the laws on the ledger and in both systems")
                proof = report.prove(stage)
            verdict = Verdict(told, proof, time.monotonic() - began)
            report.show(day, verdict)
            report.show_addresses(stage)
            if keep:
                stay()
            else:
                click.echo("\nAll of it is stopped now; with --keep (make demo KEEP=1) it stays up.")
            stage.ledger.dispose()
    except KeyboardInterrupt:
        click.echo("\nInterrupted; everything is stopped.")
        sys.exit(INTERRUPTED)
    sys.exit(0 if verdict.is_well else 1)


def tell(story: Scenario, day: Day, view: View) -> Told:
    """Play one story from its opening to its check."""
    began = time.monotonic()
    view.story(story.title, [act.title for act in (*story.opening, *story.acts)])
    day.exhibits.clear()
    day.noted.clear()
    wrong = play(story.opening, day, view)
    before = look(day, view, settle_first=bool(story.opening))
    wrong += play(story.acts, day, view)
    view.end("waiting until the systems agree, then counting both")
    books, facts = settle(story, day)
    after = look(day, view)
    return Told(story, before, after, facts, books, wrong, time.monotonic() - began)


def look(day: Day, view: View, *, settle_first: bool = False) -> list[exhibits.Picture]:
    """Take the pictures of what the story shows, once the systems are quiet if asked to."""
    if settle_first and day.exhibits:
        view.say("waiting until the systems agree, then looking at both")
        wait_until(lambda: is_quiet(day.stage), SETTLES_WITHIN_S)
    return exhibits.take(day.exhibits, day.crm, day.stage.clerk)


def play(acts: Sequence[Act], day: Day, view: View) -> list[str]:
    """Play every act; return what went wrong in the telling, with its act."""
    wrong = []
    for act in acts:
        view.act(act.title)
        try:
            act.play(day)
        except Exception as error:  # the books are closed all the same, and say what it led to
            text = error.message if isinstance(error, SyncError) else f"{type(error).__name__}: {error}"
            wrong.append(f"{act.title}: {logs.masked(text)}")
            view.say(f"went wrong: {wrong[-1]}")
    return wrong


def settle(story: Scenario, day: Day) -> tuple[books.Books, list[Fact]]:
    """Count and look until everything is as promised, or the time for it is over."""
    until = time.monotonic() + SETTLES_WITHIN_S
    while True:
        while not is_quiet(day.stage) and time.monotonic() < until:
            time.sleep(LOOK_AGAIN_S)
        facts = examine(story, day)
        is_over = time.monotonic() >= until
        if is_over or all(fact.is_well for fact in facts):
            closed = books.close(day)
            if is_over or not closed.wrong:
                return closed, facts
        time.sleep(2 * LOOK_AGAIN_S)


def examine(story: Scenario, day: Day) -> list[Fact]:
    """Return the story's facts; where its check finds too little to go on, that is one."""
    facts = list(day.noted)
    try:
        facts.extend(story.check(day))
    except (LookupError, ValueError) as error:
        facts.append(Fact("the check of the story", f"{type(error).__name__}: {error}", "an answer to each question"))
    return facts


def is_quiet(stage: Stage) -> bool:
    """Tell whether nobody has anything to do right now; what is held or dead waits for a person."""
    if stage.crm.undelivered():
        return False
    with stage.ledger.transaction() as tx:
        records, (unsorted, _) = counts.status(tx)["records"], doorstep.lying(tx)
    return not records["due"] and not records["at_work"] and not unsorted


def stay() -> None:
    """Stay up until Ctrl-C or SIGTERM."""
    click.echo("\nCtrl-C stops everything.")
    try:
        signal.pause()
    except (KeyboardInterrupt, SystemExit):
        click.echo("\nStopping.")
