"""How a record looks in an answer: which properties, which history, which links.

Unknown property names are ignored, known ones without a value are null, and without a list
only the defaults of the type return.
Source: developers.hubspot.com, "Object APIs", "Retrieve records"; the key "line items" with a
space and the second, unlabelled row of a primary link from public captures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.link_types import LinkType
from sync_workers.sandbox.hubspot.record import Record
from sync_workers.sandbox.hubspot.wire import Json, iso

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


def show(
    account: Account,
    kind: ObjectType,
    record: Record,
    names: Iterable[str] = (),
    *,
    history: Iterable[str] = (),
    values: dict[str, str] | None = None,
) -> Json:
    """Return a record with the asked properties beside the defaults; ``values`` overrides what is kept."""
    kept = record.values if values is None else values
    known = account.definitions.of(kind.type_id)
    wanted = dict.fromkeys(kind.defaults)
    wanted.update(dict.fromkeys(name for name in names if name in known))
    answer: Json = {
        "id": record.id,
        "properties": {name: kept.get(name) for name in sorted(wanted)},
        "createdAt": iso(record.created_ms),
        "updatedAt": iso(record.updated_ms),
        "archived": record.archived_ms is not None,
    }
    if record.archived_ms is not None:
        answer["archivedAt"] = iso(record.archived_ms)
    asked = [name for name in history if name in known]
    if asked:
        answer["propertiesWithHistory"] = {name: _history(record, name) for name in asked}
    return answer


def show_all(account: Account, kind: ObjectType, record: Record) -> Json:
    """Return a record with every value it has, as the answer to a create does."""
    return show(account, kind, record, record.values)


def add_associations(
    account: Account, answer: Json, kind: ObjectType, record: Record, wanted: list[str]
) -> None:
    """Put the links to the wanted types into an answer, in HubSpot's v3 shape; nothing linked, no key."""
    found: Json = {}
    for spelling in wanted:
        target = account.types.find(spelling)
        rows = account.associations.of(record, target)
        most = account.settings.inline_associations
        if not rows:
            continue
        listed = [
            {"id": other, "type": link_name(account, each)} for other, types in rows[:most] for each in types
        ]
        group: Json = {"results": listed}
        if len(rows) > most:
            after = rows[most - 1][0]
            link = f"/crm/v4/objects/{kind.name}/{record.id}/associations/{target.name}?after={after}"
            group["paging"] = {"next": {"after": after, "link": link}}
        found[target.spaced] = group
    if found:
        answer["associations"] = found


def link_name(account: Account, each: LinkType) -> str:
    """Name a link type as v3 does: deal_to_company, and deal_to_company_unlabeled where a primary exists."""
    pair = f"{account.types[each.source].singular}_to_{account.types[each.target].singular}"
    if each.label is not None:
        return pair if each.is_primary else each.label.lower().replace(" ", "_")
    has_primary = any(other.is_primary for other in account.associations.between(each.source, each.target))
    return f"{pair}_unlabeled" if has_primary else pair


def _history(record: Record, name: str) -> list[Json]:
    rows = []
    for row in record.history.get(name, []):
        shown: Json = {
            "value": row["value"],
            "timestamp": iso(row["at"]),
            "sourceType": row["source"],
            "sourceId": row["id"],
        }
        if row["user"] is not None:
            shown["updatedByUserId"] = row["user"]
        rows.append(shown)
    return rows
