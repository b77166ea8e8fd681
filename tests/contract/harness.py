"""What the contract suite asks of a platform's test bench: a running system and a person who uses it.

One ``harness_<platform>.py`` beside this file for each name in the registry, with a class ``Harness``
derived from ``Bench``. What a platform cannot do returns None, and the promise is skipped with the reason.
"""

from __future__ import annotations

import importlib
import itertools
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from sync_workers.connectors import registry
from sync_workers.connectors.contract import (
    Connector,
    Fields,
    ListChange,
    NativeWrite,
    Request,
    SystemSettings,
)

Trouble = Literal["commit_503", "commit_drop", "half", "drip", "429", "drop"]


class Bench(ABC):
    """A platform to test against. ``kinds`` are the ones that can be created through the connector."""

    platform: ClassVar[str]
    marks: ClassVar[tuple[str, ...]] = ()
    """Names of the pytest markers that this bench needs, for example ``tryton``."""

    kinds: ClassVar[tuple[str, ...]]
    paths: ClassVar[Mapping[str, Sequence[str]]]
    references: ClassVar[Mapping[str, str]]
    """Per kind the path of the field for our reference; "" where the platform has none."""

    objects: ClassVar[Mapping[str, str]] = {}
    """What a kind lives in, where the platform leaves a choice."""

    batch_kind: ClassVar[str | None] = None
    """The kind that ``write_many`` is tried on."""

    pushes: ClassVar[bool] = True
    """Whether the platform delivers changes by itself."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._connector: Connector | None = None

    # -- the system

    @abstractmethod
    def start(self) -> None:
        """Start the system; called once per session. ``pytest.skip`` when it cannot run here."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it and leave nothing behind."""

    @abstractmethod
    def settings(self, **changes: Any) -> SystemSettings:
        """Return working settings; ``changes`` replace fields of SystemSettings."""

    @abstractmethod
    def secrets(self) -> Sequence[str]:
        """Return what must never appear in an error."""

    @property
    def connector(self) -> Connector:
        if self._connector is None:
            self._connector = self.build(self.settings())
        return self._connector

    def build(self, settings: SystemSettings) -> Connector:
        return registry.build(settings, self.paths, self.objects)

    def number(self) -> int:
        """Return a number that no other test of this session got."""
        return next(self._numbers)

    # -- what is written

    @abstractmethod
    def sample(self, kind: str, number: int) -> Fields:
        """Return the fields of a valid create, lists as ``ListChange``; different for each number."""

    @abstractmethod
    def edit(self, kind: str, number: int) -> Fields:
        """Return a valid partial update: one field that ``sample`` fills, with another value."""

    def poison(self, kind: str) -> Fields | None:
        """Return an update that the platform refuses for good; None when it takes anything."""
        return None

    def creation(self, kind: str, number: int | None = None, reference: str | None = None) -> NativeWrite:
        number = self.number() if number is None else number
        return NativeWrite(
            kind,
            None,
            self.sample(kind, number),
            reference=reference or f"contract:{kind}:{number}",
            reference_path=self.references.get(kind, ""),
        )

    def update(self, kind: str, record_id: str, fields: Fields, **more: Any) -> NativeWrite:
        return NativeWrite(kind, record_id, fields, reference=f"contract:{kind}:{record_id}", **more)

    def equal(self, sent: Any, shown: Any) -> bool:
        """Say whether a stored scalar is what was sent; platforms differ in how they write numbers."""
        return str(sent) == str(shown)

    # -- what a person does

    @abstractmethod
    def person_edits(self, kind: str, record_id: str) -> None:
        """Change something on the record, not through the API user of the connector."""

    def person_archives(self, kind: str, record_id: str) -> bool | None:
        """Archive (or delete, where that leaves a trace) the record; None when that leaves no trace."""
        return None

    def wait_for_index(self) -> None:  # noqa: B027 - most look-ups do not lag
        """Let look-ups see what was written."""

    # -- deliveries and trouble

    def delivery(self, kind: str, record_id: str, at: datetime) -> Request | None:
        """Return a genuine delivery about the record, signed for ``at``; None when nothing is pushed."""
        return None

    def trouble(self, what: Trouble, kind: str) -> bool | None:
        """Make the next write of ``kind`` go wrong in this way, once; None when that cannot be staged."""
        return None

    def untroubled(self) -> None:  # noqa: B027 - a bench that stages no trouble has none to take back
        """Take back what ``trouble`` left."""


def benches() -> dict[str, type[Bench]]:
    """Return the bench of each ``harness_<platform>.py``."""
    return {
        file.stem.removeprefix("harness_"): importlib.import_module(f"tests.contract.{file.stem}").Harness
        for file in sorted(Path(__file__).parent.glob("harness_*.py"))
    }


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def now() -> datetime:
    return datetime.now(UTC)


def shows(bench: Bench, shown: Any, sent: Any) -> list[str]:
    """Return the paths at which ``shown`` is not what ``sent`` said; nothing when all is well."""
    return list(_differences(bench, shown, sent, ""))


def _differences(bench: Bench, shown: Any, sent: Any, path: str) -> Any:
    if isinstance(sent, ListChange):
        items = shown or []
        if len(items) != len(sent.add):
            yield f"{path}: {len(sent.add)} items were sent, {len(items)} are shown"
            return
        for at, (item, (_, wanted)) in enumerate(zip(items, sent.add, strict=True)):
            yield from _differences(bench, item, wanted, f"{path}[{at}]")
    elif isinstance(sent, Mapping):
        for name, value in sent.items():
            inner = shown.get(name) if isinstance(shown, Mapping) else None
            yield from _differences(bench, inner, value, f"{path}.{name}" if path else name)
    elif isinstance(sent, list):
        if [str(each) for each in sent] != [str(each) for each in shown or ()]:
            yield f"{path}: {sent!r} was sent, {shown!r} is shown"
    elif not bench.equal(sent, shown):
        yield f"{path}: {sent!r} was sent, {shown!r} is shown"
