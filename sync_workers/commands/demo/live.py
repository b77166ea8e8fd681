"""What the person in front of the terminal sees: a live page, or plain lines where there is no terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click
from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sync_workers import logs
from sync_workers.commands.demo.watching import Snapshot, look
from sync_workers.errors import SyncError
from sync_workers.ledger.connection import Ledger

LOOK_EVERY_S = 0.5
COLOURS = {"done": "green", "open": "yellow", "refused": "red", "absent": "yellow"}


class View(Protocol):
    """How the run tells what happens."""

    def say(self, text: str) -> None:
        """Tell of a step."""

    def story(self, title: str, acts: Sequence[str]) -> None:
        """Begin a story."""

    def act(self, title: str) -> None:
        """Begin an act of the story."""

    def end(self, text: str) -> None:
        """Tell that the story is over, and what comes now."""

    def watch(self, ledger: Ledger) -> None:
        """From now on there is a ledger to look at."""


class PlainView:
    """A line for everything, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last = ""

    def say(self, text: str) -> None:
        if text != self._last:
            click.echo(f"[{time.monotonic() - self._began:6.1f} s] {text}")
        self._last = text

    def story(self, title: str, acts: Sequence[str]) -> None:
        self.say(f"— {title}")

    def act(self, title: str) -> None:
        self.say(f"» {title}")

    def end(self, text: str) -> None:
        self.say(text)

    def watch(self, ledger: Ledger) -> None:
        """Nothing to look at: what counts is printed at the end."""


class LiveView:
    """A page that is drawn anew: the story, the figures, the last decisions."""

    def __init__(self, console: Console) -> None:
        self._title = ""
        self._titles: list[str] = []
        self._console = console
        self._began = time.monotonic()
        self._times: list[float] = []
        self._step = ""
        self._ledger: Ledger | None = None
        self._snapshot = Snapshot()
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, name="looking", daemon=True)

    def say(self, text: str) -> None:
        self._step = text

    def story(self, title: str, acts: Sequence[str]) -> None:
        self._title, self._titles, self._times = title, list(acts), []

    def act(self, title: str) -> None:
        self._times.append(time.monotonic())
        self._step = ""

    def end(self, text: str) -> None:
        self._times.append(time.monotonic())
        self._step = text

    def watch(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._looking.start()

    def close(self) -> None:
        self._over.set()
        if self._looking.is_alive():
            self._looking.join(5)

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            assert self._ledger is not None
            try:
                self._snapshot = look(self._ledger, decisions=max(self._console.height, 10))
            except SyncError as error:
                self._step = logs.masked(error.message)

    def __rich__(self) -> RenderableType:
        height = self._console.height
        story = self._story()
        left = max(height - len(self._titles) - 9, 3)
        figures = Columns([self._figures(), self._systems()], expand=False, padding=(0, 4))
        head = Text.assemble(
            ("sync-workers demo", "bold"), f"   {time.monotonic() - self._began:5.0f} s   ", (self._step, "cyan")
        )
        return Group(head, story, figures, self._decisions(left))

    def _story(self) -> RenderableType:
        rows = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for at, title in enumerate(self._titles):
            if at + 1 < len(self._times):
                mark, style, took = "✓", "green", f"{self._times[at + 1] - self._times[at]:4.1f} s"
            elif at < len(self._times):
                mark, style, took = "▶", "bold yellow", f"{now - self._times[at]:4.1f} s"
            else:
                mark, style, took = "·", "dim", ""
            rows.add_row(Text(mark, style), Text(title, style if at >= len(self._times) - 1 else ""), took)
        return Panel(rows, title=self._title, title_align="left", box=box.ROUNDED, padding=(0, 1))

    def _figures(self) -> RenderableType:
        events, records = self._snapshot.status.get("events", {}), self._snapshot.status.get("records", {})
        rows = Table.grid(padding=(0, 2))
        linked = "  ".join(f"{kind} {both}/{known}" for kind, (both, known) in sorted(self._snapshot.linked.items()))
        rows.add_row("in both systems", Text(linked, "bold"))
        rows.add_row("events", _pairs(events, ("received", "applied", "unchanged", "superseded", "pending", "dead")))
        rows.add_row("records", _pairs(records, ("due", "at_work", "waiting", "held", "dead")))
        return rows

    def _systems(self) -> RenderableType:
        rows = Table.grid(padding=(0, 2))
        for name, system in self._snapshot.status.get("systems", {}).items():
            state = str(system["state"])
            rows.add_row(name, Text(state, "green" if state == "up" else "bold red"))
        alerts = self._snapshot.status.get("alerts", {})
        rows.add_row("alerts", f"{alerts.get('open', 0)} open")
        return rows

    def _decisions(self, count: int) -> RenderableType:
        page = Table(box=None, pad_edge=False, expand=True, show_header=False)
        for width in (8, 30, 5):
            page.add_column(width=width, no_wrap=True)
        page.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        page.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
        page.add_column(width=17, no_wrap=True)
        for one in self._snapshot.decisions[:count]:
            took = f"{one.took_ms:5.0f} ms" if one.took_ms is not None else ""
            page.add_row(
                f"{one.at:%H:%M:%S}", one.record, f"→ {one.system}"[:5], one.what, Text(one.why, "dim"),
                Text.assemble((f"{one.status:<8}", COLOURS.get(one.status, "")), took),
            )  # fmt: skip
        return Panel(page, title="last decisions, from the ledger", title_align="left", box=box.ROUNDED, padding=(0, 1))


@contextmanager
def opened_view(*, plain: bool) -> Iterator[View]:
    """Give the live page on a terminal, plain lines elsewhere."""
    console = Console()
    if plain or not console.is_terminal:
        yield PlainView()
        return
    view = LiveView(console)
    with Live(get_renderable=view.__rich__, console=console, refresh_per_second=4, screen=False, transient=True):
        try:
            yield view
        finally:
            view.close()


def _pairs(counts: dict[str, int], names: Sequence[str]) -> Text:
    parts: list[tuple[str, str]] = []
    for name in names:
        parts += [(f"{name.replace('_', ' ')} ", "dim"), (f"{counts.get(name, 0)}  ", "bold")]
    return Text.assemble(*parts)
