"""``prove``: do the laws hold? Exit code 1 when one is broken or cannot be proven yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import click
from rich.text import Text

from sync_workers import logs
from sync_workers.commands import output
from sync_workers.connectors.contract import Connector, Variant
from sync_workers.domain.mapping import Sheet
from sync_workers.engine.sweep import Finding
from sync_workers.engine.sweep import sweep as sweep_systems
from sync_workers.ledger import proof
from sync_workers.ledger.proof import Proof
from sync_workers.runtime import Runtime, open_runtime
from sync_workers.settings import Settings
from sync_workers.sheets import active_sheets, build_connectors

SHOWN = 20


@click.command()
@click.option("--systems", is_flag=True,
              help="Also ask the systems: list all that carries our reference and look for doubles.")
@click.option("--stuck-after", "stuck_s", type=click.FloatRange(min=1), default=proof.STUCK_S, show_default=True,
              help="Seconds after which due work that nobody does counts as lost.")
@click.option("--untold-after", "untold_s", type=click.FloatRange(min=0), default=proof.UNTOLD_S, show_default=True,
              help="Seconds within which an alert must be out.")
@output.as_json
@click.pass_context
def prove(ctx: click.Context, systems: bool, stuck_s: float, untold_s: float, as_json: bool) -> None:
    """Check the eight laws on the live ledger, and say what breaks them.

    'Unproven' is what the ledger alone cannot know: run it again with --systems.
    """
    if systems:
        runtime = open_runtime(pool_size=4, patience_s=output.PATIENCE_S)
        try:
            found = proof.prove(
                runtime.ledger, sweep=_sweep(runtime), covers=covered(runtime.sheets, runtime.connectors),
                sheets=runtime.sheets, proving=proving(runtime.sheets, runtime.connectors), stuck_s=stuck_s,
                untold_s=untold_s,
            )
        finally:
            runtime.dispose()
    else:
        with output.opened_ledger() as ledger:
            settings = Settings.load()
            sheets = active_sheets(settings, ledger)
            found = proof.prove(ledger, sheets=sheets, stuck_s=stuck_s, untold_s=untold_s,
                                proving=proving(sheets, build_connectors(settings, sheets)))
    if as_json:
        output.print_json(found.as_json())
    else:
        _show(found)
    ctx.exit(0 if found.holds else 1)


def covered(sheets: Mapping[str, Sheet], connectors: Mapping[str, Connector]) -> set[tuple[str, str]]:
    """Return the (kind, system) that a sweep looks through: where our reference is stored."""
    return {(kind, system) for kind, sheet in sheets.items() for system, path in sheet.reference.items()
            if path and system in connectors}


def proving(sheets: Mapping[str, Sheet], connectors: Mapping[str, Connector]) -> set[tuple[str, str]]:
    """Return the (kind, system) where a unique key or a consistent look-up proves that nothing was doubled."""
    return {
        (kind, system) for kind, sheet in sheets.items() for system in sheet.systems if system in connectors
        and connectors[system].traits(kind).variant in (Variant.T1, Variant.T2)
    }


def _sweep(runtime: Runtime) -> Callable[[], Iterator[Finding]]:
    return lambda: sweep_systems(runtime)


def _show(found: Proof) -> None:
    page = output.table("law", "", "verdict", "looked at")
    for law in found.laws:
        verdict = Text("holds", "green") if law.holds else (
            Text(f"broken {len(law.broken)}", "bold red") if law.broken else Text("unproven", "yellow"))
        output.row(page, law.law, proof.TITLES[law.law], verdict, law.checked)
    console = output.console()
    console.print(page)
    for law in found.laws:
        for word, sentences in (("broken", law.broken), ("unproven", law.unproven)):
            for sentence in sentences[:SHOWN]:
                console.print(Text(f"{law.law} {word}: {logs.masked(sentence)}"))
            if len(sentences) > SHOWN:
                console.print(f"{law.law} {word}: and {len(sentences) - SHOWN} more, see --json")
    console.print("All laws hold." if found.holds else "What is named above needs a person.")
