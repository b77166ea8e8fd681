"""The records of a plain server, and the habits of each kind.

Knows no HTTP. Every change gives the record its next version and a stamp, and is told to
``on_change``. Safe to call from any thread.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable

from sync_workers.sandbox.plain.nesting import Json, leaves, look, merge
from sync_workers.sandbox.plain.rules import Record, Refusal, Rules

REPLACE = "replace"


class Store:
    """All kinds of one server. ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.rules: dict[str, Rules] = {}
        self.counts: Counter[str] = Counter()
        self.references: Counter[str] = Counter()
        self.on_change: Callable[[Record, str], None] = lambda record, op: None
        self._lock = threading.RLock()
        self._kinds: dict[str, dict[str, Record]] = {}
        self._sorted_ids: dict[str, list[str]] = {}
        self._unique: dict[tuple[str, str, str], str] = {}
        self._leads: dict[tuple[str, str], str] = {}
        self._next = 0

    def rule(self, kind: str) -> Rules:
        return self.rules.setdefault(kind, Rules())

    def all(self, kind: str, *, archived: bool = False) -> list[Record]:
        """Return the records of one kind, oldest first."""
        with self._lock:
            return [each for each in self._kinds.get(kind, {}).values() if archived or not each.archived]

    def get(self, kind: str, record_id: str) -> Record:
        with self._lock:
            try:
                return self._kinds[kind][self._leads.get((kind, record_id), record_id)]
            except KeyError:
                raise Refusal(404, "absent", f"there is no {kind} {record_id}") from None

    def find(self, kind: str, path: str, value: str) -> list[Record]:
        """Return what a look-up sees: archived records too, new ones only after the lag."""
        rules = self.rule(kind)
        with self._lock:
            if path in rules.unique and not rules.find_lag_s:
                known = self._unique.get((kind, path, value))
                return [self._kinds[kind][known]] if known else []
            seen_until = self.clock() - rules.find_lag_s
            return [
                record
                for record in self._kinds.get(kind, {}).values()
                if str(look(record.fields, path)) == value
                and (not rules.find_lag_s or record.created_at <= seen_until)
            ]

    def changes(self, kind: str, since: float | None, after: str, limit: int) -> list[Record]:
        """Return records in the order (stamp, id) from ``since`` on, beyond ``after`` within that stamp."""
        with self._lock:
            records = list(self._kinds.get(kind, {}).values())
        if since is not None:
            records = [
                each
                for each in records
                if each.changed_at > since or (each.changed_at == since and each.id > after)
            ]
        return sorted(records, key=lambda each: (each.changed_at, each.id))[:limit]

    def ids(self, kind: str, after: str, limit: int) -> list[str]:
        with self._lock:
            known = self._sorted_ids.get(kind, [])
            start = bisect_right(known, after)
            page = []
            for record_id in known[start:]:
                if not self._kinds[kind][record_id].archived:
                    page.append(record_id)
                if len(page) == limit:
                    break
            return page

    def create(self, kind: str, fields: Json, *, by: str = "person", reference_path: str = "") -> Record:
        rules = self.rule(kind)
        with self._lock:
            kept = rules.settle(kind, merge({}, fields, self._issue_id))
            for path in rules.required:
                if look(kept, path) in (None, ""):
                    raise Refusal(422, "invalid", f"{kind}: {path} is required", field=path)
            self._claim_unique(kind, rules, kept, "")
            self._next += 1
            now = self.clock()
            record = Record(kind, f"{kind}-{self._next:07d}", kept, 1, rules.stamp(now), now, by)
            self._kinds.setdefault(kind, {})[record.id] = record
            insort(self._sorted_ids.setdefault(kind, []), record.id)
            self._note_unique(rules, record)
            self.counts[f"{kind}.create"] += 1
            if reference_path:
                self.references[f"{kind}:{look(kept, reference_path)}"] += 1
        self.on_change(record, "create")
        return record

    def update(
        self, kind: str, record_id: str, fields: Json, *, by: str = "person", version: str | None = None
    ) -> Record:
        rules = self.rule(kind)
        with self._lock:
            record = self._unchanged(kind, record_id, version)
            kept = rules.settle(kind, merge(record.fields, fields, self._issue_id))
            self._claim_unique(kind, rules, kept, record_id)
            for path in rules.unique:
                self._unique.pop((kind, path, str(look(record.fields, path))), None)
            record.fields = kept
            self._note_unique(rules, record)
            self._touch(rules, record, by)
            self.counts[f"{kind}.update"] += 1
        self.on_change(record, "update")
        return record

    def act(
        self, kind: str, record_id: str, action: str, fields: Json, *, by: str, version: str | None = None
    ) -> Record:
        """Take a step; ``replace`` makes the record ``fields["source"]`` part of this one, twice without harm."""
        rules = self.rule(kind)
        with self._lock:
            if action == REPLACE:
                self.unite(kind, record_id, str(fields["source"]))
            elif action not in rules.actions:
                raise Refusal(422, "invalid", f"{kind} knows no action {action}", field="action")
            record = self._unchanged(kind, record_id, version)
            record.fields = merge(record.fields, rules.actions.get(action, {}), self._issue_id)
            self._touch(rules, record, by)
            self.counts[f"{kind}.{action}"] += 1
        self.on_change(record, action)
        return record

    def unite(self, kind: str, survivor: str, other: str) -> None:
        """Make two records one: the other's id leads to the survivor from now on."""
        with self._lock:
            if self.get(kind, other).id != survivor:
                self.remove(kind, other)
                self._leads[kind, other] = survivor

    def archive(self, kind: str, record_id: str, *, by: str = "person", archived: bool = True) -> Record:
        with self._lock:
            record = self.get(kind, record_id)
            record.archived = archived
            self._touch(self.rule(kind), record, by)
        self.on_change(record, "archive")
        return record

    def remove(self, kind: str, record_id: str) -> None:
        """Forget a record without a trace, as a delete in the ERP does."""
        with self._lock:
            record = self.get(kind, record_id)
            del self._kinds[kind][record_id]
            self._sorted_ids[kind].remove(record_id)
            for path in self.rule(kind).unique:
                self._unique.pop((kind, path, str(look(record.fields, path))), None)

    def types(self, kind: str) -> dict[str, Json]:
        """Return the metadata: what was declared, else what the stored records show."""
        rules = self.rule(kind)
        seen: dict[str, Json] = {}
        if rules.known is None:
            for record in self.all(kind, archived=True)[:50]:
                for path, value in leaves(record.fields):
                    seen.setdefault(path, {"type": type(value).__name__})
        for path in rules.known or ():
            seen.setdefault(path, {"type": "any"})
        for path in rules.unique:
            seen.setdefault(path, {"type": "str"})["unique"] = True
        for path in rules.required:
            seen.setdefault(path, {"type": "any"})["required"] = True
        return {**seen, **rules.types}

    def _issue_id(self) -> str:
        self._next += 1
        return f"item-{self._next}"

    def _unchanged(self, kind: str, record_id: str, version: str | None) -> Record:
        record = self.get(kind, record_id)
        if version is not None and self.rule(kind).versions and str(record.version) != version:
            raise Refusal(
                412,
                "stale",
                f"{kind} {record_id} is at version {record.version}, not {version}",
                id=record_id,
            )
        return record

    def _touch(self, rules: Rules, record: Record, by: str) -> None:
        record.version += 1
        record.changed_at = rules.stamp(self.clock())
        record.by = by

    def _claim_unique(self, kind: str, rules: Rules, fields: Json, own_id: str) -> None:
        for path in rules.unique:
            value = look(fields, path)
            if value in (None, ""):
                continue
            holder = self._unique.get((kind, path, str(value)))
            if holder is not None and holder != own_id:
                raise Refusal(
                    409, "exists", f"{kind}: {path} {value!r} is already that of {holder}", id=holder
                )

    def _note_unique(self, rules: Rules, record: Record) -> None:
        for path in rules.unique:
            value = look(record.fields, path)
            if value not in (None, ""):
                self._unique[record.kind, path, str(value)] = record.id
