"""``sync-workers``: the group of all commands. A command's module is imported when it is run or explained.

Exit codes: 0 fine, 1 found something, 2 wrong use (which includes settings that are wrong).
"""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from typing import Any

import click

from sync_workers import logs
from sync_workers.errors import SettingsError, SyncError

# name -> (where it is, what it does, the heading it stands under)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("sync_workers.commands.up:up", "Start everything on this machine.", "Run"),
    "demo": ("sync_workers.commands.demo:demo", "Show a working day on a real ERP and a simulated CRM.", "Run"),
    "init": ("sync_workers.commands.init:init", "Write a configuration to start from.", "Prepare"),
    "migrate": ("sync_workers.commands.migrate:migrate", "Bring the ledger's schema up to date.", "Prepare"),
    "doctor": ("sync_workers.commands.doctor:doctor", "Check settings, servers, systems and rights.", "Prepare"),
    "mapping": ("sync_workers.commands.mapping:mapping", "Check the mapping sheets and write them as pages.",
                "Prepare"),
    "plan": ("sync_workers.commands.plan:plan", "Show what a mapping version would change, record by record.",
             "Prepare"),
    "status": ("sync_workers.commands.status:status", "Show what came in, what waits and what is wrong.", "Look"),
    "events": ("sync_workers.commands.events:events", "List events and what became of them.", "Look"),
    "explain": ("sync_workers.commands.explain:explain", "Tell the story of one record.", "Look"),
    "prove": ("sync_workers.commands.prove:prove", "Check the eight laws on the live ledger.", "Look"),
    "bench": ("sync_workers.commands.bench:bench", "Measure every figure that is claimed.", "Look"),
    "dead": ("sync_workers.commands.dead:dead", "See to work that stopped: list, requeue, discard, handled.", "Act"),
    "mode": ("sync_workers.commands.mode:mode", "Switch a flow: off, shadow, canary or live.", "Act"),
}
HEADINGS = ("Look", "Act", "Prepare", "Run")
FOUND, WRONG_USE = 1, 2


class LazyGroup(click.Group):
    """Lists all commands without importing them; sorts our errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading in HEADINGS:
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (_, text, where) in COMMANDS.items() if where == heading])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SyncError as error:
            click.echo(f"sync-workers: {logs.masked(error.message)}", err=True)
            if error.mend:
                click.echo(f"  mend: {error.mend}", err=True)
            ctx.exit(WRONG_USE if isinstance(error, SettingsError) else FOUND)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("sync-workers"), prog_name="sync-workers")
def cli() -> None:
    """Keep a CRM, an ERP and a web shop in step, both ways: nothing lost, nothing doubled, all explained.

    Every command that reports takes --json. Exit code 0: fine, 1: found something, 2: wrong use. Where the
    database is stands in SYNC_DATABASE_URL, or 'sync-workers up' has started one.
    """


def main() -> None:
    """Run the command line. Logs go to standard error, only what is wrong: a report is not a log."""
    logs.configure("WARNING")
    sys.exit(cli())
