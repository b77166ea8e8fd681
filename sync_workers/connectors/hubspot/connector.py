"""The connector of HubSpot CRM.

Options: ``token`` (private app), or ``client_id``, ``client_secret`` and ``refresh_token`` (OAuth);
``app_id`` marks our own echoes; ``won_stages`` overrides the pipelines; ``developer_key`` lets doctor
look after subscriptions; ``time_zone`` of the account, for the daily limit; ``archived_pages``;
``addresses = "own"`` where companies have no addresses but their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from sync_workers.connectors.bodies import parse_delivery
from sync_workers.connectors.budget import within
from sync_workers.connectors.contract import (
    NO_OBJECTS,
    NO_TYPES,
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
    Types,
)
from sync_workers.connectors.http import Slot
from sync_workers.connectors.hubspot import batches, description, polling, webhooks
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.examination import Examination
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.lookups import Lookups
from sync_workers.connectors.hubspot.notes import Notes
from sync_workers.connectors.hubspot.objects import traits_of
from sync_workers.connectors.hubspot.payloads import load_events
from sync_workers.connectors.hubspot.pointers import PARTS, Pointers
from sync_workers.connectors.hubspot.polling import Source
from sync_workers.connectors.hubspot.schemas import Schemas
from sync_workers.connectors.hubspot.wholes import Prepared, Wholes
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError, Refused, SyncError, Unsure

LIMITS = Limits(requests=100, window_s=10.0, in_flight=10)
"""100 per 10 s is the smallest of the documented bursts (private app, free and starter; OAuth 110);
search is limited apart, to 5 a second. Source: developers.hubspot.com, "API usage guidelines and limits"."""

STATUS = {Outcome.ACCEPTED: 202, Outcome.REFUSED: 401, Outcome.MALFORMED: 202, Outcome.TRY_LATER: 503}
"""HubSpot repeats any 4xx and 5xx up to ten times in a day, so malformed but genuine is accepted."""

NOTE = "note"
OWN = "own"


class HubspotConnector:
    """One HubSpot account."""

    parts = PARTS

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
        self._wire = Wire(settings)
        self._schemas = Schemas(self._wire)
        own = settings.options.get("addresses") == OWN
        self._homes = Homes(settings.name, objects, self._schemas, own_addresses=own)
        self._in_use = PropertiesInUse(paths, self._homes)
        self._links = Associations(self._wire)
        self._wholes = Wholes(self._wire, self._homes, self._in_use, self._links)
        self._lookups = Lookups(self._wire, self._homes, self._in_use, self._wholes)
        self._pointers = Pointers(self._wire, self._homes, self._links)
        self._notes = Notes(self._wire, self._links)

    def heed(self, slot: Slot) -> None:
        self._wire.http.slot = slot

    def traits(self, kind: str) -> Traits:
        return traits_of(kind, unique=self._homes.is_unique(kind))

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

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        return self._pointers.parent_of(kind, external_id)

    # -- reading

    def read(self, kind: str, external_id: str) -> Native | None:
        return self._lookups.read(kind, external_id)

    def read_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        asked = list(dict.fromkeys(external_ids))
        found = self._lookups.read_live(kind, asked)
        # A merged id is answered under its new one, an archived one not at all: both are read singly.
        for each in asked:
            if each not in found and (native := self.read(kind, each)) is not None:
                found[each] = native
        return {each: found[each] for each in asked if each in found}

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        return self._lookups.find(kind, path, value)

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        return self._lookups.find_many(kind, path, values)

    def changes(self, kind: str, cursor: Cursor) -> Page:
        """Return the next changes; those of a customer's address records are changes of the customer."""
        sources = [Source(self._homes.of(kind))]
        place = self._homes.addresses() if kind == "customer" and self._in_use.uses(kind, "addresses") else None
        if place is not None:
            sources.append(Source(place, lambda ids: self._pointers.companies_of(place, ids)))
        return polling.changes(self._wire, kind, sources, cursor)

    def ids(self, kind: str, after: str = "") -> list[str]:
        return polling.ids(self._wire, self._homes.of(kind), after)

    # -- writing

    def write(self, write: NativeWrite) -> Native:
        with within(write.budget_s):
            return self._write(write)

    def _write(self, write: NativeWrite) -> Native:
        if write.action:
            if write.action != NOTE or write.id is None or not self.traits(write.kind).notes:
                raise PermanentError(f"{self.system}: HubSpot knows no action {write.action} on {write.kind}")
            if not write.note:
                raise PermanentError(f"{self.system}: a note on {write.kind} {write.id} needs a text")
            self._notes.leave(write.id, write.note, write.budget_s)
            return self._read_back(write.kind, write.id)
        prepared = self._wholes.prepare(write)
        if write.id is None:
            return self._create(write, prepared)
        if write.note and self.traits(write.kind).notes:
            self._notes.leave(write.id, write.note, write.budget_s)  # before the change that it explains
        implied = self._update(write, write.id, prepared)
        return self._read_back(write.kind, write.id, implied)

    def _create(self, write: NativeWrite, prepared: Prepared) -> Native:
        """Create by a plain POST: a unique reference refuses a second one, and an upsert would overwrite."""
        self._lookups.hold_unless_unique(write.kind, write.reference_path)
        path = f"/crm/v3/objects/{self._homes.of(write.kind).path}"
        document = self._wire.post(path, prepared.body, writes=True, budget_s=write.budget_s)
        record_id = str(document.get("id") or "")
        if not record_id:
            raise Unsure(f"{self.system}: the answer to a create of {write.kind} names no record")
        implied = self._wholes.finish(record_id, write, prepared)
        return self._read_back(write.kind, record_id, implied)

    def _update(self, write: NativeWrite, record_id: str, prepared: Prepared) -> frozenset[str]:
        if prepared.body["properties"]:
            self._wire.call(
                "PATCH",
                f"/crm/v3/objects/{self._homes.of(write.kind).path}/{quote(record_id, safe='')}",
                json=prepared.body,
                writes=True,
                budget_s=write.budget_s,
            )
        return self._wholes.finish(record_id, write, prepared)

    def _read_back(self, kind: str, record_id: str, implied: frozenset[str] = frozenset()) -> Native:
        """An answer to a write shows little more than what was sent: the whole record needs a read."""
        try:
            native = self.read(kind, record_id)
        except SyncError as error:
            said = f"{self.system}: {kind} {record_id} was written, not read back: {error}"
            raise Unsure(said, outage=error.outage) from error
        if native is None:
            raise Unsure(f"{self.system}: {kind} {record_id} was written and cannot be read")
        return replace(native, implied=implied) if implied else native

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        """Store what has nothing beside its properties in a few calls, and the rest one by one."""
        ready = [self._prepared(write) for write in writes]
        rows: dict[int, Json] = {
            at: {**each.body, **({"id": writes[at].id} if writes[at].id else {})}
            for at, each in enumerate(ready)
            if isinstance(each, Prepared) and not (each.beside or writes[at].action or writes[at].note)
        }
        results = dict(zip(rows, self._write_rows(writes, list(rows.values())), strict=True))
        for at, each in enumerate(ready):
            if at not in results:
                results[at] = each if isinstance(each, SyncError) else self._one(writes[at])
        return [results[at] for at in range(len(writes))]

    def _write_rows(self, writes: Sequence[NativeWrite], rows: Sequence[Json]) -> list[Native | SyncError]:
        if not rows:
            return []
        kind, budget_s = writes[0].kind, max(write.budget_s for write in writes)
        with within(budget_s):
            return batches.write_many(
                self._wire,
                self._homes.of(kind),
                rows,
                lambda ids: self._lookups.read_live(kind, ids),
                budget_s,
            )

    def _prepared(self, write: NativeWrite) -> Prepared | SyncError:
        try:
            if write.id is None:
                self._lookups.hold_unless_unique(write.kind, write.reference_path)
            return self._wholes.prepare(write)
        except SyncError as error:
            return error

    def _one(self, write: NativeWrite) -> Native | SyncError:
        try:
            return self.write(write)
        except SyncError as error:
            return error

    # -- metadata

    def describe(self, kind: str) -> dict[str, FieldType]:
        return description.describe(self._wire, self._homes.of(kind))

    def examine(
        self, paths: Mapping[str, Sequence[str]], *, fix: bool = False, types: Types = NO_TYPES
    ) -> list[Finding]:
        examination = Examination(self._wire, self._homes, self._schemas, self._links, types, fix=fix)
        findings = examination.run(paths, self._public_url)
        self._lookups.forget()
        return findings
