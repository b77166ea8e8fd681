"""How reports look: JSON for machines, tables for people; and the options that commands share."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sync_workers import logs
from sync_workers.ledger.connection import Ledger
from sync_workers.runtime import open_ledger

C = TypeVar("C", bound=Callable[..., Any])

PATIENCE_S = 60.0  # a person waits for what the fleet is using up

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a page.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


who = click.option("--who", envvar="SYNC_WHO", default=_user, show_default="the user's name",
                   help="Whose decision it is; it is kept.")


@contextmanager
def opened_ledger() -> Iterator[Ledger]:
    """Give the ledger of the settings and let its connections go at the end."""
    ledger = open_ledger(pool_size=2)
    try:
        yield ledger
    finally:
        ledger.dispose()


def print_json(document: Any) -> None:
    """Print a document as JSON, secrets masked."""
    click.echo(logs.masked(json.dumps(document, indent=2, ensure_ascii=False, default=str)))


def console() -> Console:
    """Return a console for standard output as it is now; as wide as need be when nobody looks."""
    found = Console(highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(highlight=False, width=max(found.width, 160))


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the house's look."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, overflow="fold")
    return made


def row(to: Table, *cells: Any) -> None:
    """Add a row; whatever a system wrote into a text is shown as it is, never taken for markup."""
    to.add_row(*[cell if isinstance(cell, Text) else Text(_shown(cell)) for cell in cells])


def show(on: Console, page: Table) -> None:
    """Print a table without the columns that hold nothing: narrow screens are for what there is to read."""
    kept = [column for column in page.columns if any(str(cell) for cell in column.cells)] or page.columns
    shown = table(*(str(column.header) for column in kept))
    for cells in zip(*(column.cells for column in kept), strict=True):
        shown.add_row(*cells)
    on.print(shown)


def clock(moment: datetime | str | None) -> str:
    """Return a time of the ledger as people read it, in UTC and to the second."""
    if moment is None:
        return ""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def since(moment: datetime | str | None, now: datetime | None = None) -> str:
    """Return how long ago something was, in the largest fitting unit."""
    if moment is None:
        return ""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return seconds(((now or datetime.now(UTC)) - at).total_seconds())


def seconds(count: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if count >= 2 * size:
            return f"{count / size:.0f} {unit}"
    return f"{max(count, 0):.0f} s"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    return logs.masked("".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text))
