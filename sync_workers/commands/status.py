"""``status``: one page of what is going on. Exit code 1 when a person should look."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from sync_workers import logs
from sync_workers.commands import output
from sync_workers.errors import SettingsError
from sync_workers.ledger import cash, counts
from sync_workers.settings import Settings
from sync_workers.sheets import stored_sheets

log = logs.get(__name__)

LATE_S = 300.0


@click.command()
@output.as_json
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show what came in, what waits and what is wrong.

    Exit code 1 when a person should look: dead letters, open or unsent alerts, a system that is down,
    unreadable deliveries, work that is due for more than five minutes.
    """
    with output.opened_ledger() as ledger, ledger.transaction() as tx:
        found = counts.status(tx)
        found["held_worth"] = cash.held_worth(tx, _worth())
        found["invoice_lag"] = cash.invoice_lag(tx)
    if as_json:
        output.print_json(found)
    else:
        _show(output.console(), found)
    ctx.exit(1 if needs_a_person(found) else 0)


def _worth() -> dict[str, str]:
    """Return the money field of each kind whose sheet names one; without readable sheets nothing is valued."""
    try:
        sheets = stored_sheets(Settings.load())
    except SettingsError as error:
        log.info("Held records are not valued", reason=error.message)
        return {}
    newest = [versions[max(versions)] for versions in sheets.values()]
    return {sheet.kind: sheet.worth for sheet in newest if sheet.worth}


def needs_a_person(found: dict[str, Any]) -> bool:
    """Say whether a status holds anything that does not mend itself."""
    return bool(
        found["records"]["dead"] or found["alerts"]["open"] or found["alerts"]["unsent"] or found["quarantine"]
        or found["records"]["oldest_due_s"] > LATE_S
        or any(system["state"] != "up" for system in found["systems"].values())
    )


def _show(console: Console, found: dict[str, Any]) -> None:
    events, records = found["events"], found["records"]
    numbers = output.table("events", "", "records", "")
    left = list(events.items())
    right: list[tuple[str, Any]] = [(name.replace("_", " "), count) for name, count in records.items()]
    right[3] = ("oldest due", output.seconds(records["oldest_due_s"]))
    right.append(("unreadable deliveries", found["quarantine"]))
    for index in range(max(len(left), len(right))):
        one = left[index] if index < len(left) else ("", "")
        two = right[index] if index < len(right) else ("", "")
        output.row(numbers, one[0], one[1], two[0], two[1])
    console.print(numbers)
    if found["systems"]:
        _systems(console, found["systems"])
    if found["holds"]:
        holds = output.table("held", "kind", "why", "since", "what releases it")
        for hold in found["holds"]:
            output.row(holds, hold["count"], hold["kind"], hold["code"], output.since(hold["since"]), hold["mend"])
        output.show(console, holds)
    for worth in found["held_worth"]:
        amount = f"{worth['amount']} {worth['currency']}" if worth["currency"] else "an unknown amount"
        console.print(f"{worth['count']} held {worth['kind']}s ({worth['code']}) are worth {amount}")
    lag = found["invoice_lag"]
    if lag["count"]:
        console.print(f"{lag['count']} invoices within a day: median {output.seconds(lag['median_s'])} after their"
                      f" shipment, worst {output.seconds(lag['worst_s'])}")
    alerts = found["alerts"]
    if alerts["list"]:
        listed = output.table("alert", "times", "since", "told", "incident")
        for alert in alerts["list"]:
            told = "yes" if alert["sent"] else f"no: {alert['error'] or 'on its way'}"
            output.row(listed, alert["subject"], alert["count"], output.since(alert["since"]), told,
                       alert["incident"])
        output.show(console, listed)
    if records["dead"]:
        console.print("What to do about the dead ones: sync-workers dead list")


def _systems(console: Console, systems: dict[str, Any]) -> None:
    page = output.table("system", "state", "since", "last answered polls", "flows that are not live", "why")
    for name, system in systems.items():
        polls = ", ".join(f"{kind} {output.seconds(age)} ago"
                          for kind, age in system.get("polled_s_ago", {}).items())
        modes = ", ".join(f"{kind} {mode}" for kind, mode in system.get("modes", {}).items())
        output.row(page, name, system["state"], output.since(system.get("since")), polls, modes, _why(system))
    output.show(console, page)


def _why(system: dict[str, Any]) -> str:
    said = [system["reason"]] if system.get("reason") else []
    if system.get("next_probe_at"):
        said.append(f"asked again at {output.clock(system['next_probe_at'])[11:]} UTC")
    if "drifted" in system:
        said.append(f"drifted, stands still: {', '.join(system['drifted'])}")
    return "\n".join(said)
