"""The receiver as the Procfile starts it, killing itself and its server once, right after one step.

``python -m tests.crash.receiver``: ``RECEIVER_DIES_AFTER`` names the step, ``RECEIVER_MARKER`` a file that
says that it has happened. Nothing in the product knows of it.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_workers.connectors.plain.connector import PlainConnector
from sync_workers.fleet import wakeups
from sync_workers.ledger import deliveries, inbox
from sync_workers.ledger.line import Line
from sync_workers.web import __main__ as web
from sync_workers.web import burst, writer
from sync_workers.web.door import Door, create_door

PLACES: dict[str, tuple[Any, str]] = {
    "verify": (PlainConnector, "verify"),
    "events": (PlainConnector, "events"),
    "key": (deliveries, "note"),
    "record": (inbox, "find_or_create"),
    "mark": (inbox, "_raise_asked"),
    "insert": (inbox, "_insert"),
    "commit": (writer.GroupWriter, "_write_group"),
    "publish": (wakeups.Wakeups, "publish"),
}
BURST_PLACES: dict[str, tuple[Any, str]] = {
    "put": (Line, "execute"),
    "knock": (wakeups.Wakeups, "knock"),
}


def arm(step: str, marker: Path) -> None:
    if step in BURST_PLACES:
        burst.BURST = 0
    owner, name = {**PLACES, **BURST_PLACES}[step]
    real: Callable[..., Any] = getattr(owner, name)

    def die(result: Any) -> Any:
        die_once(marker)
        return result

    async def awaited(*given: Any, **named: Any) -> Any:
        return die(await real(*given, **named))

    def called(*given: Any, **named: Any) -> Any:
        return die(real(*given, **named))

    setattr(owner, name, awaited if inspect.iscoroutinefunction(real) else called)


def die_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        os.killpg(os.getpgid(0), signal.SIGKILL)


def create_armed_door() -> Door:
    arm(os.environ["RECEIVER_DIES_AFTER"], Path(os.environ["RECEIVER_MARKER"]))
    return create_door()


def main() -> None:
    real = web.Granian

    def armed(target: str, **options: Any) -> Any:
        return real("tests.crash.receiver:create_armed_door", **options)

    web.Granian = armed  # type: ignore[assignment, misc]
    web.main()


if __name__ == "__main__":
    main()
