"""The object types of an account, found by name, singular name, fully qualified name or type id.

Custom objects join at run time; ``schemas`` is the API for that. The API knows one by its type id, its
fully qualified name or ``p_<name>``, no longer by the bare name; people still call it by its name.
Source: developers.hubspot.com, "Understanding the CRM", "Object type IDs"; changelog, "Removed Support for
Referencing Custom Object Types by Base Name".
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict

from sync_workers.sandbox.hubspot.catalogue import TYPES, ObjectType
from sync_workers.sandbox.hubspot.wire import Json, invalid

FIRST_CUSTOM_ID = 100


class ObjectTypes:
    """All types by id, with every spelling that a path may use."""

    def __init__(self) -> None:
        self.by_id: dict[str, ObjectType] = {}
        self.spellings: dict[str, str] = {}
        self.next_custom = FIRST_CUSTOM_ID
        for each in TYPES:
            self.add(deepcopy(each))

    def add(self, kind: ObjectType) -> None:
        self.by_id[kind.type_id] = kind
        for spelling in (*kind.spellings, *kind.aliases):
            self.spellings[spelling.lower()] = kind.type_id

    def remove(self, kind: ObjectType) -> None:
        del self.by_id[kind.type_id]
        self.spellings = {
            each: type_id for each, type_id in self.spellings.items() if type_id != kind.type_id
        }

    def new_id(self) -> str:
        self.next_custom += 1
        return f"2-{self.next_custom}"

    def __getitem__(self, type_id: str) -> ObjectType:
        return self.by_id[type_id]

    def find(self, spelling: str) -> ObjectType:
        type_id = self.spellings.get(spelling.lower())
        if type_id is None:
            raise invalid(f"Unable to infer object type from: {spelling}")
        return self.by_id[type_id]

    def named(self, name: str) -> ObjectType:
        """Find a type as people call it: a custom object by its own name too."""
        return next((each for each in self.customs() if each.name == name), None) or self.find(name)

    def customs(self) -> list[ObjectType]:
        return [each for each in self.by_id.values() if each.schema]

    def dump(self) -> Json:
        return {"next_custom": self.next_custom, "customs": [asdict(each) for each in self.customs()]}

    def load(self, saved: Json) -> None:
        self.next_custom = saved["next_custom"]
        for row in saved["customs"]:
            listed = {name: tuple(row[name]) for name in ("defaults", "searchable", "aliases", "required")}
            self.add(ObjectType(**{**row, **listed}))
