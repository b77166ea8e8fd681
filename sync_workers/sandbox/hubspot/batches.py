"""The batch half of the objects API: up to 100 records per call, with an error per row.

A clean batch answers 200 or 201, a mixed one 207. A create fails as a whole unless every row
carries an ``objectWriteTraceId``.
Source: developers.hubspot.com, "Object APIs", "Batch"; "Error handling", "Multi-status errors".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import objects, views
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.wire import Json, Refusal, Reply, Request, invalid, iso, not_found, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_INPUTS = 100


def read(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    body = request.json()
    archived = request.flag("archived")
    id_property = str(body.get("idProperty") or "")
    results, missing = {}, []
    for row in request.inputs(MAX_INPUTS):
        require(row, "id")
        record = account.records.find(kind, str(row["id"]), id_property)
        if record is None or (record.archived_ms is not None) != archived:
            missing.append(str(row["id"]))
        else:
            names, history = body.get("properties") or [], body.get("propertiesWithHistory") or []
            results[record.id] = views.show(account, kind, record, names, history=history)
    errors = []
    if missing:
        text = (
            f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        errors = [not_found(text, {"ids": missing}).row()]
    return answer(account, 200, list(results.values()), errors)


def create(account: Account, request: Request, kind_name: str) -> Reply:
    """Create up to 100 records: row by row when all are traced, otherwise all or none."""
    kind = account.types.find(kind_name)
    rows = request.inputs(MAX_INPUTS)
    traced = bool(rows) and all(row.get("objectWriteTraceId") for row in rows)
    if not traced:
        _check_all(account, kind, rows)

    def one(row: Json) -> Json:
        return views.show_all(account, kind, objects.create_one(account, kind, row, account.api))

    return _each(account, 201, rows, one)


def update(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    rows = request.inputs(MAX_INPUTS)
    _refuse_repeats(rows)

    def one(row: Json) -> Json:
        require(row, "id")
        record = account.records.get(kind, str(row["id"]), str(row.get("idProperty") or ""))
        properties = objects.given_properties(row)
        account.records.update(kind, record, properties, account.api)
        return views.show(account, kind, record, properties)

    return _each(account, 200, rows, one)


def upsert(account: Account, request: Request, kind_name: str) -> Reply:
    """Create or update by a unique value: ``id`` holds the value, ``idProperty`` names its property."""
    kind = account.types.find(kind_name)
    rows = request.inputs(MAX_INPUTS)
    _refuse_repeats(rows)

    def one(row: Json) -> Json:
        require(row, "id")
        value, name = (
            str(row["id"]),
            str(row.get("idProperty") or ("email" if kind.name == "contacts" else "")),
        )
        properties = objects.given_properties(row)
        record = account.records.find(kind, value, name)
        is_new = record is None
        if record is not None and record.archived_ms is None:
            account.records.update(kind, record, properties, account.api)
        elif name and name != "hs_object_id":
            record, is_new = account.records.create(kind, {**properties, name: value}, account.api), True
        else:
            raise not_found(context={"ids": [value]})
        return {**views.show_all(account, kind, record), "new": is_new}

    return _each(account, 200, rows, one)


def archive(account: Account, request: Request, kind_name: str) -> Reply:
    """Archive many; ids that are not there are passed over."""
    kind = account.types.find(kind_name)
    for row in request.inputs(MAX_INPUTS):
        require(row, "id")
        record = account.records.find(kind, str(row["id"]))
        if record is not None:
            account.records.archive(kind, record, account.api)
    return Reply(204)


def answer(account: Account, clean: int, results: list[Json], errors: list[Json]) -> Reply:
    """Return the envelope of every batch answer."""
    now = iso(account.now_ms())
    body: Json = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Reply(207 if errors else clean, body)


def _each(account: Account, clean: int, rows: list[Json], work: Callable[[Json], Json]) -> Reply:
    results, errors = [], []
    for row in rows:
        trace = row.get("objectWriteTraceId")
        try:
            result = work(row)
        except Refusal as refusal:
            errors.append(refusal.row(trace))
            continue
        if trace is not None:
            result["objectWriteTraceId"] = trace
        results.append(result)
    return answer(account, clean, results, errors)


def _check_all(account: Account, kind: ObjectType, rows: list[Json]) -> None:
    """Refuse an untraced batch create whole when any row is bad, or two rows claim one unique value."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        objects.given_links(account, kind, row.get("associations") or [])
        values = account.records.check(kind, objects.given_properties(row))
        for name in account.definitions.unique_names(kind.type_id):
            if values.get(name) and (name, values[name]) in seen:
                raise invalid(f"Duplicate values found in batch input: property {name}, value {values[name]}")
            seen.add((name, values.get(name, "")))


def _refuse_repeats(rows: list[Json]) -> None:
    ids = [(str(row.get("id")), row.get("idProperty")) for row in rows]
    repeated = sorted({each[0] for each in ids if ids.count(each) > 1})
    if repeated:
        raise invalid(f"Duplicate IDs found in batch input: {repeated}. IDs must be unique")
