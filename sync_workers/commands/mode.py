"""``mode``: how far each flow may go, and switching it."""

from __future__ import annotations

from typing import Any

import click

from sync_workers.commands import output
from sync_workers.ledger import modes
from sync_workers.ledger.connection import Ledger
from sync_workers.settings import Settings
from sync_workers.sheets import stored_sheets


@click.command()
@click.argument("kind", required=False)
@click.argument("system", required=False)
@click.argument("to", required=False, type=click.Choice(modes.MODES), metavar="[off|shadow|canary|live]")
@click.option("--why", default="", help="Why it is switched; it is kept.")
@click.option("--canary-id", "canary_ids", multiple=True, help="With canary: an origin id that may go live.")
@click.option("--canary-percent", type=click.IntRange(1, 100), help="With canary: this share of records may.")
@click.option("--wait/--no-wait", default=True, help="Wait until calls that are under way have ended.")
@output.who
@output.as_json
def mode(
    kind: str | None, system: str | None, to: str | None, why: str, canary_ids: tuple[str, ...],
    canary_percent: int | None, wait: bool, who: str, as_json: bool,
) -> None:
    """Show how far each flow may go, or switch the flow of KIND to SYSTEM.

    \b
    off     nothing is sent; records are held
    shadow  what would be sent is recorded, nothing is sent
    canary  only some records are sent (--canary-id, --canary-percent)
    live    everything is sent

    When 'off' has returned nothing more is sent. A flow that was never switched is live.
    """
    if to is None:
        if why or canary_ids or canary_percent or (kind and not system):
            raise click.UsageError("to switch, write: sync-workers mode KIND SYSTEM off|shadow|canary|live")
        with output.opened_ledger() as ledger:
            _show(ledger, kind, system, as_json)
        return
    assert kind is not None
    assert system is not None
    canary = {"ids": list(canary_ids), "percent": canary_percent or 0} if to == "canary" else None
    if canary is None and (canary_ids or canary_percent):
        raise click.UsageError("--canary-id and --canary-percent belong to canary")
    with output.opened_ledger() as ledger:
        _insist_on_flow(ledger, kind, system)
        try:
            switched = modes.switch(ledger, kind, system, to, who, why, canary)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        waited = 0
        if wait:
            for left in switched:
                if left != waited and not as_json:
                    click.echo(f"waiting for {left} call{'' if left == 1 else 's'} under way", err=True)
                waited = left
        left = switched.under_way()
    if as_json:
        output.print_json({"kind": kind, "system": system, "mode": to, "woken": switched.woken, "under_way": left})
    else:
        click.echo(f"{kind} to {system} is {to}; {switched.woken} records woken, {left} calls still under way")


def _insist_on_flow(ledger: Ledger, kind: str, system: str) -> None:
    """Refuse a flow that no sheet names: a mistyped 'off' would look as if it had stopped something."""
    sheets = stored_sheets(Settings.load())
    flows = {(name, at) for name, versions in sheets.items() for sheet in versions.values() for at in sheet.systems}
    with ledger.transaction() as tx:
        switched_once = set(modes.mode_of(tx))  # its sheet may be gone by now
    if (kind, system) not in flows | switched_once:
        known = ", ".join(f"{name} {at}" for name, at in sorted(flows))
        raise click.UsageError(f"there is no flow of {kind!r} to {system!r}; there are {known or 'none'}")


def _show(ledger: Ledger, kind: str | None, system: str | None, as_json: bool) -> None:
    with ledger.transaction() as tx:
        found = modes.mode_of(tx)
    rows: list[dict[str, Any]] = [
        {"kind": of, "system": to, "mode": one.mode, "canary": one.canary, "who": one.who, "why": one.why,
         "at": one.at.isoformat() if one.at else None}
        for (of, to), one in found.items() if kind in (None, of) and system in (None, to)
    ]
    if kind and system and not rows:
        rows = [{"kind": kind, "system": system, "mode": "live", "canary": None, "who": "", "why": "", "at": None}]
    if as_json:
        output.print_json(rows)
        return
    page = output.table("kind", "to", "mode", "canary", "who", "why", "since (UTC)")
    for row in rows:
        output.row(page, row["kind"], row["system"], row["mode"], row["canary"], row["who"], row["why"],
                   (row["at"] or "")[:19].replace("T", " "))
    console = output.console()
    if rows:
        console.print(page)
    console.print("Every flow that is not listed is live." if rows else "Every flow is live.")
