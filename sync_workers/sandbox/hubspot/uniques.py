"""Which record holds which value of a property that takes a value once.

Archived and merged records let go of theirs. Callers hold the account's lock.
Source: developers.hubspot.com, "Properties API", "Create unique identifier properties"; public captures for
the texts of conflicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.record import Record
from sync_workers.sandbox.hubspot.wire import Refusal, invalid

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


class Uniques:
    """The index of unique values: (type id, property, value) to the id of the record that holds it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.holders: dict[tuple[str, str, str], str] = {}

    def holder(self, type_id: str, name: str, value: str) -> str:
        """Return the id of the record with this value, "" when none has it; refuses a property that is not unique."""
        self.account.definitions.require_unique(type_id, name)
        return self.holders.get((type_id, name, value.lower() if name == "email" else value), "")

    def refuse_taken(
        self, kind: ObjectType, values: dict[str, str], record_id: str, *, is_new: bool = False
    ) -> None:
        """Refuse a value that another record holds."""
        for name in self.account.definitions.unique_names(kind.type_id):
            value = values.get(name)
            taken_by = self.holders.get((kind.type_id, name, value)) if value else None
            if taken_by is None or taken_by == record_id:
                continue
            if name == "email" and is_new:
                raise Refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {taken_by}")
            raise invalid(
                f"Cannot set PropertyValueCoordinates{{portalId={self.account.settings.portal_id}, "
                f"objectTypeId=ObjectTypeId{{legacyObjectType={kind.singular.upper()}}}, "
                f"propertyName={name}, value={value}}} on {record_id}. {taken_by} already has that value."
            )

    def remember(self, record: Record) -> None:
        for name in self.account.definitions.unique_names(record.type_id):
            if record.values.get(name):
                self.holders[record.type_id, name, record.values[name]] = record.id

    def forget(self, record: Record) -> None:
        for name in self.account.definitions.unique_names(record.type_id):
            key = (record.type_id, name, record.values.get(name, ""))
            if self.holders.get(key) == record.id:
                del self.holders[key]
