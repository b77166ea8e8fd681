"""The records of an account and the only code that changes them.

Every change goes through here, whoever makes it: values are checked, uniqueness is kept,
computed properties follow, history is written and the webhooks hear of it. Callers hold the
account's lock.
Source: developers.hubspot.com, "Object APIs".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sync_workers.sandbox.hubspot import calculations
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.record import Origin, Record
from sync_workers.sandbox.hubspot.uniques import Uniques
from sync_workers.sandbox.hubspot.values import Fault, canonical, refuse
from sync_workers.sandbox.hubspot.wire import Json, invalid, iso, not_found

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

# Past 32 bits on purpose, and the same start for every type: ids are unique per type only.
FIRST_ID = 20_000_000_001
KEPT_HISTORY = 20


class Records:
    """All records by type id and id."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.by_type: dict[str, dict[str, Record]] = {}
        self.uniques = Uniques(account)
        self.next_id: dict[str, int] = {}

    def live(self, type_id: str) -> Iterator[Record]:
        return (record for record in self.by_type.get(type_id, {}).values() if record.is_live)

    def find(self, kind: ObjectType, ref: str, id_property: str = "") -> Record | None:
        """Look a record up by id or by a unique value; a merged id leads to the record it went into."""
        mine = self.by_type.get(kind.type_id, {})
        if id_property and id_property != "hs_object_id":
            ref = self.uniques.holder(kind.type_id, id_property, ref)
        record = mine.get(ref)
        while record is not None and record.merged_into is not None:
            record = mine.get(record.merged_into)
        return record

    def get(self, kind: ObjectType, ref: str, id_property: str = "", *, archived: bool = False) -> Record:
        record = self.find(kind, ref, id_property)
        if record is None or (record.archived_ms is not None) != archived:
            raise not_found(context={"ids": [ref]})
        return record

    def create(self, kind: ObjectType, properties: Json, origin: Origin) -> Record:
        """Make a record, or raise the Refusal that HubSpot would give; nothing is kept then."""
        record_id = self._new_id(kind.type_id)
        values = self._complete(kind, properties, record_id)
        now = self.account.now_ms()
        record = Record(kind.type_id, record_id, now, now)
        self.by_type.setdefault(kind.type_id, {})[record_id] = record
        values |= {
            "hs_object_id": record_id,
            kind.created: iso(now),
            "hs_createdate": iso(now),
            "hs_object_source": origin.source,
            "hs_object_source_id": origin.source_id,
        }
        self.account.notices.created(kind, record, origin)
        self._apply(kind, record, values, origin)
        self.account.count_write("create", kind, origin)
        return record

    def check(self, kind: ObjectType, properties: Json) -> dict[str, str]:
        """Return the values a create would keep, or raise what it would raise, changing nothing."""
        return self._complete(kind, properties, "0")

    def update(self, kind: ObjectType, record: Record, properties: Json, origin: Origin) -> bool:
        """Write the given properties and return whether anything changed; equal values change nothing."""
        values = self._checked(kind, properties, record.values, record.id)
        changed = self._apply(kind, record, values, origin)
        self.account.count_write("update" if changed else "unchanged", kind, origin)
        return changed

    def archive(self, kind: ObjectType, record: Record, origin: Origin) -> None:
        if record.archived_ms is not None:
            return
        record.archived_ms = record.updated_ms = self.account.now_ms()
        self.uniques.forget(record)
        self.account.touch()
        self.account.notices.deleted(kind, record, origin)
        self.account.count_write("archive", kind, origin)

    def restore(self, kind: ObjectType, record: Record, origin: Origin) -> None:
        """Bring an archived record back, unless another one took its unique value meanwhile."""
        self.uniques.refuse_taken(kind, record.values, record.id)
        record.archived_ms = None
        record.updated_ms = self.account.now_ms()
        record.values[kind.changed] = iso(record.updated_ms)
        self.uniques.remember(record)
        self.index(record, record.updated_ms)
        self.account.touch()
        self.account.notices.restored(kind, record, origin)
        self.account.count_write("restore", kind, origin)

    def merge(self, kind: ObjectType, primary: Record, other: Record, origin: Origin) -> Record:
        """Fold two records into one; both old ids lead to the result from then on.

        The primary's values win, gaps are filled from the other. By default the result is a
        brand-new record, as on HubSpot today; ``merge_makes_new_record`` switches to the old way.
        """
        if primary is other:
            raise invalid("The two records to merge must be different")
        moved = {n: v for n, v in other.values.items() if n not in primary.values}
        count = len(moved)
        gone = [primary, other] if self.account.settings.merge_makes_new_record else [other]
        now = self.account.now_ms()
        result = primary
        if self.account.settings.merge_makes_new_record:
            result = Record(kind.type_id, self._new_id(kind.type_id), primary.created_ms, now)
            result.values = dict(primary.values)
            result.history = {name: list(rows) for name, rows in primary.history.items()}
            self.by_type[kind.type_id][result.id] = result
        for record in gone:
            self.uniques.forget(record)
            record.merged_into = result.id
            self.account.associations.move(kind.type_id, record.id, result.id)
        earlier = [each for each in primary.values.get("hs_merged_object_ids", "").split(";") if each]
        moved["hs_merged_object_ids"] = ";".join(dict.fromkeys([*earlier, *(record.id for record in gone)]))
        moved["hs_object_id"] = result.id
        self._apply(kind, result, moved, Origin("MERGE_OBJECTS", origin.source_id, origin.user_id))
        self.uniques.remember(result)
        self.account.notices.merged(kind, primary.id, [other.id], result, count, origin)
        self.account.count_write("merge", kind, origin)
        return result

    def purge(self, kind: ObjectType, record: Record, origin: Origin) -> None:
        """Delete for good, as a GDPR request does."""
        self.uniques.forget(record)
        self.account.associations.forget(kind.type_id, record.id)
        del self.by_type[kind.type_id][record.id]
        self.account.touch()
        self.account.notices.deleted(kind, record, origin, for_privacy=True)
        self.account.count_write("purge", kind, origin)

    def _complete(self, kind: ObjectType, properties: Json, record_id: str) -> dict[str, str]:
        values = self._checked(kind, calculations.defaults(self.account, kind, properties), {}, record_id)
        missing = [name for name in kind.required if not values.get(name)]
        if missing:
            raise invalid(
                f"Error creating '{kind.singular.upper()}'. Some required properties were not set.",
                [{"message": f"{name} was not set", "context": {"properties": [name]}} for name in missing],
            )
        return values

    def _checked(
        self, kind: ObjectType, given: Json, present: dict[str, str], record_id: str
    ) -> dict[str, str]:
        values: dict[str, str] = {}
        faults: list[Fault] = []
        for name, value in given.items():
            prop = self.account.definitions.get(kind.type_id, name)
            if prop is None:
                faults.append(Fault(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            elif prop.read_only:
                text = f'"{name}" is a read only property; its value cannot be set.'
                faults.append(Fault(name, "READ_ONLY_VALUE", text))
            else:
                kept = canonical(prop, value)
                if isinstance(kept, Fault):
                    faults.append(kept)
                else:
                    values[name] = kept
        faults += calculations.check_stage(self.account, kind, {**present, **values}, values)
        if faults:
            raise refuse(faults)
        is_new = record_id not in self.by_type.get(kind.type_id, {})
        self.uniques.refuse_taken(kind, values, record_id, is_new=is_new)
        return values

    def _apply(self, kind: ObjectType, record: Record, values: dict[str, str], origin: Origin) -> bool:
        """Store the differences, with history, computed values and one notice per property."""
        values = values | calculations.derive(self.account, kind, {**record.values, **values})
        changes = {n: v for n, v in values.items() if v != record.values.get(n, "")}
        if not changes:
            return False
        now = self.account.now_ms()
        record.updated_ms = now
        self.uniques.forget(record)
        for name, value in {**changes, kind.changed: iso(now)}.items():
            if value:
                record.values[name] = value
            else:
                record.values.pop(name, None)
            row = {
                "value": value,
                "at": now,
                "source": origin.source,
                "id": origin.source_id,
                "user": origin.user_id,
            }
            record.history[name] = [row, *record.history.get(name, [])][:KEPT_HISTORY]
        self.uniques.remember(record)
        self.index(record, now)
        self.account.touch()
        self.account.notices.changed(kind, record, changes, origin)
        return True

    def index(self, record: Record, now: int) -> None:
        """Hand the search a copy that it sees after the lag, dropping copies nobody can see any more."""
        visible = now + round(self.account.settings.index_lag_s * 1000)
        seen = [i for i, (at, _) in enumerate(record.indexed) if at <= now]
        record.indexed = [*record.indexed[seen[-1] if seen else 0 :], (visible, dict(record.values))]

    def _new_id(self, type_id: str) -> str:
        number = self.next_id.get(type_id, FIRST_ID)
        self.next_id[type_id] = number + 1
        return str(number)

    def dump(self) -> Json:
        return {
            "next_id": self.next_id,
            "rows": [vars(record) for mine in self.by_type.values() for record in mine.values()],
        }

    def load(self, saved: dict[str, Any]) -> None:
        self.next_id = dict(saved["next_id"])
        self.by_type, self.uniques = {}, Uniques(self.account)
        for row in saved["rows"]:
            record = Record(**{**row, "indexed": [(at, values) for at, values in row["indexed"]]})
            self.by_type.setdefault(record.type_id, {})[record.id] = record
            if record.is_live:
                self.uniques.remember(record)
