"""The schemas API (custom objects) and the owners of an account.

A custom object gets a type id ``2-NNN``, the properties of its schema, and a link type to each
object it names.
Source: developers.hubspot.com, "Custom objects"; hubspot-api-python, ``crm/schemas`` and
``crm/owners``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import property_api
from sync_workers.sandbox.hubspot.catalogue import STANDARD, ObjectType
from sync_workers.sandbox.hubspot.properties import GROUP
from sync_workers.sandbox.hubspot.wire import Json, Refusal, Reply, Request, invalid, iso, not_found, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

OWNERS = (
    ("1001", "riley.sales@example.com", "Riley", "Sales", 1),
    ("1002", "sam.finance@example.com", "Sam", "Finance", 2),
)


def list_all(account: Account, request: Request) -> Reply:
    return Reply(200, {"results": [_shown(account, each) for each in account.types.customs()]})


def get(account: Account, request: Request, kind_name: str) -> Reply:
    return Reply(200, _shown(account, _custom(account, kind_name)))


def create(account: Account, request: Request) -> Reply:
    """Define a custom object; everything is checked before anything is kept."""
    body = request.json()
    require(body, "name", "labels", "properties", "requiredProperties", "associatedObjects")
    name = str(body["name"])
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise invalid(f"The name {name!r} may hold letters, digits and _ only, and starts with a letter")
    if name.lower() in account.types.spellings:
        raise Refusal(409, "CONFLICT", f"Object type {name} already exists")
    names = {str(each.get("name")) for each in body["properties"]}
    if unknown := sorted(set(body["requiredProperties"]) - names):
        raise invalid(f"Required properties are not defined: {unknown}")
    targets = [account.types.find(str(each)) for each in body["associatedObjects"]]
    made = ObjectType(
        account.types.new_id(),
        name,
        name,
        STANDARD,
        created="hs_createdate",
        searchable=tuple(body.get("searchableProperties") or sorted(names)),
        fully_qualified=f"p{account.settings.portal_id}_{name}",
        schema={
            "labels": body["labels"],
            "description": body.get("description"),
            "requiredProperties": body["requiredProperties"],
            "primaryDisplayProperty": body.get("primaryDisplayProperty"),
            "secondaryDisplayProperties": body.get("secondaryDisplayProperties") or [],
            "at_ms": account.now_ms(),
        },
    )
    account.types.add(made)
    account.definitions.install(made.type_id)
    try:
        for each in body["properties"]:
            require(each, "name", "label", "type", "fieldType")
            account.definitions.create(made.type_id, {"groupName": GROUP, **each}, account.now_ms())
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


def delete(account: Account, request: Request, kind_name: str) -> Reply:
    kind = _custom(account, kind_name)
    if any(True for _ in account.records.live(kind.type_id)):
        raise invalid(f"Object type {kind.name} still has records and cannot be deleted")
    account.types.remove(kind)
    account.touch()
    return Reply(204)


def list_owners(account: Account, request: Request) -> Reply:
    email = request.one("email")
    return Reply(200, {"results": [_owner(account, row) for row in OWNERS if not email or row[1] == email]})


def get_owner(account: Account, request: Request, owner: str) -> Reply:
    column = 4 if request.one("idProperty") == "userId" else 0
    for row in OWNERS:
        if owner == str(row[column]):
            return Reply(200, _owner(account, row))
    raise not_found(f"Owner {owner} does not exist")


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
        "properties": [
            property_api.shown(account, kind, each) for each in account.definitions.of(kind.type_id).values()
        ],
        "associations": [
            {
                "id": str(each.type_id),
                "fromObjectTypeId": each.source,
                "toObjectTypeId": each.target,
                "name": f"{account.types[each.source].singular}_to_{account.types[each.target].singular}",
            }
            for each in links
        ],
        **schema,
    }


def _owner(account: Account, row: tuple[str, str, str, str, int]) -> Json:
    at = iso(account.started_ms)
    return {
        "id": row[0],
        "email": row[1],
        "firstName": row[2],
        "lastName": row[3],
        "userId": row[4],
        "userIdIncludingInactive": row[4],
        "type": "PERSON",
        "archived": False,
        "createdAt": at,
        "updatedAt": at,
        "teams": [],
    }
