"""What the kinds have in common: reading by id or value, versions, and the one writing call.

A kind says which model it lives in, which dotted fields it asks for and what they look like to the
sheets; everything between is here. Source: trytond 8.2, ``trytond/model/modelsql.py``
(``__check_timestamp``, ``search_read``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sync_workers.connectors.contract import Fields, Finding, ListChange, Native, NativeWrite, Traits
from sync_workers.connectors.tryton.codec import flatten
from sync_workers.connectors.tryton.errors import stale, unsure_read_back
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.connectors.tryton.versions import stamps_in
from sync_workers.connectors.tryton.versions import version_of as version_of
from sync_workers.errors import PermanentError, SyncError, Unsure

PAGE = (
    500  # rows per call: an order with its lines stays below the body cap, and a call below a second or two
)
EVERY = ""
_TEXTS = ("code", "number", "reference")
"""Plain columns of the row itself, which the server compares letter by letter."""


@dataclass(frozen=True)
class Table:
    """A model whose rows tell that a record changed; ``parent`` leads from a row to the record's id.

    ``parent`` may be dotted, lead to several, or be a reference (``"stock.shipment.out,5"``); with EVERY a row
    is news of all records. ``domain`` says which rows count. ``needs``: a field of the record that comes with the
    table's module, where that may be missing.
    """

    model: str
    parent: str = "id"
    domain: tuple[Any, ...] = ()
    needs: str = "id"


@dataclass(frozen=True)
class Place:
    """Where a native path lives on the server: for ``describe`` and for what can be read at all.

    ``words``: what the path shows instead of the server's own choices.
    """

    model: str
    field: str
    words: tuple[str, ...] = ()


class Kind(ABC):
    """One kind of record. Subclasses hold no state but the session and what they cache from it."""

    name: ClassVar[str]
    model: ClassVar[str]
    traits: ClassVar[Traits]
    asked: ClassVar[tuple[str, ...]]
    tables: ClassVar[tuple[Table, ...]]
    places: Mapping[str, Place]
    searched: ClassVar[Mapping[str, str]]  # native path -> the field to search
    children: ClassVar[Mapping[str, str]] = {}  # nested list -> its model; part of the version

    def __init__(self, session: Session) -> None:
        self.session = session
        self._fields: list[str] | None = None

    @abstractmethod
    def native(self, row: Row) -> Native:
        """Shape one row for the sheets."""

    @abstractmethod
    def create(self, write: NativeWrite, within: Deadline) -> int:
        """Store a new record in one call and return its id."""

    @abstractmethod
    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        """Return the values that one ``write`` call takes; ``changes`` by dotted native path."""

    def context(self, within: Deadline) -> Mapping[str, Any]:
        """Return what reading this kind adds to the context of its calls."""
        return {}

    def left_out(self, within: Deadline) -> frozenset[int]:
        """Return the ids of rows that are no records of this kind, though they live in its table."""
        return frozenset()

    def polled(self, within: Deadline) -> Sequence[Table]:
        """Return the tables whose rows are news of this kind, those that the server has."""
        return [table for table in self.tables if self._has(self.model, [table.needs], within)]

    def findings(self, within: Deadline) -> list[Finding]:
        """Return what the doctor must know of this kind beside modules, rights and fields."""
        return []

    def ids_after(self, after: int, limit: int, within: Deadline) -> list[int]:
        """Return the next ids of this kind in numeric order; none when there are no more."""
        domain: list[Any] = [["id", ">", after]]
        if left_out := self.left_out(within):
            domain.append(["id", "not in", sorted(left_out)])
        found = self.session.call(
            f"model.{self.model}.search", domain, 0, limit, [["id", "ASC"]], within=within
        )
        return [int(number) for number in found]

    def members(self, ids: Sequence[str], within: Deadline) -> set[str]:
        """Return which of these ids of the table are records of this kind."""
        return set(ids) - {str(number) for number in self.left_out(within)}

    def rows(self, domain: Sequence[Any], within: Deadline, limit: int | None = None) -> list[Row]:
        """Return raw rows with all that this kind asks for, by id."""
        if self._fields is None:
            self._fields = self._available(within)
        return self.session.search_read(
            self.model,
            domain,
            self._fields,
            within=within,
            order=[("id", "ASC")],
            limit=limit,
            context=self.context(within),
        )

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows; kinds that need further calls to do so make them here, for all rows at once."""
        return [self.native(row) for row in rows]

    def read_many(self, ids: Sequence[str], within: Deadline) -> dict[str, Native]:
        """Return what exists of ``ids``, in pages."""
        numbers = sorted({int(one) for one in ids if one.isdecimal()})
        found: dict[str, Native] = {}
        for start in range(0, len(numbers), PAGE):
            rows = self.rows([["id", "in", numbers[start : start + PAGE]]], within)
            found |= {native.id: native for native in self.natives(rows, within)}
        return found

    def find(self, path: str, value: str, within: Deadline) -> list[Native]:
        """Return the records that show ``value`` at ``path``."""
        if path not in self.searched:
            raise PermanentError(
                f"{self.name}: Tryton cannot search by {path!r}",
                field=path,
                mend=f"use one of {', '.join(self.searched)} in the sheet",
            )
        if path == "id":
            return list(self.read_many([value], within).values())
        rows = self.rows([[self.searched[path], "=", value]], within)
        return self.natives(rows, within)

    def find_many(self, path: str, values: Sequence[str], within: Deadline) -> dict[str, list[Native]]:
        """Return what ``find`` does, value by value; one call for all of them where they are numbers and the like."""
        if path not in _TEXTS or self.searched.get(path) != path:
            return {value: self.find(path, value, within) for value in values}
        found: dict[str, list[Native]] = {value: [] for value in values}
        wanted = list(found)
        for start in range(0, len(wanted), PAGE):
            rows = self.rows([[path, "in", wanted[start : start + PAGE]]], within)
            for row, native in zip(rows, self.natives(rows, within), strict=True):
                found[str(row[path])].append(native)
        return found

    def write(self, write: NativeWrite, within: Deadline) -> Native:
        """Create or update, and return the record as stored."""
        number = self.create(write, within) if write.id is None else self._update(write, within)
        return self.read_back(number, within)

    def read_back(self, number: int, within: Deadline) -> Native:
        """Read what a write has stored; a failure here is Unsure, for the write went through."""
        what = f"{self.name} {number}"
        try:
            found = self.read_many([str(number)], within)
        except SyncError as error:
            raise unsure_read_back(what, error) from error
        if str(number) not in found:
            raise Unsure(f"{what}: written, and gone when it was read back")
        return found[str(number)]

    def _update(self, write: NativeWrite, within: Deadline) -> int:
        row, stamps = self.present(write, within)
        changes = flatten(write.fields)
        values = self.update_values(row, changes, within)
        if values:
            self.send_update(row, values, stamps, within)
        return int(row["id"])

    def send_update(self, row: Row, values: Row, stamps: Mapping[str, str], within: Deadline) -> None:
        """Make the one call that changes the record, under the stamps that it was read with."""
        self.session.call(
            f"model.{self.model}.write",
            [row["id"]],
            values,
            within=within,
            context={"_timestamp": dict(stamps)},
            writes=True,
        )

    def present(self, write: NativeWrite, within: Deadline) -> tuple[Row, dict[str, str]]:
        """Read the record that is to be changed and its stamps; StaleError when it moved on.

        The stamps go into the writing call, whose transaction compares them once more: what is changed
        between this read and the write is refused, not overwritten.
        """
        rows = self.rows([["id", "=", int(write.id or 0)]], within) if (write.id or "").isdecimal() else []
        if not rows:
            raise PermanentError(
                f"{self.name} {write.id}: Tryton has no such record",
                mend="it was deleted there: recreate or unlink it",
            )
        stamps = self.stamps(rows[0])
        if write.version is not None and version_of(stamps) != stamps_in(write.version):
            raise stale(f"{self.name} {write.id}")
        return rows[0], stamps

    def stamps(self, row: Row) -> dict[str, str]:
        """Return ``{"sale.sale,4": "1795.."}`` for the record and its items, as the server compares them."""
        stamps = {f"{self.model},{row['id']}": row["_timestamp"]}
        for path, model in self.children.items():
            stamps |= {f"{model},{item['id']}": item["_timestamp"] for item in row.get(path) or []}
        return stamps

    def archived_only(self, row: Row) -> bool:
        """Say whether the record is switched off."""
        return row.get("active") is False

    def _available(self, within: Deadline) -> list[str]:
        """Leave out what this server has not: optional modules add fields such as the price list."""
        return [path for path in self.asked if self._has(self.model, path.split("."), within)]

    def _has(self, model: str, parts: Sequence[str], within: Deadline) -> bool:
        if parts[0] in ("id", "_timestamp"):
            return True
        field = self.session.fields(model, within).get(parts[0])
        if field is None:
            return False
        return len(parts) == 1 or self._has(field["relation"], parts[1:], within)


def list_operations(
    change: ListChange, values: Callable[[Fields], Row], known: set[int], what: str
) -> list[list[Any]]:
    """Return Tryton's nested operations for ``change``. An id that is not ``known`` is refused by name."""
    operations: list[list[Any]] = []
    for item, fields in change.change:
        operations.append(["write", [item_id(item, known, what)], values(fields)])
    gone = [item_id(item, known, what) for item in change.remove]
    if gone:
        operations.append(["delete", gone])
    if change.add:
        operations.append(["create", [values(fields) for _, fields in change.add]])
    return operations


def item_id(item: str, known: set[int], what: str) -> int:
    """Return the number of an item. PermanentError for one that the record has not."""
    if not item.isdecimal() or int(item) not in known:
        raise PermanentError(
            f"{what}: Tryton has no item {item} there", mend="it was deleted there; plan again"
        )
    return int(item)
