"""The connector of HubSpot CRM.

Options: ``token`` (private app), or ``client_id``, ``client_secret`` and ``refresh_token`` (OAuth);
``app_id`` marks our own echoes; ``won_stages`` overrides the pipelines; ``developer_key`` lets doctor
look after subscriptions; ``time_zone`` of the account, for the daily limit; ``archived_pages``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sync_workers.connectors.bodies import parse_delivery
from sync_workers.connectors.budget import within
from sync_workers.connectors.contract import (
    NO_OBJECTS,
    Cursor,
    FieldType,
    Finding,
    Limits,
    Native,
    NativeWrite,
    Notice,
    Outcome,
    Page,
    Request,
    SystemSettings,
    Traits,
)
from sync_workers.connectors.http import Slot
from sync_workers.connectors.hubspot import batches, examination, polling, webhooks
from sync_workers.connectors.hubspot.deals import Deals
from sync_workers.connectors.hubspot.objects import ORDER_LINE, PropertiesInUse, object_of, traits_of
from sync_workers.connectors.hubspot.payloads import as_native, as_properties, linked_ids, load_events
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import Hold, PermanentError, Refused, SyncError, TransientError, Unsure

LIMITS = Limits(requests=100, window_s=10.0, in_flight=10)
"""100 per 10 s is the smallest of the documented bursts (private app, free and starter; OAuth 110);
search is limited apart, to 5 a second. Source: developers.hubspot.com, "API usage guidelines and limits"."""

STATUS = {Outcome.ACCEPTED: 202, Outcome.REFUSED: 401, Outcome.MALFORMED: 202, Outcome.TRY_LATER: 503}
"""HubSpot repeats any 4xx and 5xx up to ten times in a day, so malformed but genuine is accepted."""

ARCHIVED_PAGES = 10
UNIQUE_RECHECK = timedelta(minutes=10)


class HubspotConnector:
    """One HubSpot account."""

    parts = (ORDER_LINE,)

    def __init__(
        self,
        settings: SystemSettings,
        paths: Mapping[str, Sequence[str]],
        objects: Mapping[str, str] = NO_OBJECTS,
    ) -> None:
        self.system = settings.name
        self.platform = settings.platform
        self.limits = LIMITS if settings.limits == Limits() else settings.limits
        self._secret = settings.webhook_secret
        self._public_url = settings.public_url
        self._app_id = str(settings.options.get("app_id", ""))
        self._archived_pages = int(settings.options.get("archived_pages", ARCHIVED_PAGES))
        self._in_use = PropertiesInUse(paths)
        self._wire = Wire(settings)
        self._deals = Deals(self._wire, self._in_use)
        self._unique: dict[str, frozenset[str]] = {}

    def heed(self, slot: Slot) -> None:
        self._wire.http.slot = slot

    def traits(self, kind: str) -> Traits:
        return traits_of(kind)

    # -- deliveries

    def verify(self, request: Request) -> None:
        if not self._secret:
            raise Refused(
                f"{self.system} has no webhook_secret, so no delivery can be proven genuine",
                mend=f"set webhook_secret of [systems.{self.system}] to the app's client secret",
            )
        webhooks.verify(request, self._secret, self._public_url)

    def answer(self, outcome: Outcome) -> int:
        return STATUS[outcome]

    def events(self, request: Request) -> list[Notice]:
        return webhooks.notices_of(load_events(parse_delivery(request.body)), self._in_use, self._app_id)

    # -- reading

    def read(self, kind: str, external_id: str) -> Native | None:
        params = self._params(kind)
        path = f"/crm/v3/objects/{object_of(kind).name}/{quote(external_id, safe='')}"
        document = self._wire.get(path, params) or self._wire.get(path, {**params, "archived": "true"})
        return None if document is None else self._native(kind, document)

    def read_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        asked = list(dict.fromkeys(external_ids))
        rows = list(self._wire.read_batch(object_of(kind).name, asked, self._in_use.of(kind)))
        found = {native.id: native for native in self._natives(kind, rows)}
        # A merged id is answered under its new one, an archived one not at all: both are read singly.
        for each in asked:
            if each not in found and (native := self.read(kind, each)) is not None:
                found[each] = native
        return {each: found[each] for each in asked if each in found}

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        name = path.removeprefix("properties.")
        if name == path:
            raise PermanentError(f"{self.system}: {kind} can be found by its properties only, not by {path}")
        found = self._find_live(kind, name, value)
        known = {native.id for native in found}
        for row in polling.archived(self._wire, kind, [name, *self._in_use.of(kind)], self._archived_pages):
            if row["properties"].get(name) == value and str(row["id"]) not in known:
                found.append(self._native(kind, row))
        return found

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        """Search fifty values at a time: searches are few a second, and one list of the archived serves all."""
        name = path.removeprefix("properties.")
        if kind == "order" or name == path or name in self._unique_names(kind):
            return {value: self.find(kind, path, value) for value in values}
        properties = [name, *self._in_use.of(kind)]
        rows = polling.find_many(self._wire, kind, name, list(values), properties)
        rows += polling.archived(self._wire, kind, properties, self._archived_pages)
        found: dict[str, list[Native]] = {value: [] for value in values}
        for row in rows:
            if row["properties"].get(name) in found:
                found[row["properties"][name]].append(self._native(kind, row))
        return found

    def _find_live(self, kind: str, name: str, value: str) -> list[Native]:
        if name in self._unique_names(kind):
            # Reading by a unique value asks the record store, not the lagging index.
            path = f"/crm/v3/objects/{object_of(kind).name}/{quote(value, safe='')}"
            document = self._wire.get(path, {**self._params(kind), "idProperty": name})
            return [] if document is None else [self._native(kind, document)]
        rows = polling.find_live(self._wire, kind, name, value, list(self._in_use.of(kind)))
        if kind == "order":
            return list(self.read_many(kind, [str(row["id"]) for row in rows]).values())
        return self._natives(kind, rows)

    def _unique_names(self, kind: str) -> frozenset[str]:
        """Return the properties that take a value once; asked again until there is one."""
        known = self._unique.get(kind)
        if not known:
            fields = examination.describe(self._wire, kind)
            known = self._unique[kind] = frozenset(
                path.removeprefix("properties.")
                for path, field in fields.items()
                if field.unique and path.startswith("properties.")
            )
        return known

    def _hold_unless_unique(self, kind: str, name: str) -> None:
        """Our promise of T1 rests on the unique property: without it a create could be doubled."""
        if object_of(kind).unique and name not in self._unique_names(kind):
            raise Hold(
                "reference_not_unique",
                f"{self.system}: {name} of {object_of(kind).name} is missing or takes a value twice",
                mend="run doctor --fix, which creates it with unique values",
                recheck=UNIQUE_RECHECK,
            )

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        """Return the record that a part belongs to (the order of an order line), None when there is none."""
        if kind != ORDER_LINE:
            raise PermanentError(f"{self.system}: {kind} is no part of another kind")
        path = f"/crm/v3/objects/line_items/{quote(external_id, safe='')}"
        document = self._wire.get(path, {"associations": "deals"})
        deals, _ = linked_ids(document or {}, "deals")
        return ("order", deals[0]) if deals else None

    def changes(self, kind: str, cursor: Cursor) -> Page:
        return polling.changes(self._wire, kind, cursor)

    def ids(self, kind: str, after: str = "") -> list[str]:
        return polling.ids(self._wire, kind, after)

    # -- writing

    def write(self, write: NativeWrite) -> Native:
        with within(write.budget_s):
            return self._write(write)

    def _write(self, write: NativeWrite) -> Native:
        if write.action:
            if write.action != "note" or write.kind != "order" or write.id is None:
                raise PermanentError(f"{self.system}: HubSpot knows no action {write.action} on {write.kind}")
            self._deals.add_note(write)
            return self._read_back(write.kind, write.id)
        if write.id is None:
            return self._create(write)
        self._update(write, write.id)
        return self._read_back(write.kind, write.id)

    def _create(self, write: NativeWrite) -> Native:
        """Create by a plain POST: a unique reference refuses a second one, and an upsert would overwrite."""
        properties = as_properties(write.fields.get("properties") or {})
        if write.reference_path:
            name = write.reference_path.removeprefix("properties.")
            self._hold_unless_unique(write.kind, name)
            properties[name] = write.reference
        body: Json = {"properties": properties}
        if write.kind == "order":
            body["associations"] = self._deals.links_at_birth(write.fields)
        document = self._wire.post(
            f"/crm/v3/objects/{object_of(write.kind).name}", body, writes=True, budget_s=write.budget_s
        )
        record_id = str(document.get("id") or "")
        if not record_id:
            raise Unsure(f"{self.system}: the answer to a create of {write.kind} names no record")
        if write.kind == "order":
            self._deals.after_birth(record_id, write, write.budget_s)
        return self._read_back(write.kind, record_id)

    def _update(self, write: NativeWrite, record_id: str) -> None:
        properties = as_properties(write.fields.get("properties") or {})
        if properties:
            self._wire.call(
                "PATCH",
                f"/crm/v3/objects/{object_of(write.kind).name}/{quote(record_id, safe='')}",
                json={"properties": properties},
                writes=True,
                budget_s=write.budget_s,
            )
        if write.kind == "order":
            self._deals.write_links(record_id, write.fields, write.budget_s)
            if "line_items" in write.fields:
                self._deals.write_lines(record_id, write.fields["line_items"], write.budget_s)

    def _read_back(self, kind: str, record_id: str) -> Native:
        """An answer to a write shows little more than what was sent: the whole record needs a read."""
        try:
            native = self.read(kind, record_id)
        except SyncError as error:
            raise Unsure(f"{self.system}: {kind} {record_id} was written, not read back: {error}") from error
        if native is None:
            raise Unsure(f"{self.system}: {kind} {record_id} was written and cannot be read")
        return native

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        if not writes:
            return []
        if writes[0].kind == "order" or any(write.action for write in writes):
            return [self._one(write) for write in writes]
        with within(max(write.budget_s for write in writes)):
            return batches.write_many(self._wire, writes, self._in_use.of(writes[0].kind))

    def _one(self, write: NativeWrite) -> Native | SyncError:
        try:
            return self.write(write)
        except SyncError as error:
            return error

    # -- metadata

    def describe(self, kind: str) -> dict[str, FieldType]:
        return examination.describe(self._wire, kind)

    def examine(self, paths: Mapping[str, Sequence[str]], *, fix: bool = False) -> list[Finding]:
        findings = examination.examine(self._wire, paths, self._public_url, fix=fix)
        self._unique.clear()
        return findings

    # -- shapes

    def _params(self, kind: str) -> dict[str, Any]:
        params: dict[str, Any] = {"properties": ",".join(self._in_use.of(kind))}
        if kind == "order":
            params["associations"] = "companies,line_items"
        return params

    def _natives(self, kind: str, documents: Sequence[Json]) -> list[Native]:
        """Return records of a batch read or a search."""
        if kind != "order":
            return [self._native(kind, document) for document in documents]
        try:
            natives = [as_native(document) for document in documents]
            fields = self._deals.complete_many(documents)
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(f"{self.system}: {kind} came back in another shape: {error}") from None
        return [replace(native, fields=each) for native, each in zip(natives, fields, strict=True)]

    def _native(self, kind: str, document: Json) -> Native:
        try:
            native = as_native(document)
            return replace(native, fields=self._deals.complete(document)) if kind == "order" else native
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError(f"{self.system}: {kind} came back in another shape: {error}") from None
