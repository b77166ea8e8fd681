"""The schemas API: custom objects are defined, changed, linked to further objects and deleted.

A custom object gets a type id ``2-NNN``, the properties of its schema, and a link type to each
object it names and to notes. How many an account may define depends on its edition.
Source: developers.hubspot.com, "Custom objects"; hubspot-api-python, ``crm/schemas``; public captures
of the answer to a missing scope.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import property_api
from sync_workers.sandbox.hubspot.catalogue import STANDARD, ObjectType
from sync_workers.sandbox.hubspot.link_types import LinkType
from sync_workers.sandbox.hubspot.properties import GROUP
from sync_workers.sandbox.hubspot.wire import (
    Json,
    Refusal,
    Reply,
    Request,
    invalid,
    iso,
    missing_scopes,
    not_found,
    require,
)

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


def list_all(account: Account, request: Request) -> Reply:
    _check_scopes(account, "read")
    return Reply(200, {"results": [_shown(account, each) for each in account.types.customs()]})


def get(account: Account, request: Request, kind_name: str) -> Reply:
    _check_scopes(account, "read")
    return Reply(200, _shown(account, _custom(account, kind_name)))


def create(account: Account, request: Request) -> Reply:
    """Define a custom object; everything is checked before anything is kept."""
    _check_scopes(account, "write")
    if not account.settings.custom_objects:
        raise missing_scopes(["crm.schemas.custom.write"])
    body = request.json()
    require(body, "name", "labels", "properties", "requiredProperties", "associatedObjects")
    name = str(body["name"])
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise invalid(f"The name {name!r} may hold letters, digits and _ only, and starts with a letter")
    customs = account.types.customs()
    if any(each.name.lower() == name.lower() for each in customs):
        raise Refusal(409, "CONFLICT", f"Object type {name} already exists")
    if len(customs) >= account.settings.custom_objects:
        raise invalid(f"This account may define {account.settings.custom_objects} custom objects, and has them")
    _check_names(body, {str(each.get("name")) for each in body["properties"]})
    targets = [account.types.find(str(each)) for each in body["associatedObjects"]]
    made = ObjectType(
        account.types.new_id(),
        name,
        name,
        STANDARD,
        created="hs_createdate",
        searchable=tuple(body.get("searchableProperties") or ()),
        required=tuple(body["requiredProperties"]),
        fully_qualified=f"p{account.settings.portal_id}_{name}",
        schema={
            "labels": body["labels"],
            "description": body.get("description"),
            "primaryDisplayProperty": body.get("primaryDisplayProperty"),
            "secondaryDisplayProperties": body.get("secondaryDisplayProperties") or [],
            "at_ms": account.now_ms(),
        },
    )
    account.types.add(made)
    account.definitions.install(made.type_id)
    try:
        for each in body["properties"]:
            require(each, "name", "label")
            usual = {"groupName": GROUP, "type": "string", "fieldType": "text"}
            account.definitions.create(made.type_id, {**usual, **each}, account.now_ms())
    except Refusal:
        account.types.remove(made)
        del account.definitions.by_type[made.type_id]
        raise
    for target in targets:
        account.associations.define(made.type_id, target.type_id, None, None)
    if "0-46" not in {target.type_id for target in targets}:
        account.associations.define("0-46", made.type_id, None, None)  # notes go with everything
    account.touch()
    return Reply(201, _shown(account, made))


def update(account: Account, request: Request, kind_name: str) -> Reply:
    """Change what may change: name and labels never do."""
    _check_scopes(account, "write")
    kind, body = _custom(account, kind_name), request.json()
    _check_names(body, set(account.definitions.of(kind.type_id)))
    for name in ("primaryDisplayProperty", "secondaryDisplayProperties", "description"):
        if body.get(name) is not None:
            kind.schema[name] = body[name]
    kind.required = tuple(body.get("requiredProperties") or kind.required)
    kind.searchable = tuple(body.get("searchableProperties") or kind.searchable)
    account.touch()
    return Reply(200, _shown(account, kind))


def create_association(account: Account, request: Request, kind_name: str) -> Reply:
    """Let a custom object be linked to one more object."""
    _check_scopes(account, "write")
    kind, body = _custom(account, kind_name), request.json()
    require(body, "fromObjectTypeId", "toObjectTypeId")
    if account.types.find(str(body["fromObjectTypeId"])) is not kind:
        raise invalid(f"fromObjectTypeId must be {kind.type_id}")
    target = account.types.find(str(body["toObjectTypeId"]))
    if any(each.label is None for each in account.associations.between(kind.type_id, target.type_id)):
        raise Refusal(409, "CONFLICT", f"{kind.name} and {target.name} can be associated already")
    made, _ = account.associations.define(kind.type_id, target.type_id, None, None)
    return Reply(201, _association(account, made))


def delete(account: Account, request: Request, kind_name: str) -> Reply:
    _check_scopes(account, "write")
    kind = _custom(account, kind_name)
    if any(True for _ in account.records.live(kind.type_id)):
        raise invalid(f"Object type {kind.name} still has records and cannot be deleted")
    account.types.remove(kind)
    account.touch()
    return Reply(204)


def _check_scopes(account: Account, what: str) -> None:
    if not account.settings.custom_object_scopes:
        raise missing_scopes([f"crm.schemas.custom.{what}"])


def _check_names(body: Json, defined: set[str]) -> None:
    """Refuse a schema that names properties which it does not define."""
    for key in ("requiredProperties", "searchableProperties", "secondaryDisplayProperties"):
        if unknown := sorted(set(body.get(key) or ()) - defined):
            raise invalid(f"{key} are not defined: {unknown}")
    primary = body.get("primaryDisplayProperty")
    if primary is not None and primary not in defined:
        raise invalid(f"primaryDisplayProperty is not defined: {primary}")


def _custom(account: Account, kind_name: str) -> ObjectType:
    kind = account.types.find(kind_name)
    if not kind.schema:
        raise not_found(f"Object type {kind_name} has no custom schema")
    return kind


def _shown(account: Account, kind: ObjectType) -> Json:
    schema = {key: value for key, value in kind.schema.items() if key != "at_ms"}
    at = iso(int(str(kind.schema["at_ms"])))
    links = [
        each for each in account.associations.types.values() if kind.type_id in (each.source, each.target)
    ]
    return {
        "id": kind.type_id.partition("-")[2],
        "objectTypeId": kind.type_id,
        "name": kind.name,
        "fullyQualifiedName": kind.fully_qualified,
        "archived": False,
        "createdAt": at,
        "updatedAt": at,
        "searchableProperties": list(kind.searchable),
        "requiredProperties": list(kind.required),
        "properties": [
            property_api.shown(account, kind, each) for each in account.definitions.of(kind.type_id).values()
        ],
        "associations": [_association(account, each) for each in links],
        **schema,
    }


def _association(account: Account, each: LinkType) -> Json:
    name = f"{account.types[each.source].singular}_to_{account.types[each.target].singular}"
    return {
        "id": str(each.type_id),
        "fromObjectTypeId": each.source,
        "toObjectTypeId": each.target,
        "name": name,
    }
