"""Links between records: read singly and in batches, made at birth, replaced, and their labels.

A link has types; the plain one is always there, a label comes beside it. Linking with labels replaces the
labels of that pair. Source: developers.hubspot.com, "Associations API v4": "Retrieve associated records",
"Update record association labels", "Association type IDs".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, LINE_ITEMS, NOTES, RECHECK, HubspotObject
from sync_workers.connectors.hubspot.payloads import linked_ids
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import Hold

READ_BATCH = 1000
PAGE = 500
PRIMARY = "primary"
DEFINED, OWN = "HUBSPOT_DEFINED", "USER_DEFINED"
PLAIN = ""

Labels = Mapping[str, Json]
"""Types of the links between two objects, as a write names them, by their label in lower case; PLAIN for none."""


def _defined(type_id: int) -> Json:
    return {"associationCategory": DEFINED, "associationTypeId": type_id}


KNOWN: Mapping[tuple[str, str], Labels] = {
    (DEALS.type_id, COMPANIES.type_id): {PLAIN: _defined(341), PRIMARY: _defined(5)},
    (LINE_ITEMS.type_id, DEALS.type_id): {PLAIN: _defined(20)},
    (NOTES.type_id, DEALS.type_id): {PLAIN: _defined(214)},
}
"""The same in every account, so nobody need ask."""


@dataclass(frozen=True)
class Link:
    """One linked record: its id, and the types of the link as a write would name them, by label."""

    id: str
    types: Labels

    @property
    def is_primary(self) -> bool:
        return PRIMARY in self.types


class Associations:
    """The links of one account."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._types: dict[tuple[str, str], Labels] = dict(KNOWN)

    # -- reading

    def of(
        self, source: HubspotObject, target: HubspotObject, documents: Sequence[Json], *, inline: bool
    ) -> dict[str, list[str]]:
        """Return the ids that each record is linked to, the primary one first; records without any are left out.

        ``inline``: the documents were read with ``associations``, which saves a call.
        """
        if inline:
            found = {str(each["id"]): self._shown(source, target, each) for each in documents}
            return {record_id: ids for record_id, ids in found.items() if ids}
        links = self.many(source, target, [str(each["id"]) for each in documents])
        return {record_id: [link.id for link in each] for record_id, each in links.items()}

    def many(
        self, source: HubspotObject, target: HubspotObject, ids: Sequence[str]
    ) -> dict[str, list[Link]]:
        """Return the links of many records, the primary one first, in a call per thousand."""
        found: dict[str, dict[str, Link]] = {}
        waiting: list[Json] = [{"id": each} for each in dict.fromkeys(ids)]
        path = f"/crm/v4/associations/{source.path}/{target.path}/batch/read"
        while waiting:
            inputs, waiting = waiting[:READ_BATCH], waiting[READ_BATCH:]
            document = self._wire.post(path, {"inputs": inputs}, writes=False)
            self._wire.refuse_partial(document)
            for row in document.get("results", ()):
                record_id = str(row["from"]["id"])
                links = found.setdefault(record_id, {})
                for each in map(_link, row.get("to", ())):
                    links[each.id] = each
                after = row.get("paging", {}).get("next", {}).get("after")
                if after is not None:
                    waiting.append({"id": record_id, "after": after})
        return {
            record_id: sorted(links.values(), key=lambda each: not each.is_primary)
            for record_id, links in found.items()
        }

    def _shown(self, source: HubspotObject, target: HubspotObject, document: Json) -> list[str]:
        ids, after = linked_ids(document, target.spellings)
        while after is not None:
            path = f"/crm/v4/objects/{source.path}/{document['id']}/associations/{target.path}"
            page = self._wire.get(path, {"after": after, "limit": PAGE}) or {}
            ids += [str(row["toObjectId"]) for row in page.get("results", ())]
            after = page.get("paging", {}).get("next", {}).get("after")
        return list(dict.fromkeys(ids))

    # -- writing

    def at_birth(self, source: HubspotObject, target: HubspotObject, ids: Iterable[str]) -> list[Json]:
        """Return the links that a create carries; the first one is the primary one, where there is such a thing."""
        wanted = list(ids)
        if not wanted:
            return []
        known = self.types(source, target)
        links = []
        for at, record_id in enumerate(wanted):
            names = [PRIMARY, PLAIN] if not at and PRIMARY in known else [PLAIN]
            links.append({"to": {"id": record_id}, "types": [known[name] for name in names]})
        return links

    def replace(
        self,
        source: HubspotObject,
        record_id: str,
        target: HubspotObject,
        wanted: Sequence[str],
        budget_s: float,
    ) -> None:
        """Make the named records the only ones linked, in this order as far as HubSpot keeps one."""
        present = {each.id: each for each in self.many(source, target, [record_id]).get(record_id, ())}
        for other in present:
            if other not in wanted:
                path = self._pair(source, record_id, target, other)
                self._wire.call("DELETE", path, writes=True, budget_s=budget_s)
        if not wanted:
            return
        known = self.types(source, target)
        for at, other in enumerate(wanted):
            name = PRIMARY if not at and PRIMARY in known else PLAIN
            if other in present and name in present[other].types:
                continue
            kept = present[other].types if other in present else {}
            self.put(source, record_id, target, other, {**kept, name: known[name]}, budget_s)

    def put(
        self,
        source: HubspotObject,
        record_id: str,
        target: HubspotObject,
        other: str,
        types: Labels,
        budget_s: float,
    ) -> None:
        """Link two records with exactly these labels."""
        path = self._pair(source, record_id, target, other)
        self._wire.call("PUT", path, json=list(types.values()), writes=True, budget_s=budget_s)

    def take_off(
        self,
        source: HubspotObject,
        record_id: str,
        target: HubspotObject,
        other: str,
        type_: Json,
        budget_s: float,
    ) -> None:
        """Take one label off a link and leave the rest."""
        row = {"from": {"id": record_id}, "to": {"id": other}, "types": [type_]}
        path = f"/crm/v4/associations/{source.path}/{target.path}/batch/labels/archive"
        self._wire.call("POST", path, json={"inputs": [row]}, writes=True, budget_s=budget_s)

    def types(self, source: HubspotObject, target: HubspotObject) -> Labels:
        """Return the types by which the two objects can be linked. Hold when they cannot be linked at all."""
        pair = (source.type_id, target.type_id)
        known = self._types.get(pair)
        if known is None:
            known = self.ask(source, target)
            if PLAIN not in known:
                raise Hold(
                    "not_linkable",
                    f"{self._wire.system}: {source.name} cannot be associated with {target.name}",
                    mend="run doctor --fix, which lets the two be associated",
                    recheck=RECHECK,
                )
            self._types[pair] = known
        return known

    def ask(self, source: HubspotObject, target: HubspotObject) -> Labels:
        """Return the types as the account has them now, empty when the two cannot be linked."""
        path = f"/crm/v4/associations/{source.path}/{target.path}/labels"
        rows = (self._wire.get(path) or {}).get("results", ())
        found = {_name(row): _spec(row) for row in rows}
        if PLAIN in found:
            self._types[source.type_id, target.type_id] = found
        return found

    @staticmethod
    def _pair(source: HubspotObject, record_id: str, target: HubspotObject, other: str) -> str:
        start = f"/crm/v4/objects/{source.path}/{quote(record_id, safe='')}"
        return f"{start}/associations/{target.path}/{quote(other, safe='')}"


def _link(row: Mapping[str, Any]) -> Link:
    types = {_name(each): _spec(each) for each in row.get("associationTypes", ())}
    return Link(str(row["toObjectId"]), types)


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("label") or PLAIN).casefold()


def _spec(row: Mapping[str, Any]) -> Json:
    return {"associationCategory": row.get("category"), "associationTypeId": row.get("typeId")}
