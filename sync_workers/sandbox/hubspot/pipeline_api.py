"""The pipelines API: read, add, change and remove pipelines and stages.

Source: developers.hubspot.com, "Pipelines API"; hubspot-api-python, ``crm/pipelines``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.wire import Reply, Request, invalid, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


def list_all(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    return Reply(200, {"results": [each.shown() for each in account.pipelines.of(kind.type_id)]})


def get(account: Account, request: Request, kind_name: str, pipeline: str) -> Reply:
    return Reply(200, account.pipelines.get(account.types.find(kind_name).type_id, pipeline).shown())


def create(account: Account, request: Request, kind_name: str) -> Reply:
    body = request.json()
    require(body, "label", "displayOrder", "stages")
    for stage in body["stages"]:
        require(stage, "label", "displayOrder")
    kind = account.types.find(kind_name)
    account.touch()
    return Reply(201, account.pipelines.create(kind.type_id, body, account.now_ms()).shown())


def update(account: Account, request: Request, kind_name: str, pipeline: str) -> Reply:
    found = account.pipelines.get(account.types.find(kind_name).type_id, pipeline)
    body = request.json()
    found.label = str(body.get("label", found.label))
    found.display_order = int(body.get("displayOrder", found.display_order))
    found.at_ms = account.now_ms()
    account.touch()
    return Reply(200, found.shown())


def delete(account: Account, request: Request, kind_name: str, pipeline: str) -> Reply:
    kind = account.types.find(kind_name)
    found = account.pipelines.get(kind.type_id, pipeline)
    if kind.pipeline and any(
        r.values.get(kind.pipeline) == found.id for r in account.records.live(kind.type_id)
    ):
        raise invalid(f"Pipeline {found.id} is used by {kind.name} and cannot be deleted")
    account.pipelines.of(kind.type_id).remove(found)
    account.touch()
    return Reply(204)


def list_stages(account: Account, request: Request, kind_name: str, pipeline: str) -> Reply:
    found = account.pipelines.get(account.types.find(kind_name).type_id, pipeline)
    return Reply(200, {"results": [stage.shown() for stage in found.stages]})


def get_stage(account: Account, request: Request, kind_name: str, pipeline: str, stage: str) -> Reply:
    found = account.pipelines.get(account.types.find(kind_name).type_id, pipeline)
    return Reply(200, found.stage(stage).shown())


def create_stage(account: Account, request: Request, kind_name: str, pipeline: str) -> Reply:
    kind = account.types.find(kind_name)
    body = request.json()
    require(body, "label", "displayOrder")
    found = account.pipelines.get(kind.type_id, pipeline)
    account.touch()
    return Reply(201, account.pipelines.add_stage(kind.type_id, found, body, account.now_ms()).shown())


def update_stage(account: Account, request: Request, kind_name: str, pipeline: str, stage: str) -> Reply:
    kind = account.types.find(kind_name)
    found = account.pipelines.get(kind.type_id, pipeline).stage(stage)
    account.touch()
    return Reply(
        200, account.pipelines.change_stage(kind.type_id, found, request.json(), account.now_ms()).shown()
    )


def delete_stage(account: Account, request: Request, kind_name: str, pipeline: str, stage: str) -> Reply:
    kind = account.types.find(kind_name)
    found = account.pipelines.get(kind.type_id, pipeline)
    step = found.stage(stage)
    if kind.stage and any(r.values.get(kind.stage) == stage for r in account.records.live(kind.type_id)):
        raise invalid(f"Stage {stage} is used by {kind.name} and cannot be deleted")
    found.stages.remove(step)
    account.touch()
    return Reply(204)
