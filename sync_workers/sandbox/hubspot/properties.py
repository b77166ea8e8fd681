"""Property definitions: which fields each object type has, and of what type.

What a value must look like is decided in ``values``, uniqueness across records in ``records``.
Source: developers.hubspot.com, "Properties API".
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field

from sync_workers.sandbox.hubspot.catalogue import CALCULATED, PROPERTIES, SYSTEM
from sync_workers.sandbox.hubspot.wire import Json, Refusal, invalid, iso, not_found

MAX_UNIQUE = 10
GROUP = "information"
FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
}


@dataclass
class Property:
    """One property of one object type; ``role`` marks owners, pipelines and stages."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    description: str = ""
    group: str = GROUP
    options: list[Json] = field(default_factory=list)
    unique: bool = False
    read_only: bool = False
    calculated: bool = False
    hubspot_defined: bool = True
    role: str = ""
    hidden: bool = False
    display_order: int = -1
    form_field: bool = True
    created_ms: int = 0
    updated_ms: int = 0
    archived_ms: int | None = None

    def shown(self) -> Json:
        """Return the definition as the properties API does."""
        answer: Json = {
            "name": self.name,
            "label": self.label or self.name.replace("_", " ").capitalize(),
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": self.display_order,
            "calculated": self.calculated,
            "externalOptions": self.role == "owner",
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "hubspotDefined": self.hubspot_defined,
            "formField": self.form_field,
            "archived": self.archived_ms is not None,
            "createdAt": iso(self.created_ms),
            "updatedAt": iso(self.updated_ms),
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
            },
        }
        if self.archived_ms is not None:
            answer["archivedAt"] = iso(self.archived_ms)
        return answer


class Definitions:
    """All property definitions of an account, by object type id."""

    def __init__(self) -> None:
        self.by_type: dict[str, dict[str, Property]] = {}
        self.groups: dict[str, dict[str, str]] = {}
        for type_id in PROPERTIES:
            self.install(type_id)

    def install(self, type_id: str) -> None:
        """Give an object type the properties that HubSpot itself defines."""
        mine = self.by_type.setdefault(type_id, {})
        self.groups.setdefault(type_id, {GROUP: "Information"})
        for word in PROPERTIES.get(type_id, "hubspot_owner_id:owner").split():
            each = _parse(word)
            mine[each.name] = each
        for word in f"{SYSTEM} {CALCULATED.get(type_id, '')}".split():
            each = _parse(word)
            each.read_only = True
            each.calculated = word in CALCULATED.get(type_id, "").split()
            mine[each.name] = each
        if type_id == "0-1":
            mine["email"].unique = True

    def of(self, type_id: str) -> dict[str, Property]:
        return {name: each for name, each in self.by_type[type_id].items() if each.archived_ms is None}

    def get(self, type_id: str, name: str) -> Property | None:
        each = self.by_type[type_id].get(name)
        return each if each is not None and each.archived_ms is None else None

    def unique_names(self, type_id: str) -> list[str]:
        return [name for name, each in self.of(type_id).items() if each.unique]

    def require_unique(self, type_id: str, name: str) -> None:
        """Refuse an ``idProperty`` that cannot identify a record."""
        each = self.get(type_id, name)
        if each is None:
            raise invalid(f"Property {name} does not exist for object type {type_id}")
        if not each.unique and name != "hs_object_id":
            raise invalid(f"Property {name} is not a unique property and cannot be used as idProperty")

    def create(self, type_id: str, body: Json, now_ms: int) -> Property:
        """Add a custom property. Uniqueness can be chosen here and never again."""
        name = str(body["name"])
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise invalid(f"Property name {name!r} may hold lower-case letters, digits and _ only")
        if name in self.of(type_id):
            raise _conflict(name)
        if body["groupName"] not in self.groups[type_id]:
            raise invalid(f"Property group {body['groupName']!r} does not exist; create it first")
        if body["type"] not in FIELD_TYPES:
            raise invalid(f"Invalid input JSON: {body['type']!r} is not a property type")
        unique = bool(body.get("hasUniqueValue", False))
        custom_unique = [
            n for n in self.unique_names(type_id) if not self.by_type[type_id][n].hubspot_defined
        ]
        if unique and len(custom_unique) >= MAX_UNIQUE:
            raise invalid(
                f"Object type {type_id} already has {MAX_UNIQUE} unique value properties, the maximum"
            )
        if unique and type_id == "0-7":
            raise invalid("Products do not support unique value properties")
        each = Property(
            name=name,
            type=str(body["type"]),
            field_type=str(body["fieldType"]),
            label=str(body["label"]),
            description=str(body.get("description") or ""),
            group=str(body["groupName"]),
            options=[_option(option) for option in body.get("options") or []],
            unique=unique,
            hubspot_defined=False,
            hidden=bool(body.get("hidden", False)),
            display_order=int(body.get("displayOrder", -1)),
            form_field=bool(body.get("formField", False)),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self.by_type[type_id][name] = each
        return each

    def update(self, type_id: str, name: str, body: Json, now_ms: int) -> Property:
        each = self.named(type_id, name)
        if "hasUniqueValue" in body and bool(body["hasUniqueValue"]) != each.unique:
            raise invalid("hasUniqueValue can only be set when the property is created")
        for key, attribute in (("label", "label"), ("description", "description"), ("groupName", "group"),
                               ("fieldType", "field_type"), ("type", "type"), ("hidden", "hidden"),
                               ("displayOrder", "display_order"), ("formField", "form_field")):  # fmt: skip
            if body.get(key) is not None:
                setattr(each, attribute, body[key])
        if body.get("options") is not None:
            each.options = [_option(option) for option in body["options"]]
        each.updated_ms = now_ms
        return each

    def archive(self, type_id: str, name: str, now_ms: int) -> None:
        each = self.named(type_id, name)
        if each.hubspot_defined:
            raise invalid(f"Property {name} is defined by HubSpot and cannot be archived")
        each.archived_ms = now_ms

    def named(self, type_id: str, name: str, *, archived: bool = False) -> Property:
        each = self.by_type[type_id].get(name)
        if each is None or (each.archived_ms is not None) != archived:
            raise not_found(f"Property {name} for object type {type_id} does not exist")
        return each

    def dump(self) -> Json:
        mine = {t: {n: asdict(each) for n, each in props.items()} for t, props in self.by_type.items()}
        return {"groups": self.groups, "by_type": mine}

    def load(self, saved: Json) -> None:
        self.groups = {t: dict(mine) for t, mine in saved["groups"].items()}
        self.by_type = {
            t: {n: Property(**each) for n, each in mine.items()} for t, mine in saved["by_type"].items()
        }


def _option(option: Json) -> Json:
    return {
        "label": str(option.get("label", option["value"])),
        "value": str(option["value"]),
        "description": str(option.get("description") or ""),
        "displayOrder": int(option.get("displayOrder", -1)),
        "hidden": bool(option.get("hidden", False)),
    }


def _conflict(name: str) -> Refusal:
    refusal = invalid(f"Property named {name} already exists")
    refusal.status, refusal.category = 409, "OBJECT_ALREADY_EXISTS"
    return refusal


def _parse(word: str) -> Property:
    """Read one word of the catalogue, such as ``amount:number`` or ``dealtype:enumeration=a|b``."""
    name, _, rest = word.partition(":")
    kind, _, options = rest.partition("=")
    role = kind if kind in ("owner", "pipeline", "stage") else ""
    kind = "enumeration" if role else kind or "string"
    field_type = "textarea" if kind == "textarea" else FIELD_TYPES.get(kind, "text")
    return Property(
        name=name,
        type="string" if kind == "textarea" else kind,
        field_type=field_type,
        role=role,
        options=[_option({"value": value}) for value in options.split("|") if value],
    )
