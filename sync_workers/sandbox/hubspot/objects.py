"""The objects API: one record at a time, lists and merges.

Batches are in ``batches``, searching in ``search``; what a change means is decided in ``records``.
Source: developers.hubspot.com, "Object APIs" (v3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import views
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.link_types import LinkType
from sync_workers.sandbox.hubspot.record import Origin, Record
from sync_workers.sandbox.hubspot.wire import Json, Reply, Request, invalid, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_PAGE = 100
Wanted = list[tuple[Record, list[LinkType]]]


def get(account: Account, request: Request, kind_name: str, record_id: str) -> Reply:
    kind = account.types.find(kind_name)
    record = account.records.get(
        kind, record_id, request.one("idProperty"), archived=request.flag("archived")
    )
    answer = views.show(
        account, kind, record, request.many("properties"), history=request.many("propertiesWithHistory")
    )
    views.add_associations(account, answer, kind, record, request.many("associations"))
    return Reply(200, answer)


def list_page(account: Account, request: Request, kind_name: str) -> Reply:
    """List by ascending id; ``after`` is the last id seen, so that records may come and go between pages."""
    kind = account.types.find(kind_name)
    limit = request.integer("limit", 10)
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"limit must be between 1 and {MAX_PAGE}, not {limit}")
    after = request.integer("after", 0)
    archived = request.flag("archived")
    rows = [
        record
        for record in account.records.by_type.get(kind.type_id, {}).values()
        if int(record.id) > after
        and (record.archived_ms is not None) == archived
        and record.merged_into is None
    ]
    rows.sort(key=lambda record: int(record.id))
    results = []
    for record in rows[:limit]:
        answer = views.show(
            account, kind, record, request.many("properties"), history=request.many("propertiesWithHistory")
        )
        views.add_associations(account, answer, kind, record, request.many("associations"))
        results.append(answer)
    body: Json = {"results": results}
    if len(rows) > limit:
        last = rows[limit - 1].id
        link = f"https://api.hubapi.com/crm/v3/objects/{kind.name}?limit={limit}&after={last}"
        body["paging"] = {"next": {"after": last, "link": link}}
    return Reply(200, body)


def create(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    record = create_one(account, kind, request.json(), account.api)
    return Reply(201, views.show_all(account, kind, record))


def update(account: Account, request: Request, kind_name: str, record_id: str) -> Reply:
    kind = account.types.find(kind_name)
    record = account.records.get(kind, record_id, request.one("idProperty"))
    properties = given_properties(request.json())
    account.records.update(kind, record, properties, account.api)
    return Reply(200, views.show(account, kind, record, properties))


def archive(account: Account, request: Request, kind_name: str, record_id: str) -> Reply:
    """Archive a record; asking again is fine, an id that never was is not."""
    kind = account.types.find(kind_name)
    record = account.records.find(kind, record_id)
    if record is None:
        account.records.get(kind, record_id)
    else:
        account.records.archive(kind, record, account.api)
    return Reply(204)


def merge(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    body = request.json()
    require(body, "primaryObjectId", "objectIdToMerge")
    primary = account.records.get(kind, str(body["primaryObjectId"]))
    other = account.records.get(kind, str(body["objectIdToMerge"]))
    result = account.records.merge(kind, primary, other, account.api)
    return Reply(200, views.show_all(account, kind, result))


def gdpr_delete(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    body = request.json()
    require(body, "objectId")
    record = account.records.get(kind, str(body["objectId"]), str(body.get("idProperty") or ""))
    account.records.purge(kind, record, account.api)
    return Reply(204)


def create_one(account: Account, kind: ObjectType, body: Json, origin: Origin) -> Record:
    """Create a record with its links; a link that cannot be made means that nothing is made."""
    wanted = given_links(account, kind, body.get("associations") or [])
    record = account.records.create(kind, given_properties(body), origin)
    for target, types in wanted:
        account.associations.link(record, target, types, origin)
    return record


def given_properties(body: Json) -> Json:
    require(body, "properties")
    properties = body["properties"]
    if not isinstance(properties, dict):
        raise invalid("Invalid input JSON: properties must be an object")
    return properties


def given_links(account: Account, kind: ObjectType, rows: list[Json]) -> Wanted:
    """Check the links of a create before anything is made; a type id implies the type of the other end."""
    wanted: Wanted = []
    for row in rows:
        require(row, "to", "types")
        types = [_link_type(account, kind, each) for each in row["types"]]
        if not types or len({each.target for each in types}) != 1:
            raise invalid("Each association needs types that lead to one object type")
        target = account.types[types[0].target]
        wanted.append((account.records.get(target, str(row["to"].get("id"))), types))
    return wanted


def _link_type(account: Account, kind: ObjectType, spec: Json) -> LinkType:
    category, type_id = spec.get("associationCategory"), spec.get("associationTypeId")
    for each in account.associations.types.values():
        if (each.source, each.category, each.type_id) == (kind.type_id, category, type_id):
            return each
    raise invalid(f"invalid association type: {category} {type_id} does not start at {kind.name}")
