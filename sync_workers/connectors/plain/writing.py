"""Writes to plain: one record or a batch of them, and the record as it was stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.http import Http, Reply
from sync_workers.connectors.plain.payloads import as_json, native_of, path_of, put
from sync_workers.connectors.plain.refusals import sort
from sync_workers.errors import PermanentError, SyncError, Unsure


class Writing:
    """``read`` is asked where an answer does not carry the record."""

    def __init__(self, http: Http, read: Callable[[str, str], Native | None]) -> None:
        self._http = http
        self._system = http.system
        self._read = read

    def write(self, write: NativeWrite) -> Native:
        """Create, change or act on one record."""
        headers = {"If-Match": write.version} if write.version is not None else None
        if write.action:
            path = f"{path_of(write.kind, write.id or '')}/actions/{quote(write.action)}"
            body = as_json(write.fields)
            reply = self._http.call(
                "POST", path, json=body, headers=headers, budget_s=write.budget_s, writes=True
            )
        elif write.id is None:
            reply = self._http.call(
                "POST", path_of(write.kind), json=_creation(write), budget_s=write.budget_s, writes=True
            )
        else:
            reply = self._http.call(
                "PATCH",
                path_of(write.kind, write.id),
                json={"fields": as_json(write.fields)},
                headers=headers,
                budget_s=write.budget_s,
                writes=True,
            )
        return self._stored(write.kind, reply.json)

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        """Make all of these writes of one kind in one call; each is stored or refused by itself."""
        kind = writes[0].kind
        rows = []
        for write in writes:
            row = _creation(write) if write.id is None else {"fields": as_json(write.fields), "id": write.id}
            if write.version is not None:
                row["version"] = write.version
            rows.append(row)
        reply = self._http.call(
            "POST",
            f"{path_of(kind)}/batch",
            json={"writes": rows},
            budget_s=max(write.budget_s for write in writes),
            writes=True,
        )
        results = reply.json.get("results") if isinstance(reply.json, dict) else None
        if not isinstance(results, list) or len(results) != len(writes):
            raise Unsure(f"{self._system}: the answer to a batch of {len(writes)} {kind} has another length")
        return [self._row(kind, row) for row in results]

    def _row(self, kind: str, row: dict[str, Any]) -> Native | SyncError:
        if row["status"] < 300:
            return self._stored(kind, row["record"])
        reply = Reply(row["status"], {}, b"", 0.0, row)
        error = sort(reply, self._system)
        return error or PermanentError(
            f"{self._system}: {kind}: HTTP {row['status']}: {row.get('message', '')}"
        )

    def _stored(self, kind: str, document: Any) -> Native:
        """Return the record of a write's answer; a thin answer is followed by a read."""
        if isinstance(document, dict) and "fields" in document:
            return native_of(self._system, document, writes=True)
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            raise Unsure(f"{self._system}: the answer to a write of {kind} names no record")
        what = f"{self._system}: {kind} {document['id']}"
        try:
            native = self._read(kind, document["id"])
        except SyncError as error:
            raise Unsure(f"{what} was written, not read back: {error}", outage=error.outage) from error
        if native is None:
            raise Unsure(f"{what} was written and cannot be read")
        return native


def _creation(write: NativeWrite) -> dict[str, Any]:
    fields = as_json(write.fields)
    if write.reference_path:
        put(fields, write.reference_path, write.reference)
    return {"fields": fields, "reference_path": write.reference_path}
