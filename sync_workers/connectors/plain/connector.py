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
from sync_workers.connectors.http import Http, Slot
from sync_workers.connectors.plain import metadata
from sync_workers.connectors.plain.payloads import load_events, native_of, path_of
from sync_workers.connectors.plain.refusals import sort
from sync_workers.connectors.plain.signatures import verify
from sync_workers.connectors.plain.writing import Writing
from sync_workers.connectors.positions import Step, follow
from sync_workers.errors import PermanentError, Refused, SyncError, TransientError

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
        self._writing = Writing(self.http, self.read)
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
        return native_of(self.system, reply.json, writes=False) if reply.status == 200 else None

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
            return self._writing.write(write)

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        return self._writing.write_many(writes) if writes else []

    # -- metadata

    def describe(self, kind: str) -> dict[str, FieldType]:
        return metadata.describe(self.http, kind)

    def examine(
        self, paths: Mapping[str, Sequence[str]], *, fix: bool = False, types: Types = NO_TYPES
    ) -> list[Finding]:
        return metadata.examine(self.http, paths, fix=fix)

    # -- the wire

    def _get(self, kind: str, params: Mapping[str, str | int]) -> dict[str, Any]:
        document = self.http.call("GET", path_of(kind), params=params, writes=False).json
        if not isinstance(document, dict):
            raise TransientError(f"{self.system}: a list of {kind} came back in another shape")
        return document

    def _natives(self, document: dict[str, Any]) -> list[Native]:
        return [native_of(self.system, each, writes=False) for each in document.get("records", ())]
