"""``events``: the inbox, newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from sync_workers.commands import output
from sync_workers.ledger import events as inbox_list

OUTCOMES = ("pending", "applied", "unchanged", "superseded", "dead", "handled", "discarded")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType[datetime]):
    """An age such as 90m or 2d, or an ISO time (UTC where it names no zone)."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value)
        if text[:-1].isdigit() and text[-1] in UNITS:
            return datetime.now(UTC) - timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time: write 30m, 2d or 2026-01-31T08:00", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.option("--system", help="Only those that this system sent.")
@click.option("--kind", help="Only this kind of record.")
@click.option("--id", "external_id", help="Only this id in its system.")
@click.option("--record", "record_id", type=int, help="Only this record of the ledger.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only those with this end.")
@click.option("--source", help="Only from this source: webhook, poll, replay, reconcile, person ...")
@click.option("--since", type=Moment(), help="Not older than this: 30m, 2d, or an ISO time.")
@click.option("--before", type=int, help="Only events with a smaller number, to page on.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output.as_json
def events(
    system: str | None, kind: str | None, external_id: str | None, record_id: int | None, outcome: str | None,
    source: str | None, since: datetime | None, before: int | None, limit: int, as_json: bool,
) -> None:
    """List events and what became of them, newest first."""
    with output.opened_ledger() as ledger, ledger.transaction() as tx:
        found = inbox_list.listed(tx, system=system, kind=kind, external_id=external_id, record_id=record_id,
                                  outcome=outcome, source=source, since=since, before=before, limit=limit)
    if as_json:
        output.print_json([event.as_json() for event in found])
        return
    page = output.table("event", "at (UTC)", "record", "ledger", "source", "outcome", "why")
    for event in found:
        output.row(page, event.id, output.clock(event.received_at),
                   f"{event.system} {event.kind} {event.external_id}", f"#{event.record_id}", event.source,
                   event.outcome or "pending", event.reason or event.note)
    console = output.console()
    output.show(console, page)
    if len(found) == limit:
        console.print(f"More: sync-workers events --before {found[-1].id}")
