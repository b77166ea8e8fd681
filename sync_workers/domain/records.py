"""The words of section "Words" as data: what a system shows, what a merge decides.

Pure data. A canonical value is None, bool, str, Decimal, date, aware datetime, or, for a list
field, ``dict[item key, dict[field, value]]`` in the order of the source. Reading and writing
native shapes belongs to ``translate``; deciding belongs to ``merge``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Scalar = None | bool | str | Decimal | date | datetime
Items = dict[str, dict[str, Scalar]]
Value = Scalar | Items
Values = dict[str, Value]


class Op(StrEnum):
    """What one write does to its target."""

    CREATE = "create"
    UPDATE = "update"
    ACTION = "action"


@dataclass(frozen=True)
class Ref:
    """Where a record lives in one system, and the base of the three-way merge.

    ``sent`` holds what we last sent, ``held`` what the system then showed (protocol G1);
    a field absent from ``held`` has no base yet. ``item_ids`` maps list field -> item key ->
    the id that this system gave the item.
    """

    system: str
    external_id: str
    version: str | None = None
    sent: Mapping[str, Value] = field(default_factory=dict)
    held: Mapping[str, Value] = field(default_factory=dict)
    item_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """One system's present state of a record in canonical form, or its absence (``values`` None)."""

    system: str
    values: Mapping[str, Value] | None
    version: str | None = None
    item_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """One field of one write: the value before (as the target shows it), after, and by which rule."""

    before: Value
    after: Value
    rule: str


@dataclass(frozen=True)
class Write:
    """One call to make: only the changed fields, in canonical form, by field name.

    ``action`` is set with ``Op.ACTION`` (a named step such as ``confirm``) and empty otherwise. ``note``
    tells the people there why something is put back.
    """

    system: str
    op: Op
    changes: Mapping[str, Change] = field(default_factory=dict)
    action: str = ""
    note: str = ""


@dataclass(frozen=True)
class Overrule:
    """A change made where the field is not owned, or too late (``locked``): it lost, and is put back."""

    field: str
    system: str
    lost: Value
    winner: str
    won: Value
    rule: str
    locked: bool = False


@dataclass(frozen=True)
class Conflict:
    """A shared field marked ``ask`` that moved on several sides to different values."""

    field: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Plan:
    """What a merge decides. No writes and no conflicts: the systems agree.

    ``agreed`` per system: fields whose present value is the settled one, to be kept as
    ``held`` (and ``sent``) when the run settles, whether or not anything is written.
    """

    writes: tuple[Write, ...] = ()
    overrules: tuple[Overrule, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    agreed: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
