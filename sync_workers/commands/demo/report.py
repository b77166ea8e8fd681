"""The page at the end: what happened, what is wrong, and where to look further."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any

import click

from sync_workers import logs
from sync_workers.commands import output
from sync_workers.commands.demo import exhibits
from sync_workers.commands.demo.books import Books
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.exhibits import Picture
from sync_workers.commands.demo.scenario import Fact, Scenario
from sync_workers.commands.demo.stage import Stage
from sync_workers.fleet import flower, passwords

WIDTH = 100
PROVE = "from sync_workers.commands.main import main; main()"


@dataclass
class Told:
    """One story as it was played: both systems before and after, and what was looked at in the end."""

    story: Scenario
    before: list[Picture]
    after: list[Picture]
    facts: list[Fact]
    books: Books
    went_wrong: list[str]
    took_s: float

    @property
    def wrong(self) -> list[str]:
        return [*self.went_wrong, *(fact.sentence for fact in self.facts if not fact.is_well), *self.books.wrong]


@dataclass
class Verdict:
    """How it ended. ``wrong`` holds a sentence for each promise that was not kept."""

    told: list[Told]
    proof: dict[str, Any]
    took_s: float
    wrong: list[str] = field(init=False)

    def __post_init__(self) -> None:
        sentences = [sentence for each in self.told for sentence in each.wrong]
        self.wrong = [*dict.fromkeys(sentences), *broken_laws(self.proof)]

    @property
    def books(self) -> Books:
        """What was counted last counts everything."""
        return self.told[-1].books

    @property
    def is_well(self) -> bool:
        return not self.wrong


def prove(stage: Stage) -> dict[str, Any]:
    """Run ``sync-workers prove --systems`` as a person would, and return what it says."""
    argv = [sys.executable, "-c", PROVE, "prove", "--systems", "--json"]
    environ = {**os.environ, **stage.environ}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    try:
        proof: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = logs.masked((done.stdout + done.stderr).strip()[-500:])
        return {"holds": False, "laws": [{"law": "prove", "holds": False, "broken": [said], "unproven": []}]}
    return proof


def broken_laws(proof: dict[str, Any]) -> list[str]:
    """Return a sentence for each law that does not hold."""
    return [
        f"law {law['law']} is {word}: {sentence}"
        for law in proof["laws"] if not law["holds"]
        for word in ("broken", "unproven") for sentence in law.get(word, ())
    ]  # fmt: skip


def show(day: Day, verdict: Verdict) -> None:
    """Print each story, then the accounts of all."""
    books, stage = verdict.books, day.stage
    for told in verdict.told:
        show_story(told)
    laws = [str(law["law"]) for law in verdict.proof["laws"] if law["holds"]]
    click.echo()
    click.secho("What happened", bold=True)
    _row("orders in", f"{books.orders_in} deals won in the CRM", True)
    _row("orders out", f"{books.orders_out} in the ERP ({books.held} of them on credit hold, shown in the CRM),"
         f" {books.dead} waiting as dead letters", books.orders_out + books.dead == books.orders_in)  # fmt: skip
    _row("duplicates", str(books.duplicates), books.duplicates == 0)
    _row("lost", str(books.lost), books.lost == 0)
    _row("customers", f"{books.customers} in step", not any("customer" in one for one in books.wrong))
    _row("stock", f"{books.parts_in_step} of {books.parts} parts in step, each compared in both systems",
         books.parts_in_step == books.parts)  # fmt: skip
    for typed in day.typed:
        _row("put back", f"{typed.field} of {typed.part}, typed as {typed.typed} into the CRM",
             not any(typed.part in one for one in books.wrong))  # fmt: skip
    if day.killed or _faults(stage):
        _row("accidents", f"{day.killed} worker killed (started {stage.fleet.starts('worker')} times), "
             f"{_faults(stage)} answers of the ERP lost or late", True)  # fmt: skip
    _row("alerts", f"{len(stage.alarms.received)} sent to the person on duty", True)
    _row("prove", f"{len(laws)} of {len(verdict.proof['laws'])} laws hold on the ledger and in both systems",
         bool(verdict.proof["holds"]))  # fmt: skip
    _row("time", f"{verdict.took_s:.0f} s", True)
    for letter in books.letters:
        click.echo()
        click.secho(f"Dead letter {letter.id}: {letter.kind} {letter.refs}", bold=True)
        click.echo(f"  reason   {letter.message}")
        click.echo(f"  mend     {letter.mend}")
        click.echo(f"  then     sync-workers dead requeue {letter.id}")
    if verdict.wrong:
        click.echo()
        click.secho(f"{len(verdict.wrong)} things are not as promised:", fg="red", bold=True)
        for sentence in verdict.wrong[:40]:
            click.echo(f"  ✗ {sentence}")
        click.echo(f"  logs of the processes: {stage.home / 'logs'}")
    else:
        click.echo()
        click.secho("All is as promised.", fg="green", bold=True)


def show_story(told: Told) -> None:
    """Print both systems before and after, and what was looked at."""
    click.echo()
    click.secho(f"{told.story.name}: {told.story.title} ({told.took_s:.0f} s)", bold=True)
    for title, pictures in (("Before", told.before), ("After", told.after)):
        if pictures:
            exhibits.show(output.console(), title, pictures)
    for fact in told.facts:
        _wrapped(fact.sentence, fact.is_well)


def show_addresses(stage: Stage) -> None:
    """Say where to look while it stays up."""
    passwords.kept(stage.home, "console")  # else the page makes it when it is first looked at
    click.echo()
    _row("flower", f"{stage.flower}  (user {flower.USER}, password in {stage.home / 'flower.password'})", True)
    _row("health", f"{stage.site}/healthz  {stage.site}/readyz", True)
    _row("console", f"{stage.site}/console/  (user {passwords.USER}, password in {stage.home}/console.password)", True)
    _row("metrics", f"{stage.site}/metrics", True)
    _row("crm", f"{stage.crm.url}/sandbox/account", True)
    _row("erp", f"{stage.erp.url}  (database {stage.erp.database}, passwords beside its snapshot)", True)
    _row("commands", f". {stage.home / 'environment'}; sync-workers status", True)


def _wrapped(text: str, is_well: bool) -> None:
    """Print a sentence behind its mark, in lines that fit a terminal."""
    mark = click.style("✓" if is_well else "✗", fg="green" if is_well else "red")
    first, *rest = textwrap.wrap(text, WIDTH - 4, break_on_hyphens=False) or [""]
    click.echo("\n".join([f"  {mark} {first}", *(f"    {line}" for line in rest)]))


def _row(name: str, text: str, is_well: bool) -> None:
    click.echo(f"  {click.style('✓' if is_well else '✗', fg='green' if is_well else 'red')} {name:<11} {text}")


def _faults(stage: Stage) -> int:
    return sum(1 for passed in stage.proxy.log if passed.fault)
