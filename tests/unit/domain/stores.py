"""A small world of systems that keep values in their own way, and an engine that merges them.

Everything is in memory and pure apart from the stores; the sheets, translation, merge and judgement
of writes are the product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sync_workers.domain.mapping import Sheet
from sync_workers.domain.merge import after_write, merge
from sync_workers.domain.native import ListChange
from sync_workers.domain.parsing import parse
from sync_workers.domain.records import Op, Plan, Ref, Value, View, Write
from sync_workers.domain.translate import read_native, write_native
from sync_workers.domain.values import decode, encode

MOST_RUNS = 12


class NoLinks:
    """Links for sheets that point to nothing."""

    def record_of(self, kind: str, system: str, external_id: str) -> str | None:
        return None

    def id_in(self, kind: str, record: str, system: str) -> str | None:
        return None


def keep_as_is(value: Any) -> Any:
    return value


def keep_cents(value: Any) -> Any:
    """Store numbers with two digits, as many ERPs do."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP) if isinstance(value, Decimal) else value


def keep_capitals(value: Any) -> Any:
    """Store text trimmed and in capitals, as old ERPs do."""
    return value.strip().upper() if isinstance(value, str) else value


@dataclass
class Store:
    """One system: native rows whose values are kept in its own way. People edit, we write."""

    keep: Callable[[Any], Any] = keep_as_is
    row: dict[str, Any] | None = None
    writes: int = 0
    _next_id: int = 100

    def edit(self, name: str, value: Any) -> None:
        if self.row is not None:
            self.row[name] = self._kept(value)

    def edit_line(self, line_id: str, name: str, value: Any) -> None:
        for line in (self.row or {}).get("lines", []):
            if line["id"] == line_id:
                line[name] = self._kept(value)

    def add_line(self, **fields: Any) -> str:
        assert self.row is not None
        line = {"id": self._new_id(), **{name: self._kept(value) for name, value in fields.items()}}
        self.row.setdefault("lines", []).append(line)
        return line["id"]

    def drop_line(self, line_id: str) -> None:
        assert self.row is not None
        self.row["lines"] = [line for line in self.row.get("lines", []) if line["id"] != line_id]

    def write(self, fields: Mapping[str, Any]) -> None:
        self.writes += 1
        self.row = {"id": self._new_id()} if self.row is None else self.row
        for name, value in fields.items():
            if isinstance(value, ListChange):
                self._write_lines(value)
            else:
                self.row[name] = self._kept(value)

    def _write_lines(self, edits: ListChange) -> None:
        assert self.row is not None
        for line_id in edits.remove:
            self.drop_line(line_id)
        for line_id, fields in edits.change:
            for name, value in fields.items():
                self.edit_line(line_id, name, value)
        for _, fields in edits.add:
            self.add_line(**fields)

    def _kept(self, value: Any) -> Any:
        return None if value is None else self.keep(value)

    def _new_id(self) -> str:
        self._next_id += 1
        return str(self._next_id)


@dataclass
class World:
    """Some stores, the ledger's refs, and one record that lives in them."""

    sheet: Sheet
    stores: dict[str, Store]
    origin: str = "crm"
    refs: dict[str, Ref] = field(default_factory=dict)
    returned: dict[str, dict[str, Value]] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    between_read_and_write: Callable[[], None] = lambda: None
    between_write_and_read_back: Callable[[str], None] = lambda system: None

    def view(self, system: str) -> View:
        ref = self.refs.get(system)
        row = self.stores[system].row
        if row is None:
            return View(system, None)
        values, ids = read_native(
            self.sheet, system, row, links=NoLinks(), item_ids=ref.item_ids if ref else {}
        )
        return View(system, values, item_ids=ids)

    def run(self) -> tuple[Plan, bool]:
        """Do one run as the engine does; return its plan and whether the record stays due."""
        for system, store in self.stores.items():
            if store.row is not None and system not in self.refs:
                self.refs[system] = Ref(system, store.row["id"])
        views = {system: self.view(system) for system in self.refs}
        for system, view in views.items():
            self.refs[system] = replace(self.refs[system], item_ids=view.item_ids)
        plan = merge(self.sheet, views, self.refs, origin=self.origin)
        self.plans.append(plan)
        self.between_read_and_write()
        for system, values in plan.agreed.items():
            ref = self.refs[system]
            self.refs[system] = replace(ref, sent={**ref.sent, **values}, held={**ref.held, **values})
        again = False
        for write in plan.writes:
            if write.op is not Op.ACTION:
                again |= self._write(write, views)
        self._through_json()
        return plan, again

    def _write(self, write: Write, views: Mapping[str, View]) -> bool:
        before = self.refs.get(write.system)
        known = dict(views[write.system].values or {}) if write.system in views else {}
        ids = before.item_ids if before else {}
        fields = write_native(
            self.sheet, write.system, write.changes, links=NoLinks(), item_ids=ids, values=known
        )
        self.stores[write.system].write(fields)
        self.between_write_and_read_back(write.system)
        if before is None:
            row = self.stores[write.system].row
            assert row is not None
            self.refs[write.system] = Ref(write.system, row["id"])
        view = self.view(write.system)
        taken = after_write(
            self.sheet,
            write.system,
            before,
            write.changes,
            view.values or {},
            self.returned.get(write.system),
        )
        self.returned[write.system] = dict(taken.returned)
        self.refused += taken.refused
        self.refs[write.system] = replace(
            self.refs[write.system], sent=taken.sent, held=taken.held, item_ids=view.item_ids
        )
        return taken.again

    def _through_json(self) -> None:
        """The ledger keeps bases as JSON; what does not survive that must show here."""
        for system, ref in self.refs.items():
            self.refs[system] = replace(ref, sent=decode(encode(ref.sent)), held=decode(encode(ref.held)))

    def settle(self) -> list[Plan]:
        """Run until nothing is due; return the plans that wrote."""
        wrote = []
        for _ in range(MOST_RUNS):
            plan, again = self.run()
            if plan.writes:
                wrote.append(plan)
            elif not again:
                return wrote
        raise AssertionError(f"still writing after {MOST_RUNS} runs: {self.plans[-1]}")

    def shows(self, name: str) -> dict[str, Any]:
        return {system: (store.row or {}).get(name) for system, store in self.stores.items()}

    def lines(self, system: str, name: str) -> list[Any]:
        return [line.get(name) for line in (self.stores[system].row or {}).get("lines", [])]


def make_sheet(fields: Iterable[Mapping[str, Any]], **more: Any) -> Sheet:
    """Return a sheet of kind ``thing``, born in the CRM, whose fields state only what matters."""
    rows = [{"owner": "crm", "why": "a test", **row} for row in fields]
    data = {"kind": "thing", "version": 1, "created_by": ["crm"], "field": rows, **more}
    return parse(data, "thing/v1.toml")
