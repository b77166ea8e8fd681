"""The connector of plain: JSON over HTTP, records of any kind, every variant of protocol section 7.

How the server behaves (unique references, lagging look-ups, version counters) is told to the
connector by the system's options, as a person would copy it from a platform's documentation:

``token``; ``client`` (our name in the server's change log); ``variant`` T1..T4; ``find_lag_s``;
``busy_after_s``; ``counts_versions``; ``preconditions``; ``batch``; ``serial``; ``returns_whole``;
``overlap_s`` (longest transaction there); ``page``; ``kinds``: a table of the same per kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from sync_workers.connectors.bodies import parse_delivery
from sync_workers.connectors.budget import within
from sync_workers.connectors.contract import (
    NO_OBJECTS,
    NO_TYPES,
    Cursor,
    FieldType,
    Finding,
    Native,
    NativeWrite,
    Notice,
    Outcome,
    Page,
    Request,
    SystemSettings,
    Traits,
    Types,
    Variant,
)
from sync_workers.connectors.http import Http, Reply, Slot
from sync_workers.connectors.plain.payloads import as_json, as_native, load_events, path_of, put
from sync_workers.connectors.plain.refusals import sort
from sync_workers.connectors.plain.signatures import verify
from sync_workers.connectors.positions import Step, follow
from sync_workers.errors import PermanentError, Refused, SyncError, TransientError, Unsure

STATUS = {Outcome.ACCEPTED: 202, Outcome.REFUSED: 401, Outcome.MALFORMED: 202, Outcome.TRY_LATER: 503}
CLIENT = "sync-workers"
PAGE = 200


class PlainConnector:
    """One plain system. Holds no state but its kept connections."""

    parts: tuple[str, ...] = ()

    def __init__(
        self,
        settings: SystemSettings,
        paths: Mapping[str, Sequence[str]],
        objects: Mapping[str, str] = NO_OBJECTS,
    ) -> None:
        self.system = settings.name
        self.platform = settings.platform
        self.limits = settings.limits
        self._options = settings.options
        self._secret = settings.webhook_secret
        self._client = str(settings.options.get("client", CLIENT))
        self._page = int(settings.options.get("page", PAGE))
        self._overlap = timedelta(seconds=float(settings.options.get("overlap_s", 2)))
        token = settings.options.get("token")
        headers = {"X-Plain-Client": self._client}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.http = Http(
            settings.name,
            settings.base_url,
            headers=headers,
            secrets=[token, settings.webhook_secret],
            sort=lambda reply, writes: sort(reply, settings.name),
            ca_file=settings.options.get("ca_file"),
            proxy=settings.options.get("proxy"),
        )
        self._traits: dict[str, Traits] = {}

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        raise PermanentError(f"{self.system}: {kind} is no part of another kind")

    def heed(self, slot: Slot) -> None:
        self.http.slot = slot

    def traits(self, kind: str) -> Traits:
        known = self._traits.get(kind)
        if known is None:
            known = self._traits[kind] = self._read_traits(kind)
        return known

    def _read_traits(self, kind: str) -> Traits:
        options: dict[str, Any] = {**self._options, **self._options.get("kinds", {}).get(kind, {})}
        return Traits(
            variant=Variant[str(options.get("variant", "T2"))],
            find_lag=timedelta(seconds=float(options.get("find_lag_s", 0))),
            busy_after=timedelta(seconds=float(options.get("busy_after_s", 0))),
            counts_versions=bool(options.get("counts_versions", False)),
            preconditions=bool(options.get("preconditions", False)),
            batch=int(options.get("batch", 100)),
            serial=tuple(options.get("serial", ())),
            returns_whole=bool(options.get("returns_whole", True)),
            unites=bool(options.get("unites", False)),
        )

    # -- deliveries

    def verify(self, request: Request) -> None:
        if not self._secret:
            raise Refused(
                f"{self.system} has no webhook_secret, so no delivery can be proven genuine",
                mend=f"set webhook_secret of [systems.{self.system}]",
            )
        verify(self._secret, request)

    def answer(self, outcome: Outcome) -> int:
        return STATUS[outcome]

    def events(self, request: Request) -> list[Notice]:
        notices = []
        for event in load_events(parse_delivery(request.body)):
            record = event["record"]
            notices.append(
                Notice(
                    kind=event["kind"],
                    external_id=event["record_id"],
                    key=event["id"],
                    echo=event["by"] == self._client,
                    version=str(event["version"]),
                    payload=record["fields"] if record and not record.get("archived") else None,
                    same_as=tuple(event["same_as"]),
                )
            )
        return notices

    # -- reading

    def read(self, kind: str, external_id: str) -> Native | None:
        reply = self.http.call("GET", path_of(kind, external_id), writes=False, accept=(404,))
        return self._native(reply.json, writes=False) if reply.status == 200 else None

    def read_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        found: dict[str, Native] = {}
        for start in range(0, len(external_ids), self._page):
            asked = external_ids[start : start + self._page]
            document = self._get(kind, {"ids": ",".join(asked)})
            found.update({native.id: native for native in self._natives(document)})
        return found

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        return self._natives(self._get(kind, {"path": path, "value": value}))

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        return {value: self.find(kind, path, value) for value in values}

    def changes(self, kind: str, cursor: Cursor) -> Page:
        """Page by (stamp, id); the cursor stays ``overlap_s`` behind the server's own clock (Q3)."""
        return follow(lambda position: self._step(kind, position), cursor, self._overlap)

    def _step(self, kind: str, position: Cursor) -> Step:
        params: dict[str, str | int] = {"limit": self._page, "order": "changed"}
        if position.at is not None:
            params["since"] = position.at.isoformat()
            if position.id:
                params["after"] = position.id
        document = self._get(kind, params)
        natives = self._natives(document)
        now = datetime.fromisoformat(document["now"]).astimezone(UTC)
        notices = [Notice(kind, native.id, version=native.version) for native in natives]
        if not natives:
            return Step(notices, now, None, position, None)
        end = Cursor(natives[-1].changed_at, natives[-1].id)
        return Step(notices, now, end.at, end, end if len(natives) == self._page else None)

    def ids(self, kind: str, after: str = "") -> list[str]:
        document = self._get(kind, {"order": "id", "after": after, "limit": self._page, "only": "id"})
        return [str(each) for each in document["ids"]]

    # -- writing

    def write(self, write: NativeWrite) -> Native:
        with within(write.budget_s):
            return self._write(write)

    def _write(self, write: NativeWrite) -> Native:
        headers = {"If-Match": write.version} if write.version is not None else None
        if write.action:
            path = f"{path_of(write.kind, write.id or '')}/actions/{quote(write.action)}"
            body = as_json(write.fields)
            reply = self.http.call(
                "POST", path, json=body, headers=headers, budget_s=write.budget_s, writes=True
            )
        elif write.id is None:
            reply = self.http.call(
                "POST", path_of(write.kind), json=self._creation(write), budget_s=write.budget_s, writes=True
            )
        else:
            reply = self.http.call(
                "PATCH",
                path_of(write.kind, write.id),
                json={"fields": as_json(write.fields)},
                headers=headers,
                budget_s=write.budget_s,
                writes=True,
            )
        return self._stored(write.kind, reply.json)

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        if not writes:
            return []
        kind = writes[0].kind
        rows = []
        for write in writes:
            row = (
                self._creation(write)
                if write.id is None
                else {"fields": as_json(write.fields), "id": write.id}
            )
            if write.version is not None:
                row["version"] = write.version
            rows.append(row)
        reply = self.http.call(
            "POST",
            f"{path_of(kind)}/batch",
            json={"writes": rows},
            budget_s=max(write.budget_s for write in writes),
            writes=True,
        )
        results = reply.json.get("results") if isinstance(reply.json, dict) else None
        if not isinstance(results, list) or len(results) != len(writes):
            raise Unsure(f"{self.system}: the answer to a batch of {len(writes)} {kind} has another length")
        return [self._row(kind, row) for row in results]

    def _row(self, kind: str, row: dict[str, Any]) -> Native | SyncError:
        if row["status"] < 300:
            return self._stored(kind, row["record"])
        reply = Reply(row["status"], {}, b"", 0.0, row)
        error = sort(reply, self.system)
        return error or PermanentError(
            f"{self.system}: {kind}: HTTP {row['status']}: {row.get('message', '')}"
        )

    def _creation(self, write: NativeWrite) -> dict[str, Any]:
        fields = as_json(write.fields)
        if write.reference_path:
            put(fields, write.reference_path, write.reference)
        return {"fields": fields, "reference_path": write.reference_path}

    def _stored(self, kind: str, document: Any) -> Native:
        """Return the record of a write's answer; a thin answer is followed by a read."""
        if isinstance(document, dict) and "fields" in document:
            return self._native(document, writes=True)
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            raise Unsure(f"{self.system}: the answer to a write of {kind} names no record")
        try:
            native = self.read(kind, document["id"])
        except SyncError as error:
            raise Unsure(
                f"{self.system}: {kind} {document['id']} was written, not read back: {error}", outage=error.outage
            ) from error
        if native is None:
            raise Unsure(f"{self.system}: {kind} {document['id']} was written and cannot be read")
        return native

    # -- metadata

    def describe(self, kind: str) -> dict[str, FieldType]:
        reply = self.http.call("GET", f"/_meta/{quote(kind)}", writes=False)
        return {
            path: FieldType(
                type=str(each["type"]),
                required=bool(each.get("required")),
                read_only=bool(each.get("read_only")),
                unique=bool(each.get("unique")),
                choices=tuple(each.get("choices", ())),
            )
            for path, each in reply.json["fields"].items()
        }

    def examine(
        self, paths: Mapping[str, Sequence[str]], *, fix: bool = False, types: Types = NO_TYPES
    ) -> list[Finding]:
        try:
            reply = self.http.call("GET", "/_meta", writes=False)
        except SyncError as error:
            return [Finding(f"{self.system} answers", ok=False, mend=error.mend or error.message)]
        findings = [Finding(f"{self.system} answers", ok=True)]
        for kind, used in sorted(paths.items()):
            if fix:
                self.http.call("POST", f"/_meta/{quote(kind)}", json={"fields": list(used)}, writes=True)
            known = self.describe(kind)
            for path in used:
                ok = path in known or reply.json.get("open", False)
                mend = "" if ok else f"add the field {path} to {kind} of {self.system}"
                findings.append(Finding(f"{kind}.{path} exists", ok=ok, mend=mend, fix="" if ok else path))
        return findings

    # -- the wire

    def _get(self, kind: str, params: Mapping[str, str | int]) -> dict[str, Any]:
        document = self.http.call("GET", path_of(kind), params=params, writes=False).json
        if not isinstance(document, dict):
            raise TransientError(f"{self.system}: a list of {kind} came back in another shape")
        return document

    def _natives(self, document: dict[str, Any]) -> list[Native]:
        return [self._native(each, writes=False) for each in document.get("records", ())]

    def _native(self, document: Any, *, writes: bool) -> Native:
        try:
            return as_native(document)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{self.system}: a record came back in another shape: {type(error).__name__}: {error}"
            raise Unsure(message) if writes else TransientError(message) from None
