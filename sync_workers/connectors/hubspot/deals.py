"""What makes a HubSpot deal an order: its company, its line items, its addresses, and whether it is won.

Source: developers.hubspot.com, "Deals", "Associations API v4".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import FieldType
from sync_workers.connectors.hubspot import deal_addresses, lines
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.deal_addresses import DealAddresses
from sync_workers.connectors.hubspot.documents import linked
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, LINE_ITEMS, HubspotObject
from sync_workers.connectors.hubspot.stages import WON, Stages
from sync_workers.connectors.hubspot.wire import Json, Wire

FIELDS: Mapping[str, FieldType] = {
    "won": FieldType("bool", read_only=True),
    "outcome": FieldType("string", read_only=True),
    "associations.companies": FieldType("list"),
    **deal_addresses.FIELDS,
    **lines.FIELDS,
}


class Deals:
    """Reads and writes the parts of a deal that lie outside its properties."""

    def __init__(self, wire: Wire, homes: Homes, in_use: PropertiesInUse, links: Associations) -> None:
        self._wire = wire
        self._homes = homes
        self._in_use = in_use
        self._links = links
        self._stages = Stages(wire)
        self._addresses = DealAddresses(wire, homes, links)

    def inline(self) -> list[HubspotObject]:
        """Return the objects whose links are asked for with a single deal."""
        place = self._homes.addresses() if self._in_use.labels_addresses else None
        return [COMPANIES, LINE_ITEMS, *([place] if place else [])]

    def complete(self, documents: Sequence[Json], *, inline: bool) -> list[Json]:
        """Return the native fields of deals."""
        companies = self._links.of(DEALS, COMPANIES, documents, inline=inline)
        line_ids = self._links.of(DEALS, LINE_ITEMS, documents, inline=inline)
        every = [each for mine in line_ids.values() for each in mine]
        found = lines.read(self._wire, every, self._in_use.line_items)
        labels = self._addresses.read(documents, inline=inline) if self._in_use.labels_addresses else {}
        natives = []
        for document in documents:
            deal = str(document["id"])
            outcome = self._stages.outcome(document["properties"].get("dealstage"))
            natives.append({
                "id": deal,
                "properties": document["properties"],
                "associations": {"companies": companies.get(deal, [])},
                "line_items": [found[each] for each in line_ids.get(deal, ()) if each in found],
                "won": outcome == WON,
                "outcome": outcome,
                **dict.fromkeys(deal_addresses.LABELS),
                **labels.get(deal, {}),
            })  # fmt: skip
        return natives

    # -- writing

    def at_birth(self, fields: Mapping[str, Any]) -> list[Json]:
        """Return the links that a create carries."""
        return self._links.at_birth(DEALS, COMPANIES, linked(fields, COMPANIES))

    def write(self, deal_id: str, fields: Mapping[str, Any], budget_s: float) -> frozenset[str]:
        """Make the named companies the deal's only ones, move its labels, and edit its lines.

        Returns what no link shows, as ``write_parts`` does.
        """
        companies = None
        if COMPANIES.name in (fields.get("associations") or {}):
            companies = linked(fields, COMPANIES)
            self._links.replace(DEALS, deal_id, COMPANIES, companies, budget_s)
        return self.write_parts(deal_id, fields, companies, budget_s)

    def write_parts(
        self, deal_id: str, fields: Mapping[str, Any], companies: Sequence[str] | None, budget_s: float
    ) -> frozenset[str]:
        """Move the labels and edit the lines; ``companies`` are the deal's, None when they were not touched.

        Returns the paths of addresses that no link shows, since blank means them.
        """
        labels = {name: fields[name] for name in deal_addresses.LABELS if name in fields}
        implied = self._addresses.write(deal_id, labels, companies, budget_s) if labels else frozenset()
        if "line_items" in fields:
            lines.write(self._wire, self._links, deal_id, fields["line_items"], budget_s)
        return implied
