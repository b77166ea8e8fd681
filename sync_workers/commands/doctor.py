"""``sync-workers doctor``: look at everything, say how to mend what is wrong, and create what may be created."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from sync_workers import logs
from sync_workers.commands.checkup import Checkup, examine_systems, flows_of, read_configuration
from sync_workers.commands.reach import Section, check_servers
from sync_workers.connectors.contract import Finding

MARKS = {True: ("✓", "green"), False: ("✗", "red")}


@click.command()
@click.option("--fix", is_flag=True, help="Create what the sheets need and the systems let us create.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--verbose", is_flag=True, help="Show also what is well, line by line.")
def doctor(fix: bool, as_json: bool, verbose: bool) -> None:
    """Look at settings, systems, credentials, sheets, servers and migrations.

    Says how to mend each finding. Exit code 0: all is well, 1: something was found.
    """
    logs.configure("WARNING")
    checkup = read_configuration(os.environ)
    settings = checkup.settings
    created: list[Finding] = []
    flows: list[dict[str, str]] = []
    if settings is not None:
        checkup.sections.append(check_servers(settings))
        if all(section.is_well for section in checkup.sections if section.title == "Systems"):
            examined = examine_systems(settings, checkup.sheets)
            wanted = [finding for section in examined for finding in section.findings if finding.fix]
            if fix and wanted:
                if not as_json:
                    show_plan(wanted)
                examined = examine_systems(settings, checkup.sheets, fix=True)
                created = wanted
                if not as_json:
                    click.echo()
            checkup.sections += examined
            flows = flows_of(settings, checkup.sheets)
    if as_json:
        click.echo(json.dumps(document(checkup, flows, created), indent=2))
    else:
        show(checkup, flows, verbose=verbose)
    sys.exit(0 if checkup.is_well else 1)


def document(
    checkup: Checkup, flows: Sequence[dict[str, str]], created: Sequence[Finding]
) -> dict[str, Any]:
    """Return what was found as JSON: ``well``, ``sections``, ``flows``, and what ``--fix`` set out to create."""
    return {
        "well": checkup.is_well,
        "sections": [
            {"title": section.title, "well": section.is_well, "findings": [asdict(one) for one in section.findings]}
            for section in checkup.sections
        ],
        "flows": list(flows),
        "fixes": [finding.fix for finding in created],
    }  # fmt: skip


def show_plan(wanted: Sequence[Finding]) -> None:
    """Say what ``--fix`` is about to create."""
    click.echo("To be created:")
    for finding in wanted:
        click.echo(f"  + {finding.fix}")


def show(checkup: Checkup, flows: Sequence[dict[str, str]], *, verbose: bool) -> None:
    """Print all sections: what is wrong with its mend, what is well in short."""
    for section in checkup.sections:
        show_section(section, verbose=verbose)
    if flows:
        click.secho("Flows, and what keeps each from doubling a record", bold=True)
        for flow in flows:
            source = f"created from {flow['created_from']}" if flow["created_from"] else "never created there"
            click.echo(f"  {flow['kind']:<10} → {flow['system']:<6} {flow['variant']} ({flow['meaning']}), {source}")
    wrong = sum(1 for _ in checkup.problems())
    click.echo()
    click.secho("All is well." if not wrong else f"{wrong} to mend.", fg="red" if wrong else "green", bold=True)


def show_section(section: Section, *, verbose: bool = False, at_most: int | None = None) -> None:
    """Print one section; beyond ``at_most`` problems only how many more there are."""
    mark, colour = MARKS[section.is_well]
    well = sum(finding.ok for finding in section.findings)
    click.secho(f"{mark} {section.title}", fg=colour, bold=True, nl=False)
    click.echo(f"  {well} of {len(section.findings)} well")
    wrong = [finding for finding in section.findings if not finding.ok]
    for finding in section.findings if verbose else wrong[:at_most]:
        sign, paint = MARKS[finding.ok]
        click.secho(f"    {sign} {finding.what}", fg=None if finding.ok else paint)
        if not finding.ok and finding.mend:
            click.echo(f"      → {finding.mend}")
    if at_most is not None and len(wrong) > at_most:
        click.echo(f"    and {len(wrong) - at_most} more: 'sync-workers doctor' lists them")
