"""What each request to a plain server means: its kind, its operation, its answer.

``/{kind}`` and ``/{kind}/{id}`` hold records, ``/_meta`` the metadata. The controls under
``/_sandbox`` belong to ``controls``.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from sync_workers.sandbox.plain.nesting import Json, look
from sync_workers.sandbox.plain.rules import Record, Refusal
from sync_workers.sandbox.plain.store import Store
from sync_workers.sandbox.plain.wire import Answer, Call, answer

MOST = 1000


class Route:
    """One request, taken apart. ``op`` is what faults and the log call it."""

    __slots__ = ("call", "extra", "kind", "op", "query", "record_id")

    def __init__(self, call: Call) -> None:
        path, _, query = call.target.partition("?")
        parts = path.strip("/").split("/")
        self.call = call
        self.kind = unquote(parts[0])
        self.record_id = unquote(parts[1]) if len(parts) > 1 else ""
        self.extra = parts[2:]
        self.query = parse_qs(query, keep_blank_values=True) if query else {}
        self.op = self._op()

    def _op(self) -> str:
        if self.kind.startswith("_"):
            return self.kind[1:]
        if self.call.method == "GET":
            return "read" if self.record_id else "list"
        if self.call.method == "PATCH":
            return "update"
        if self.record_id == "batch":
            return "batch"
        return "action" if self.extra[:1] == ["actions"] else "create"

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


def run(store: Store, route: Route) -> Answer:
    """Do what the request asks and answer it; a Refusal becomes its own status."""
    try:
        return _run(store, route)
    except Refusal as refusal:
        return answer(refusal.status, refusal.body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return answer(400, {"error": "unreadable", "message": f"{type(error).__name__}: {error}"})


def _run(store: Store, route: Route) -> Answer:
    call = route.call
    by = call.headers.get("x-plain-client", "unknown")
    version = call.headers.get("if-match")
    if route.op == "meta":
        return _metadata(store, route)
    if route.op == "read":
        return answer(200, store.get(route.kind, route.record_id).dump())
    if route.op == "list":
        return _list(store, route)
    document = json.loads(call.body)
    if route.op == "create":
        path = document.get("reference_path", "")
        return _stored(store, 201, store.create(route.kind, document["fields"], by=by, reference_path=path))
    if route.op == "update":
        record = store.update(route.kind, route.record_id, document["fields"], by=by, version=version)
        return _stored(store, 200, record)
    if route.op == "action":
        action = unquote(route.extra[1])
        record = store.act(route.kind, route.record_id, action, document, by=by, version=version)
        return _stored(store, 200, record)
    if route.op == "batch":
        return answer(200, {"results": [_one(store, route.kind, row, by) for row in document["writes"]]})
    return answer(405, {"error": "method", "message": f"{call.method} is not allowed here"})


def _one(store: Store, kind: str, row: Json, by: str) -> Json:
    try:
        if row.get("id") is None:
            record = store.create(kind, row["fields"], by=by, reference_path=row.get("reference_path", ""))
        else:
            record = store.update(kind, row["id"], row["fields"], by=by, version=row.get("version"))
    except Refusal as refusal:
        return {"status": refusal.status, **refusal.body}
    return {"status": 200, "record": record.dump()}


def _stored(store: Store, status: int, record: Record) -> Answer:
    if store.rule(record.kind).thin:
        return answer(status, {"id": record.id, "version": record.version})
    return answer(status, record.dump())


def _list(store: Store, route: Route) -> Answer:
    limit = min(int(route.one("limit", str(MOST))), MOST)
    if "ids" in route.query:
        records = []
        for record_id in route.one("ids").split(","):
            try:
                records.append(store.get(route.kind, record_id))
            except Refusal:
                continue
    elif "path" in route.query:
        records = store.find(route.kind, route.one("path"), route.one("value"))
    elif route.one("order") == "changed":
        since = datetime.fromisoformat(route.one("since")).timestamp() if "since" in route.query else None
        # Without an id the whole stamp is asked for again, with one only what comes after it.
        records = store.changes(route.kind, since, route.one("after"), limit)
    else:
        return answer(200, {"ids": store.ids(route.kind, route.one("after"), limit)})
    now = datetime.fromtimestamp(store.clock(), UTC).isoformat()
    return answer(200, {"records": [record.dump() for record in records], "now": now})


def _metadata(store: Store, route: Route) -> Answer:
    kind = route.record_id
    if not kind:
        return answer(200, {"kinds": sorted(store.rules), "open": True})
    rules = store.rule(kind)
    if route.call.method == "POST":
        for path in json.loads(route.call.body)["fields"]:
            if path not in store.types(kind):
                rules.types[path] = {"type": "any"}
            if rules.known is not None and path not in rules.known:
                rules.known = (*rules.known, path)
    return answer(200, {"fields": store.types(kind)})


def duplicates(store: Store, kind: str, path: str) -> dict[str, int]:
    """Return every value at ``path`` that more than one live record has: what L2 forbids."""
    counted: Counter[Any] = Counter(look(record.fields, path) for record in store.all(kind))
    return {str(value): count for value, count in counted.items() if value not in (None, "") and count > 1}
