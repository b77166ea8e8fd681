"""The properties API: definitions one by one, in batches, and their groups.

The rules for definitions live in ``properties``.
Source: developers.hubspot.com, "Properties API"; hubspot-api-python, ``crm/properties``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import batches
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.properties import Property
from sync_workers.sandbox.hubspot.wire import Json, Refusal, Reply, Request, not_found, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

REQUIRED = ("name", "label", "type", "fieldType", "groupName")


def list_all(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    archived = request.flag("archived")
    found = [each for each in account.definitions.by_type[kind.type_id].values()
             if (each.archived_ms is not None) == archived]  # fmt: skip
    return Reply(200, {"results": [shown(account, kind, each) for each in found]})


def get(account: Account, request: Request, kind_name: str, name: str) -> Reply:
    kind = account.types.find(kind_name)
    found = account.definitions.named(kind.type_id, name, archived=request.flag("archived"))
    return Reply(200, shown(account, kind, found))


def create(account: Account, request: Request, kind_name: str) -> Reply:
    return Reply(201, _create(account, account.types.find(kind_name), request.json()))


def update(account: Account, request: Request, kind_name: str, name: str) -> Reply:
    kind = account.types.find(kind_name)
    changed = account.definitions.update(kind.type_id, name, request.json(), account.now_ms())
    account.touch()
    return Reply(200, shown(account, kind, changed))


def archive(account: Account, request: Request, kind_name: str, name: str) -> Reply:
    account.definitions.archive(account.types.find(kind_name).type_id, name, account.now_ms())
    account.touch()
    return Reply(204)


def batch_create(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    results, errors = [], []
    for row in request.inputs(100):
        try:
            results.append(_create(account, kind, row))
        except Refusal as refusal:
            errors.append(refusal.row())
    return batches.answer(account, 201, results, errors)


def batch_read(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    archived = bool(request.json().get("archived", False))
    results, errors = [], []
    for row in request.inputs(100):
        require(row, "name")
        try:
            found = account.definitions.named(kind.type_id, str(row["name"]), archived=archived)
            results.append(shown(account, kind, found))
        except Refusal as refusal:
            errors.append(refusal.row())
    return batches.answer(account, 200, results, errors)


def batch_archive(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    for row in request.inputs(100):
        require(row, "name")
        account.definitions.archive(kind.type_id, str(row["name"]), account.now_ms())
    account.touch()
    return Reply(204)


def list_groups(account: Account, request: Request, kind_name: str) -> Reply:
    groups = account.definitions.groups[account.types.find(kind_name).type_id]
    return Reply(200, {"results": [_group(name, label) for name, label in groups.items()]})


def get_group(account: Account, request: Request, kind_name: str, group: str) -> Reply:
    groups = account.definitions.groups[account.types.find(kind_name).type_id]
    if group not in groups:
        raise not_found(f"Property group {group} does not exist")
    return Reply(200, _group(group, groups[group]))


def create_group(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    body = request.json()
    require(body, "name", "label")
    groups = account.definitions.groups[kind.type_id]
    if body["name"] in groups:
        raise Refusal(409, "CONFLICT", f"Property group {body['name']} already exists")
    groups[str(body["name"])] = str(body["label"])
    account.touch()
    return Reply(201, _group(str(body["name"]), str(body["label"])))


def shown(account: Account, kind: ObjectType, each: Property) -> Json:
    """Return a definition; pipelines, stages and owners list what the account has as their options."""
    answer = each.shown()
    choices: list[tuple[str, str]] = []
    if each.role == "pipeline":
        choices = [(pipeline.id, pipeline.label) for pipeline in account.pipelines.of(kind.type_id)]
    elif each.role == "stage":
        choices = [(stage.id, stage.label) for p in account.pipelines.of(kind.type_id) for stage in p.stages]
    if choices:
        answer["options"] = [
            {"value": value, "label": label, "displayOrder": n, "hidden": False}
            for n, (value, label) in enumerate(choices)
        ]
    return answer


def _create(account: Account, kind: ObjectType, body: Json) -> Json:
    require(body, *REQUIRED)
    account.touch()
    return shown(account, kind, account.definitions.create(kind.type_id, body, account.now_ms()))


def _group(name: str, label: str) -> Json:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}
