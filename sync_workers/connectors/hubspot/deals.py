"""What makes a HubSpot deal an order: its company, its line items, and whether it is won.

A line item belongs to one deal and is an object of its own; editing one does not touch the deal.
Source: developers.hubspot.com, "Line items", "Associations API v4", "Pipelines API".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sync_workers.connectors.contract import ListChange, NativeWrite
from sync_workers.connectors.hubspot import refusals
from sync_workers.connectors.hubspot.objects import (
    BATCH,
    DEAL_TO_COMPANY,
    DEAL_TO_COMPANY_PRIMARY,
    LINE_TO_DEAL,
    NOTE_TO_DEAL,
    ORDER_LINE,
    PropertiesInUse,
)
from sync_workers.connectors.hubspot.payloads import as_properties, linked_ids
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError, SyncError, Unsure

STAGES_KEPT_S = 600.0
LINK_BATCH = 1000
DEFINED = "HUBSPOT_DEFINED"


class Deals:
    """Reads and writes the parts of a deal that lie outside its properties."""

    def __init__(self, wire: Wire, in_use: PropertiesInUse) -> None:
        self._wire = wire
        self._in_use = in_use
        named = wire.options.get("won_stages")
        self._named_won = frozenset(str(stage) for stage in named) if named is not None else None
        self._won: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    def complete(self, document: Json) -> Json:
        """Return the native fields of a deal that was read with its associations."""
        companies, _ = linked_ids(document, "companies")
        ids = self._line_ids(str(document["id"]), document)
        return self._native(document, companies, ids, self._lines(ids))

    def complete_many(self, documents: Sequence[Json]) -> list[Json]:
        """Return the native fields of deals that were read in a batch, which carries no associations."""
        ids = [str(document["id"]) for document in documents]
        companies = self._links(ids, "companies")
        lines = self._links(ids, "line_items")
        found = self._lines([line for each in lines.values() for line in each])
        return [
            self._native(document, companies.get(each, []), lines.get(each, []), found)
            for each, document in zip(ids, documents, strict=True)
        ]

    def _native(
        self, document: Json, companies: list[str], line_ids: list[str], lines: Mapping[str, Json]
    ) -> Json:
        return {
            "id": str(document["id"]),
            "properties": document["properties"],
            "associations": {"companies": companies},
            "line_items": [{"id": each, "properties": lines[each]} for each in line_ids if each in lines],
            "won": document["properties"].get("dealstage") in self.won_stages(),
        }

    def won_stages(self) -> frozenset[str]:
        """Return the stages that mean won: as configured, else closed with probability 1, never by name."""
        if self._named_won is not None:
            return self._named_won
        if time.monotonic() - self._asked_at > STAGES_KEPT_S:
            document = self._wire.get("/crm/v3/pipelines/deals") or {}
            self._won = frozenset(
                str(stage["id"])
                for pipeline in document.get("results", ())
                for stage in pipeline.get("stages", ())
                if _is_won(stage.get("metadata") or {})
            )
            self._asked_at = time.monotonic()
        return self._won

    def _links(self, deal_ids: Sequence[str], target: str) -> dict[str, list[str]]:
        """Return what each deal is linked to, the primary one first; a deal without links is left out."""
        found: dict[str, dict[str, bool]] = {}
        waiting: list[Json] = [{"id": each} for each in deal_ids]
        while waiting:
            inputs, waiting = waiting[:LINK_BATCH], waiting[LINK_BATCH:]
            path = f"/crm/v4/associations/deals/{target}/batch/read"
            for row in self._wire.post(path, {"inputs": inputs}, writes=False).get("results", ()):
                deal_id = str(row["from"]["id"])
                links = found.setdefault(deal_id, {})
                for link in row.get("to", ()):
                    types = [each.get("typeId") for each in link.get("associationTypes", ())]
                    links[str(link["toObjectId"])] = DEAL_TO_COMPANY_PRIMARY in types
                after = row.get("paging", {}).get("next", {}).get("after")
                if after is not None:
                    waiting.append({"id": deal_id, "after": after})
        return {deal: sorted(links, key=lambda each: not links[each]) for deal, links in found.items()}

    def _line_ids(self, deal_id: str, document: Json) -> list[str]:
        ids, after = linked_ids(document, "line_items")
        while after is not None:
            page = self._wire.get(
                f"/crm/v4/objects/deals/{deal_id}/associations/line_items", {"after": after, "limit": 500}
            )
            rows = (page or {}).get("results", ())
            ids += [str(row["toObjectId"]) for row in rows]
            after = (page or {}).get("paging", {}).get("next", {}).get("after")
        return list(dict.fromkeys(ids))

    def _lines(self, ids: Sequence[str]) -> dict[str, Json]:
        rows = self._wire.read_batch("line_items", ids, self._in_use.of(ORDER_LINE))
        return {str(line["id"]): line["properties"] for line in rows}

    # -- writing

    @staticmethod
    def links_at_birth(fields: Mapping[str, Any]) -> list[Json]:
        """Return the associations of a new deal; the first company is the primary one."""
        links = []
        for at, company in enumerate(_companies(fields)):
            types = [DEAL_TO_COMPANY] if at else [DEAL_TO_COMPANY_PRIMARY, DEAL_TO_COMPANY]
            links.append({"to": {"id": company}, "types": _types(types)})
        return links

    def write_links(self, deal_id: str, fields: Mapping[str, Any], budget_s: float) -> None:
        """Make the named companies the deal's only ones."""
        if "companies" not in (fields.get("associations") or {}):
            return
        wanted = _companies(fields)
        document = self._wire.get(f"/crm/v3/objects/deals/{deal_id}", {"associations": "companies"}) or {}
        present, _ = linked_ids(document, "companies")
        for company in present:
            if company not in wanted:
                path = f"/crm/v4/objects/deals/{deal_id}/associations/companies/{company}"
                self._wire.call("DELETE", path, writes=True, budget_s=budget_s)
        for at, company in enumerate(wanted):
            if at >= len(present) or present[at] != company:
                path = f"/crm/v4/objects/deals/{deal_id}/associations/companies/{company}"
                types = [DEAL_TO_COMPANY] if at else [DEAL_TO_COMPANY_PRIMARY]
                self._wire.call("PUT", path, json=_types(types), writes=True, budget_s=budget_s)

    def write_lines(self, deal_id: str, change: Any, budget_s: float) -> None:
        """Add, change and remove line items. A row that HubSpot refuses is raised, the others stay."""
        if not isinstance(change, ListChange):
            raise PermanentError(f"{self._wire.system}: line_items takes edits of a list", field="line_items")
        link = {"to": {"id": deal_id}, "types": _types([LINE_TO_DEAL])}
        added = [
            {"properties": _inner(item), "associations": [link], "objectWriteTraceId": f"add-{at}"}
            for at, (_, item) in enumerate(change.add)
        ]
        changed = [{"id": line, "properties": _inner(item)} for line, item in change.change]
        self._batches("create", added, budget_s)
        self._batches("update", changed, budget_s)
        self._batches("archive", [{"id": line} for line in change.remove], budget_s)

    def _batches(self, verb: str, rows: Sequence[Json], budget_s: float) -> None:
        for start in range(0, len(rows), BATCH):
            inputs = rows[start : start + BATCH]
            reply = self._wire.call(
                "POST",
                f"/crm/v3/objects/line_items/batch/{verb}",
                json={"inputs": inputs},
                writes=True,
                budget_s=budget_s,
            )
            if reply.status != 207:
                continue
            for error in self._wire.table(reply, writes=True).get("errors", ()):
                sorted_error = refusals.sort(400, error, self._wire.system)
                raise sorted_error or PermanentError(f"{self._wire.system}: {error.get('message')}")

    def add_note(self, write: NativeWrite) -> None:
        """Put a note on the deal, for the people who read it there."""
        text = write.fields.get("text")
        if not isinstance(text, str) or not text:
            raise PermanentError(
                f"{self._wire.system}: a note on order {write.id} needs a text", field="text"
            )
        body = {
            "properties": {"hs_note_body": text, "hs_timestamp": datetime.now(UTC).isoformat()},
            "associations": [{"to": {"id": write.id}, "types": _types([NOTE_TO_DEAL])}],
        }
        self._wire.post("/crm/v3/objects/notes", body, writes=True, budget_s=write.budget_s)

    def after_birth(self, deal_id: str, write: NativeWrite, budget_s: float) -> None:
        """Add the lines of a deal that was just created.

        Whatever goes wrong now, the deal exists: Unsure keeps the attempt open, the deal is found by
        its reference, and the next merge adds the lines that are missing (protocol W10).
        """
        if "line_items" not in write.fields:
            return
        try:
            self.write_lines(deal_id, write.fields["line_items"], budget_s)
        except SyncError as error:
            raise Unsure(
                f"{self._wire.system}: deal {deal_id} was created, its lines were not: {error}"
            ) from error


def _is_won(metadata: Mapping[str, Any]) -> bool:
    try:
        probability = float(metadata.get("probability", "nan"))
    except (TypeError, ValueError):
        return False
    return probability == 1.0 and str(metadata.get("isClosed", "")).lower() == "true"


def _companies(fields: Mapping[str, Any]) -> list[str]:
    companies = (fields.get("associations") or {}).get("companies") or ()
    return [str(each) for each in companies if each]


def _types(ids: Iterable[int]) -> list[Json]:
    return [{"associationCategory": DEFINED, "associationTypeId": each} for each in ids]


def _inner(item: Mapping[str, Any]) -> dict[str, str]:
    return as_properties(item.get("properties") or {})
