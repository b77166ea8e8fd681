"""The associations API v4: links between records, one by one and in batches, and their labels.

What a link means is decided in ``associations``. Linking with labels replaces those that the pair had.
Source: developers.hubspot.com, "Associations API v4"; hubspot-api-python, models of
``crm/associations/v4``. Batch sizes: 1,000 for reading, 2,000 for creating, 100 for archiving.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import batches
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.link_types import USER, LinkType
from sync_workers.sandbox.hubspot.record import Record
from sync_workers.sandbox.hubspot.wire import (
    Json,
    Refusal,
    Reply,
    Request,
    invalid,
    missing_scopes,
    not_found,
    require,
)

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_PAGE = 500
MAX_READ, MAX_CREATE, MAX_ARCHIVE, MAX_LABELS = 1_000, 2_000, 100, 50


def list_page(account: Account, request: Request, source: str, record_id: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    limit = request.integer("limit", MAX_PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"limit must be between 1 and {MAX_PAGE}, not {limit}")
    record = account.records.get(kind, record_id)
    rows, paging = _page(account, record, to, request.integer("after", 0), limit)
    return Reply(200, {"results": rows, **paging})


def create(
    account: Account, request: Request, source: str, record_id: str, target: str, target_id: str
) -> Reply:
    """Link with the types given in the body, a bare list."""
    specs = request.any_json()
    if not isinstance(specs, list) or not specs:
        raise invalid("Invalid input JSON: a list of association types is required")
    kind, to = account.types.find(source), account.types.find(target)
    return Reply(201, _link(account, kind, to, record_id, target_id, specs))


def create_default(
    account: Account, request: Request, source: str, record_id: str, target: str, target_id: str
) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    return batches.answer(account, 200, _link_plainly(account, kind, to, record_id, target_id), [])


def delete(
    account: Account, request: Request, source: str, record_id: str, target: str, target_id: str
) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    record, other = account.records.get(kind, record_id), account.records.get(to, target_id)
    account.associations.unlink(record, other, None, account.api)
    return Reply(204)


def batch_read(account: Account, request: Request, source: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    results, missing = [], []
    for row in request.inputs(MAX_READ):
        require(row, "id")
        record = account.records.find(kind, str(row["id"]))
        rows, paging = (
            _page(account, record, to, int(row.get("after") or 0), MAX_PAGE)
            if record is not None and record.is_live
            else ([], {})
        )
        if rows:
            results.append({"from": {"id": str(row["id"])}, "to": rows, **paging})
        else:
            missing.append(str(row["id"]))
    errors = []
    if missing:
        refusal = Refusal(
            404,
            "OBJECT_NOT_FOUND",
            f"No {to.singular} is associated with {kind.singular} {', '.join(missing)}",
            context={"fromObjectId": missing},
            sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
        )
        errors = [refusal.row()]
    return batches.answer(account, 200, results, errors)


def batch_create(account: Account, request: Request, source: str, target: str) -> Reply:
    def one(kind: ObjectType, to: ObjectType, row: Json) -> list[Json]:
        require(row, "from", "to", "types")
        return [_link(account, kind, to, str(row["from"].get("id")), str(row["to"].get("id")), row["types"])]

    return _each(account, request, source, target, 201, one)


def batch_create_default(account: Account, request: Request, source: str, target: str) -> Reply:
    def one(kind: ObjectType, to: ObjectType, row: Json) -> list[Json]:
        require(row, "from", "to")
        return _link_plainly(account, kind, to, str(row["from"].get("id")), str(row["to"].get("id")))

    return _each(account, request, source, target, 200, one)


def batch_archive(account: Account, request: Request, source: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    for row in request.inputs(MAX_ARCHIVE):
        require(row, "from", "to")
        record = account.records.find(kind, str(row["from"].get("id")))
        for each in row["to"]:
            other = account.records.find(to, str(each.get("id")))
            if record is not None and other is not None:
                account.associations.unlink(record, other, None, account.api)
    return Reply(204)


def batch_archive_labels(account: Account, request: Request, source: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    for row in request.inputs(MAX_ARCHIVE):
        require(row, "from", "to", "types")
        types = [_known(account, kind, to, spec) for spec in row["types"]]
        record = account.records.get(kind, str(row["from"].get("id")))
        account.associations.unlink(
            record, account.records.get(to, str(row["to"].get("id"))), types, account.api
        )
    return Reply(204)


def list_labels(account: Account, request: Request, source: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    return Reply(
        200, {"results": [_spec(each) for each in account.associations.between(kind.type_id, to.type_id)]}
    )


def create_label(account: Account, request: Request, source: str, target: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    body = request.json()
    require(body, "label", "name")
    label = str(body["label"])
    if not account.settings.association_labels:
        raise missing_scopes(["crm.schemas.custom.write"])
    if not re.fullmatch(r"[A-Za-z_]\w*", str(body["name"])):
        raise invalid(f"The name {body['name']!r} may hold letters, digits and _ only, and starts with no digit")
    present = [each for each in account.associations.between(kind.type_id, to.type_id) if each.category == USER]
    if any(each.label == label for each in present):
        raise Refusal(409, "CONFLICT", f"An association label {label!r} already exists")
    if len(present) >= MAX_LABELS:
        raise invalid(f"{kind.name} and {to.name} have {MAX_LABELS} association labels, the maximum")
    made = account.associations.define(
        kind.type_id, to.type_id, label, str(body.get("inverseLabel") or label)
    )
    return Reply(200, {"results": [_spec(each) for each in made]})


def delete_label(account: Account, request: Request, source: str, target: str, type_id: str) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    if (
        not type_id.isdigit()
        or (kind.type_id, to.type_id, USER, int(type_id)) not in account.associations.types
    ):
        raise not_found(f"Association type {type_id} of {kind.name} to {to.name} does not exist")
    account.associations.undefine(account.associations.known(kind.type_id, to.type_id, USER, int(type_id)))
    return Reply(204)


def _each(
    account: Account,
    request: Request,
    source: str,
    target: str,
    clean: int,
    work: Callable[[ObjectType, ObjectType, Json], list[Json]],
) -> Reply:
    kind, to = account.types.find(source), account.types.find(target)
    results: list[Json] = []
    errors: list[Json] = []
    for row in request.inputs(MAX_CREATE):
        try:
            results += work(kind, to, row)
        except Refusal as refusal:
            errors.append(refusal.row())
    return batches.answer(account, clean, results, errors)


def _page(
    account: Account, record: Record, to: ObjectType, after: int, limit: int
) -> tuple[list[Json], Json]:
    rows = [row for row in account.associations.of(record, to) if int(row[0]) > after]
    shown: list[Json] = [
        {"toObjectId": other, "associationTypes": [_spec(each) for each in types]}
        for other, types in rows[:limit]
    ]
    if len(rows) <= limit:
        return shown, {}
    return shown, {"paging": {"next": {"after": rows[limit - 1][0]}}}


def _spec(each: LinkType) -> Json:
    return {"category": each.category, "typeId": each.type_id, "label": each.label}


def _known(account: Account, kind: ObjectType, to: ObjectType, spec: Json) -> LinkType:
    require(spec, "associationCategory", "associationTypeId")
    category, type_id = str(spec["associationCategory"]), int(spec["associationTypeId"])
    return account.associations.known(kind.type_id, to.type_id, category, type_id)


def _link(
    account: Account, kind: ObjectType, to: ObjectType, record_id: str, target_id: str, specs: list[Json]
) -> Json:
    types = [_known(account, kind, to, spec) for spec in specs]
    record, other = account.records.get(kind, record_id), account.records.get(to, target_id)
    account.associations.relabel(record, other, types, account.api)
    return {
        "fromObjectTypeId": kind.type_id,
        "fromObjectId": record.id,
        "toObjectTypeId": to.type_id,
        "toObjectId": other.id,
        "labels": [each.label for each in types if each.label],
    }


def _link_plainly(
    account: Account, kind: ObjectType, to: ObjectType, record_id: str, target_id: str
) -> list[Json]:
    """Link with the unlabelled type; the answer has a row for each direction."""
    plain = account.associations.plain(kind.type_id, to.type_id)
    record, other = account.records.get(kind, record_id), account.records.get(to, target_id)
    account.associations.link(record, other, [plain], account.api)
    sides = ((record.id, other.id, plain.type_id), (other.id, record.id, plain.inverse_id))
    return [
        {
            "from": {"id": one},
            "to": {"id": another},
            "associationSpec": {"associationCategory": plain.category, "associationTypeId": type_id},
        }
        for one, another, type_id in sides
    ]
