"""``dead``: work that stopped and waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from sync_workers.commands import output
from sync_workers.ledger import letters
from sync_workers.ledger.letters import Filter, Letter
from sync_workers.ledger.statements import Tx

STATES = ("open", "requeued", "healed", "discarded", "handled")
LIMIT = 10_000


@click.group()
def dead() -> None:
    """See to work that stopped: list, show, requeue, discard, handled.

    Each act names who and why, and is kept. Nothing is tried again for ever by itself: a dead record goes
    on when its facts change or when somebody requeues it.
    """


def chosen(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options by which letters are chosen."""
    for option in (
        click.option("--text", help="Only letters whose message holds this."),
        click.option("--system", help="Only letters about this system."),
        click.option("--error", help="Only letters of this error class."),
        click.option("--kind", help="Only letters of this kind of record."),
    ):
        command = option(command)
    return command


@dead.command("list")
@chosen
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@output.as_json
def list_letters(state: str, limit: int, as_json: bool, **filters: str | None) -> None:
    """List dead letters, the freshest first. Exit code 1 when there are open ones."""
    with output.opened_ledger() as ledger, ledger.transaction() as tx:
        found = letters.find(tx, Filter(states=(state,), **filters), limit=limit)  # type: ignore[arg-type]
    if as_json:
        output.print_json([letter.as_json() for letter in found])
    else:
        page = output.table("letter", "record", "what stopped it, and what mends it", "since", "tries")
        for letter in found:
            output.row(page, letter.id, _places(letter), _said(letter), output.since(letter.since), letter.attempts)
        console = output.console()
        console.print(page if found else f"No dead letter is {state}.")
        if found and state == "open":
            console.print("Mended? sync-workers dead requeue LETTER ...\nAll of one: sync-workers dead show LETTER")
    click.get_current_context().exit(1 if found and state == "open" else 0)


@dead.command()
@click.argument("letter", type=int)
@output.as_json
def show(letter: int, as_json: bool) -> None:
    """Show one dead letter whole."""
    with output.opened_ledger() as ledger, ledger.transaction() as tx:
        try:
            found = letters.show(tx, letter)
        except LookupError as error:
            raise click.UsageError(str(error)) from None
    document = {**found.as_json(), "incident": found.incident, "who": found.who, "why": found.why,
                "traceback": found.traceback}
    if as_json:
        output.print_json(document)
        return
    page = output.table(f"dead letter {found.id}", "")
    shown = {**document, "refs": ", ".join(f"{system} {external_id}" for system, external_id in found.refs.items()),
             "since": output.clock(found.since), "last_failed_at": output.clock(found.last_failed_at)}
    for name, value in shown.items():
        if value not in (None, ""):
            output.row(page, name.replace("_", " "), value)
    console = output.console()
    console.print(page)
    console.print(f"Its whole story: sync-workers explain {found.kind} '#{found.record_id}'", markup=False)
    if found.state in letters.STANDING:
        console.print(f"Mended:          sync-workers dead requeue {letter} --why '...'\n"
                      f"Done by hand:    sync-workers dead handled {letter} --why '...' --ref SYSTEM=ID\n"
                      f"Not wanted:      sync-workers dead discard {letter} --why '...'", markup=False)


def _places(letter: Letter) -> str:
    """Name a record as its systems do; one that none of them knows yet by its number."""
    places = [f"{letter.kind} {system} {external_id}" for system, external_id in letter.refs.items()]
    return "\n".join(places or [f"{letter.kind} #{letter.record_id}"])


def _said(letter: Letter) -> str:
    lines = [f"{letter.error}: {letter.message}", "" if letter.mend in letter.message else f"→ {letter.mend}"]
    return "\n".join(line for line in lines if line)


@dead.command()
@click.argument("ids", nargs=-1, type=int, metavar="[LETTER]...")
@chosen
@click.option("--all", "everything", is_flag=True, help="All open letters.")
@click.option("--held", is_flag=True, help="Held records instead of letters; --kind and --code narrow them down.")
@click.option("--code", help="With --held: only this reason, such as credit_hold.")
@click.option("--record", "record_ids", type=int, multiple=True, help="With --held: only this record.")
@click.option("--why", default="", help="What was mended.")
@output.who
@output.as_json
def requeue(
    ids: tuple[int, ...], everything: bool, held: bool, code: str | None, record_ids: tuple[int, ...], why: str,
    who: str, as_json: bool, **filters: str | None,
) -> None:
    """Try records again now: those of the letters named, or of all that the filters find."""
    if held:
        if ids or everything or filters["error"] or filters["text"] or filters["system"]:
            raise click.UsageError("--held goes with --kind, --code and --record only")

        def work(tx: Tx) -> list[int]:
            return letters.requeue_held(tx, who, why, kind=filters["kind"], code=code, record_ids=record_ids)
    else:
        if code or record_ids:
            raise click.UsageError("--code and --record belong to --held")

        def work(tx: Tx) -> list[int]:
            return letters.requeue(tx, _ids(tx, ids, everything, filters), who, why)

    _act(work, "requeued", as_json, ids)


@dead.command()
@click.argument("ids", nargs=-1, type=int, metavar="[LETTER]...")
@chosen
@click.option("--all", "everything", is_flag=True, help="All open letters.")
@click.option("--why", required=True, help="Why this news needs no work; it is kept.")
@output.who
@output.as_json
def discard(
    ids: tuple[int, ...], everything: bool, why: str, who: str, as_json: bool, **filters: str | None
) -> None:
    """Drop what died. The record rests until something new happens to it."""
    _act(lambda tx: letters.discard(tx, _ids(tx, ids, everything, filters), who, why), "discarded", as_json, ids)


@dead.command()
@click.argument("ids", nargs=-1, type=int, required=True, metavar="[LETTER]...")
@click.option("--ref", "refs", multiple=True, metavar="SYSTEM=ID",
              help="The id of what you made by hand, so that it is not made again (one letter only).")
@click.option("--why", required=True, help="What was done; it is kept.")
@output.who
@output.as_json
def handled(ids: tuple[int, ...], refs: tuple[str, ...], why: str, who: str, as_json: bool) -> None:
    """Say that a person has done the work by hand."""
    places = {}
    for pair in refs:
        system, equals, external_id = pair.partition("=")
        if not (system and equals and external_id):
            raise click.UsageError(f"--ref {pair!r}: write SYSTEM=ID, such as erp=SO-1042")
        places[system] = external_id
    _act(lambda tx: letters.handled(tx, ids, who, why, places), "handled", as_json, ids)


def _ids(tx: Tx, ids: tuple[int, ...], everything: bool, filters: dict[str, str | None]) -> list[int]:
    named = {name: value for name, value in filters.items() if value}
    if not ids and not named and not everything:
        raise click.UsageError("name letters, or choose them by --kind, --error, --system, --text or --all")
    if ids and everything:
        raise click.UsageError("either name letters or say --all")
    states = ("open", "requeued") if ids else ("open",)
    found = letters.find(tx, Filter(ids=ids, states=states, **named), limit=LIMIT)
    return [letter.id for letter in found]


def _act(work: Callable[[Tx], list[int]], done: str, as_json: bool, ids: tuple[int, ...]) -> None:
    """Act in one transaction and say on how many records. Letters that were named and do not stand: wrong use."""
    with output.opened_ledger() as ledger:
        try:
            records = ledger.run(work)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if ids and not records:
        raise click.UsageError(f"none of the letters {', '.join(map(str, ids))} stands open")
    if as_json:
        output.print_json({"done": done, "records": records})
    else:
        click.echo(f"{done}: {len(records)} record{'' if len(records) == 1 else 's'}")
