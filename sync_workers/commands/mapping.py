"""``sync-workers mapping``: check sheets against the systems, write them for people, switch one on."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from sync_workers import logs, mappings
from sync_workers.commands.checkup import examine_systems, read_configuration
from sync_workers.connectors.contract import Finding
from sync_workers.domain.mapping import Sheet
from sync_workers.ledger import modes
from sync_workers.ledger.connection import Ledger
from sync_workers.runtime import open_ledger
from sync_workers.settings import Settings
from sync_workers.sheets import MAPPINGS_FOLDER, stored_sheets


@click.group()
def mapping() -> None:
    """The sheets that say which field goes where and who decides it."""
    logs.configure("WARNING")


@mapping.command()
@click.option("--offline", is_flag=True, help="Ask no system: look at the sheets alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(context: click.Context, offline: bool, as_json: bool) -> None:
    """Refuse a sheet with a field that has no rule or reason, or that the systems do not have."""
    checkup = read_configuration(os.environ)
    found = [one for section in checkup.sections for one in section.findings if section.title != "Systems"]
    if checkup.settings is not None and not offline:
        *systems, sheets = examine_systems(checkup.settings, checkup.sheets)
        # the first finding says whether a system answers at all; the sheets' own findings follow from it
        found += [one for section in systems for one in section.findings[:1] if not one.ok] + sheets.findings
    else:
        found += [
            Finding(f"{one.sheet}: {one.field} {one.what}", False, one.mend)
            for sheet in checkup.sheets.values()
            for one in mappings.check(sheet, {})
        ]
    problems = [one for one in found if not one.ok]
    if as_json:
        rows = [{"what": one.what, "mend": one.mend} for one in problems]
        click.echo(json.dumps({"well": not problems, "problems": rows}, indent=2))
    else:
        for one in problems or found:
            click.echo(one.what if one.ok else f"✗ {one.what}\n  → {one.mend}")
    context.exit(1 if problems else 0)


@mapping.command()
@click.option("--out", default="docs/mappings", show_default=True, type=click.Path(path_type=Path))
def docs(out: Path) -> None:
    """Write every sheet as a page that people can read and sign."""
    settings = Settings.load()
    pages: list[str] = []
    for kind, versions in sorted(stored_sheets(settings).items()):
        for version, sheet in sorted(versions.items()):
            file = out / kind / f"v{version}.rst"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(mappings.page(sheet), encoding="utf-8")
            pages.append(f"{kind}/v{version}")
            click.echo(f"{file}")
    links = [f"- `{page.replace('/', ' ')} <{page}.rst>`__" for page in pages]
    by = "Written by ``sync-workers mapping docs``: change the sheet, then write the pages again."
    contents = ["Mappings", "========", "", by, "", *links, ""]
    (out / "index.rst").write_text("\n".join(contents), encoding="utf-8")


@mapping.command()
@click.argument("kind")
@click.argument("version", type=int)
@click.option("--who", default=getpass.getuser, help="Who decides it; you by default.")
@click.option("--why", default="", help="The reason, for the audit.")
def activate(kind: str, version: int, who: str, why: str) -> None:
    """Switch KIND to its sheet of VERSION, at once and for every worker.

    Returns when no call that was planned under another version is under way any more.
    """
    settings = Settings.load()
    sheets = stored_sheets(settings)
    sheet = sheets.get(kind, {}).get(version)
    if sheet is None:
        known = ", ".join(f"{name} v{number}" for name, found in sorted(sheets.items()) for number in sorted(found))
        raise click.UsageError(f"there is no sheet of {kind} in version {version}; there are {known}")
    ledger = open_ledger()
    try:
        for left in switch_on(ledger, settings, sheets[kind], version, who, why):
            click.echo(f"waiting for {left} calls that were opened before", err=True)
    finally:
        ledger.dispose()
    click.echo(f"{kind} follows {sheet.source}.")


def activate_missing(ledger: Ledger, settings: Settings, who: str) -> list[Sheet]:
    """Switch on the sheet of every kind that nobody has switched yet: the oldest, which is what runs without."""
    with ledger.transaction() as tx:
        active = modes.active(tx)
    switched = []
    for kind, versions in sorted(stored_sheets(settings).items()):
        if kind not in active:
            for _ in switch_on(ledger, settings, versions, min(versions), who, "first start"):
                pass  # nothing can be under way before the first start
            switched.append(versions[min(versions)])
    return switched


def switch_on(
    ledger: Ledger, settings: Settings, versions: Mapping[int, Sheet], version: int, who: str, why: str
) -> modes.Switched:
    """Make ``version`` the active one of its kind."""
    sheet = versions[version]
    systems = {name for each in versions.values() for name in each.systems}
    file = settings.config / MAPPINGS_FOLDER / sheet.kind / f"v{version}.toml"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return modes.activate(ledger, sheet.kind, version, digest, who, why, systems=systems)
