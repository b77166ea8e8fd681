"""What a story is made of: acts that are played, and the facts that decide whether it ended as promised."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sync_workers.errors import SyncError

EXCERPT = 180  # of a text that says what it should

if TYPE_CHECKING:
    from sync_workers.commands.demo.day import Day


class StoryError(SyncError):
    """Something that the story waits for did not happen in time."""


@dataclass(frozen=True)
class Act:
    """One thing that happens: its sentence, and what is done."""

    title: str
    play: Callable[[Day], None]


@dataclass(frozen=True)
class Fact:
    """Something that was looked at in the systems: what was found, and what had to be found."""

    what: str
    found: Any
    promised: Any

    @property
    def is_well(self) -> bool:
        return bool(self.found == self.promised)

    @property
    def sentence(self) -> str:
        said = f"{self.what}: {_shown(self.found)}"
        return said if self.is_well else f"{said}; promised was {_shown(self.promised)}"


def says(what: str, text: object, *words: str) -> Fact:
    """Return the fact that a text has all these words in it; without them the text itself is what was found."""
    found = " ".join(str(text or "nothing").split())
    missing = [word for word in words if word not in found]
    shown = found if missing else textwrap.shorten(found, EXCERPT, placeholder=" ...")
    return Fact(what, shown, f"something with {' and '.join(missing)}" if missing else shown)


@dataclass(frozen=True)
class Scenario:
    """A story under its name.

    ``opening`` sets the stage: after it both systems are shown, and again at the end. ``check`` looks at both
    afterwards, at what the books do not count; it is asked again until all is as promised or the time is over.
    ``needs`` is what the configuration must have for it beside the usual.
    """

    name: str
    title: str
    acts: tuple[Act, ...]
    opening: tuple[Act, ...] = ()
    check: Callable[[Day], Iterable[Fact]] = lambda day: ()
    needs: tuple[str, ...] = ()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return _shown([f"{name} {_shown(each)}" for name, each in value.items()])
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_shown(each) for each in value) or "none"
    return "nothing" if value in (None, "") else str(value)
