"""``explain``: why does this record say what it says?"""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from sync_workers import logs
from sync_workers.commands import output
from sync_workers.ledger import story


@click.command()
@click.argument("kind")
@click.argument("id")
@click.option("--system", help="The system whose id this is, where several know one.")
@output.as_json
@click.pass_context
def explain(ctx: click.Context, kind: str, id: str, system: str | None, as_json: bool) -> None:
    """Tell the story of one record: what came in, what was decided by which rule, what was sent.

    ID is its id in any system, system:id, our reference (crm-order-9001), or #7 for record 7.
    """
    with output.opened_ledger() as ledger, ledger.transaction() as tx:
        found = story.candidates(tx, kind, id, system)
        if not found:
            raise click.UsageError(f"no {kind} {id!r} in the ledger; 'sync-workers events --kind {kind}' lists some")
        if len(found) > 1:
            places = ", ".join(f"{one.system}:{one.external_id} (#{one.record_id})" for one in found)
            raise click.UsageError(f"{kind} {id!r} may be {places}: add --system, or name it by its #number")
        told = story.tell(tx, found[0].record_id)
    if as_json:
        output.print_json(told)
    else:
        _show(output.console(), told)
    ctx.exit(1 if told["state"] == "dead" else 0)


def _show(console: Console, told: dict[str, Any]) -> None:
    origin, hold = told["origin"], told["hold"]
    heading = output.table(f"{told['kind']} #{told['record']}", "")
    rows = {
        "state": told["state"] + (f": {hold['reason']}" if hold else ""),
        "what releases it": hold["mend"] if hold else "",
        "born in": f"{origin['system']} as {origin['id']}",
        **{f"in {system}": external_id for system, external_id in told["refs"].items()},
        "due": f"{output.clock(told['due_at'])} UTC" if told["due_at"] else "",
        "waits for": f"record #{told['waits_for']}" if told["waits_for"] else "",
        "failed tries": told["failures"] or "",
        "last said": "" if hold and told["note"] == hold["reason"] else told["note"],
    }
    for name, value in rows.items():
        if value:
            output.row(heading, name, value)
    console.print(heading)
    _events(console, told["events"])
    for one in told["attempts"]:
        _attempt(console, one)
    _overrules(console, told["overrules"])
    for letter in told["letters"]:
        _letter(console, letter)


def _events(console: Console, events: list[dict[str, Any]]) -> None:
    page = output.table("event", "at (UTC)", "from", "source", "outcome", "why")
    for event in events:
        output.row(page, event["id"], output.clock(event["received_at"]),
                   f"{event['system']} {event['external_id']}", event["source"], event["outcome"],
                   event["reason"] or event["note"])
    output.show(console, page)


def _attempt(console: Console, one: dict[str, Any]) -> None:
    """Print one call as a page of its own: what each field said, what it was to say and by which rule."""
    took = "" if one["took_ms"] is None else f" in {one['took_ms']:.0f} ms"
    note = f" ({one['note']})" if one["note"] else ""
    what = f"step {one['action']}" if one["action"] else one["op"]
    console.print(Text(f"attempt {one['id']}: {what} in {one['system']}, {one['status']}{note}{took},"
                       f" {output.clock(one['at'])} UTC, mapping v{one['mapping']}", "bold"))
    page = output.table("field", "before", "after", "rule")
    for name, change in one["fields"].items():
        output.row(page, name, _value(change.get("before")), _value(change.get("after")), change.get("rule"))
    if one["fields"]:
        output.show(console, page)
    answer = one["response"] if isinstance(one["response"], dict) else {}
    if answer.get("error"):
        console.print(Text(f"answered: {logs.masked(str(answer['error']))}"))


def _overrules(console: Console, overrules: list[dict[str, Any]]) -> None:
    page = output.table("overruled (UTC)", "field", "in", "lost", "to", "of", "rule")
    for one in overrules:
        output.row(page, output.clock(one["at"]), one["field"], one["system"], _value(one["lost"]),
                   _value(one["won"]), one["winner"], f"{one['rule']} (v{one['mapping']})")
    if overrules:
        output.show(console, page)


def _letter(console: Console, letter: dict[str, Any]) -> None:
    page = output.table(f"dead letter {letter['id']} ({letter['state']})", "")
    for name in ("error", "message", "mend", "field", "who", "why", "traceback"):
        if letter[name]:
            output.row(page, name, letter[name])
    output.row(page, "failed", f"{output.clock(letter['first_failed_at'])} to {output.clock(letter['last_failed_at'])}"
               f" UTC, tries: {letter['attempts']}")
    console.print(page)


def _value(data: Any) -> str:
    """Show a stored value without its tag; a list of items one on each line, by its key."""
    if not isinstance(data, dict):
        return data if isinstance(data, str) else "" if data is None else json.dumps(data, ensure_ascii=False)
    if len(data) == 1:
        tag, inner = next(iter(data.items()))
        if tag == "$items":
            return "\n".join(f"{key}: {_value(item)}" for key, item in inner)
        if tag.startswith("$"):
            return _value(inner)
    return ", ".join(f"{name} {_value(inner)}" for name, inner in data.items())
