"""What every platform's connector promises to the engine, and the shapes that pass between them.

A native record is nested JSON-like data addressed by dotted paths (``properties.po_number``,
``product.code``); the sheet names the paths, the connector knows nothing of canonical fields.
The contract suite in ``tests/contract`` runs on every connector in the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Protocol

from sync_workers.domain.native import Fields as Fields
from sync_workers.domain.native import ListChange as ListChange
from sync_workers.domain.systems import Limits as Limits
from sync_workers.domain.systems import SystemSettings as SystemSettings
from sync_workers.domain.value_types import ValueType as ValueType
from sync_workers.errors import SyncError

NO_OBJECTS: Mapping[str, str] = MappingProxyType({})
Types = Mapping[str, Mapping[str, ValueType]]
"""What a sheet puts at each native path, by kind."""

NO_TYPES: Types = MappingProxyType({})


@dataclass(frozen=True)
class Request:
    """One delivery as it came in: header names in lower case, body untouched, ``url`` as the sender called it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class Notice:
    """One hint that a record may have changed.

    ``key`` only where the sender issues one or it is finer than two edits can share (protocol A2).
    ``echo`` repeats the platform's own claim that we caused it; a hint, never proof.
    ``payload`` is the whole native record with its ``version`` when it may stand in for a read (G5).
    ``same_as`` are older ids that now lead to this record (a merge in the platform).
    ``signs``: what the platform was seen to change, each by a name of its own; a notice without a new one repeats.
    """

    kind: str
    external_id: str
    key: str | None = None
    echo: bool = False
    version: str | None = None
    payload: Fields | None = None
    same_as: tuple[str, ...] = ()
    signs: frozenset[str] = frozenset()


class Outcome(Enum):
    """What the receiver made of a delivery; the connector turns it into the sender's status code."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    MALFORMED = "malformed"
    TRY_LATER = "try_later"


@dataclass(frozen=True)
class Native:
    """One record as its system shows it. ``archived``: it exists but was deleted or switched off there.

    ``version`` is what the system offers as a precondition or counter, None when nothing.
    ``changed_at`` is the system's own stamp. ``reference`` is what a field for our reference holds. ``implied``
    are paths that a write has just set and that are blank all the same, for blank means that very value there.
    """

    id: str
    fields: Fields
    version: str | None = None
    archived: bool = False
    changed_at: datetime | None = None
    implied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NativeWrite:
    """One call that writes.

    ``fields`` nest as in ``Native``, hold only what changes, and may hold ``ListChange`` at a list's path.
    ``reference`` is our own reference (design, "The idempotency key"): on create it is stored in the
    field ``reference_path``; connectors of variant T1 create or upsert by it.
    ``version`` is the precondition, where the traits say that the platform has one.
    ``action`` names a step (``quote``, ``confirm``) and then ``fields`` is empty. ``note`` is put on the record for
    the people there, once however often the call is made; where the traits say that notes can be left.
    ``budget_s`` is wall time for everything that the call does.
    """

    kind: str
    id: str | None
    fields: Fields
    reference: str
    reference_path: str = ""
    version: str | None = None
    action: str = ""
    budget_s: float = 30.0
    note: str = ""


class Variant(StrEnum):
    """Which proof of "nothing is doubled" a target allows (protocol section 7)."""

    T1 = "native unique key"
    T2 = "consistent look-up"
    T3 = "look-up lags"
    T4 = "late arrival"


@dataclass(frozen=True)
class Traits:
    """What the engine must know of one kind in one system; each number with its source in the connector.

    ``find_lag`` is F (how late ``find`` may be), ``busy_after`` is P (how long the system may go on
    after we gave up). ``counts_versions``: ``version`` is a counter, so a newer payload may stand in
    for a read. ``preconditions``: ``write`` honours ``version``. ``batch`` is what one ``write_many`` takes.
    ``returns_whole``: ``write`` answers with the record as stored, so no read-back is needed. ``notes``: people
    can be left a note on the record, with a write or by the action ``note``. ``unites``: the action ``replace``
    makes the record ``fields["source"]`` part of the one written to, with all that hangs on it; twice is harmless.
    """

    variant: Variant
    find_lag: timedelta = timedelta(0)
    busy_after: timedelta = timedelta(seconds=120)
    counts_versions: bool = False
    preconditions: bool = False
    batch: int = 1
    serial: tuple[str, ...] = ()  # steps that must not run side by side anywhere in the fleet
    returns_whole: bool = True
    notes: bool = False
    unites: bool = False


@dataclass(frozen=True)
class Cursor:
    """A position in the system's own order; ``at`` in the system's own clock, ``id`` breaks ties."""

    at: datetime | None = None
    id: str = ""


@dataclass(frozen=True)
class Page:
    """Some changes, oldest first, and the position after them; ``more`` when another page waits.

    ``cursor`` never passes the system's time less its longest transaction (protocol Q3).
    """

    notices: Sequence[Notice]
    cursor: Cursor
    more: bool = False


@dataclass(frozen=True)
class FieldType:
    """One field of the system's metadata. ``type`` in the platform's own word; ``choices`` for enumerations."""

    type: str
    required: bool = False
    read_only: bool = False
    unique: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing ``doctor`` found: ``ok`` or how to mend it; ``fix`` names what ``doctor --fix`` would create."""

    what: str
    ok: bool
    mend: str = ""
    fix: str = ""


class Connector(Protocol):
    """The verbs. All network verbs raise only the classes in ``sync_workers.errors``."""

    system: str
    platform: str
    limits: Limits
    parts: tuple[str, ...]
    """Kinds of notices that only lead to another record: an order line to its order."""

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        """Return (kind, id) of the record that a part belongs to; None when it belongs to nothing."""
        ...

    def heed(self, slot: Callable[[float, bool], AbstractContextManager[None]]) -> None:
        """Hold ``slot(budget in seconds)`` around every single call to the system, reads too."""
        ...

    def traits(self, kind: str) -> Traits:
        """Say what the engine must know of this kind. PermanentError for a kind the platform has not."""
        ...

    def verify(self, request: Request) -> None:
        """Raise Refused unless the signature holds over the raw bytes and the stamp is inside the window."""
        ...

    def answer(self, outcome: Outcome) -> int:
        """The HTTP status that this sender understands as ``outcome``."""
        ...

    def events(self, request: Request) -> list[Notice]:
        """Split a verified delivery. Raise Malformed for what cannot be read."""
        ...

    def read(self, kind: str, external_id: str) -> Native | None:
        """Return the record, archived ones included and marked, or None if the system denies it exists."""
        ...

    def read_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        """Return what exists, by the id that was asked for; absent ids are left out."""
        ...

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        """Return every record whose field at ``path`` equals ``value``, archived ones included and marked.

        Used with our own reference, and with natural keys (part number, tax id).
        """
        ...

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        """Return what ``find`` returns for each value, in few calls where the platform allows it."""
        ...

    def write(self, write: NativeWrite) -> Native:
        """Make one call and return the record as stored (read back where the answer is thin)."""
        ...

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        """Make one batched call of one kind; a result per write, in order. A poison item fails alone."""
        ...

    def changes(self, kind: str, cursor: Cursor) -> Page:
        """Return the next changes at or after ``cursor`` less the overlap, oldest first."""
        ...

    def ids(self, kind: str, after: str = "") -> list[str]:
        """Return up to a page of ids greater than ``after``, ascending: the full sweep by set comparison."""
        ...

    def describe(self, kind: str) -> dict[str, FieldType]:
        """Return the fields by dotted path as the system has them now."""
        ...

    def examine(
        self, paths: Mapping[str, Sequence[str]], *, fix: bool = False, types: Types = NO_TYPES
    ) -> list[Finding]:
        """Check reachability, credentials, rights and the fields that the sheets need; create them with ``fix``.

        ``paths`` maps kind to the native paths in use, the reference path among them; ``types`` say what a field
        that is created has to hold, text where they say nothing.
        """
        ...
