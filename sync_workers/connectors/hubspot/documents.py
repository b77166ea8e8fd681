"""What belongs to an order and is found from its deal: shipments, invoices, credit notes.

Each is linked to the deal and to the company, in a native object or in a custom one. Source:
developers.hubspot.com, "Invoices" (associations) and "Custom objects".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import FieldType
from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, HubspotObject
from sync_workers.connectors.hubspot.wire import Json

LINKED: tuple[HubspotObject, ...] = (DEALS, COMPANIES)
FIELDS: Mapping[str, FieldType] = {f"associations.{target.name}": FieldType("list") for target in LINKED}


class Documents:
    """Reads and writes the links of what belongs to an order."""

    def __init__(self, links: Associations) -> None:
        self._links = links

    def complete(self, home: HubspotObject, documents: Sequence[Json], *, inline: bool) -> list[Json]:
        """Return the native fields of records of one object."""
        found = {target.name: self._links.of(home, target, documents, inline=inline) for target in LINKED}
        return [
            {
                "id": str(document["id"]),
                "properties": document["properties"],
                "associations": {name: links.get(str(document["id"]), []) for name, links in found.items()},
            }
            for document in documents
        ]

    def at_birth(self, home: HubspotObject, fields: Mapping[str, Any]) -> list[Json]:
        """Return the links that a create carries."""
        return [
            link for target in LINKED for link in self._links.at_birth(home, target, linked(fields, target))
        ]

    def write(
        self, home: HubspotObject, record_id: str, fields: Mapping[str, Any], budget_s: float
    ) -> None:
        """Make the named deals and companies the only ones; what is not named stays."""
        for target in LINKED:
            if target.name in (fields.get("associations") or {}):
                self._links.replace(home, record_id, target, linked(fields, target), budget_s)


def linked(fields: Mapping[str, Any], target: HubspotObject) -> list[str]:
    """Return the ids that a write names under ``associations``."""
    named = (fields.get("associations") or {}).get(target.name) or ()
    return [str(each) for each in named if each]
