"""Notes on a deal, for the people who read it there: each text once, however often the call is made.

A note's body is HTML. HubSpot may tidy it, so what is there is compared by what it says. Source:
developers.hubspot.com, "Notes".
"""

from __future__ import annotations

from datetime import UTC, datetime

from sync_workers.connectors.hubspot.associations import Associations
from sync_workers.connectors.hubspot.objects import BATCH, DEALS, NOTES
from sync_workers.connectors.hubspot.wire import Wire
from sync_workers.domain.converters import HtmlText, Spot

BODY = "hs_note_body"
LOOKED_AT = 5 * BATCH
"""How many of a deal's newest notes are compared: ids grow, so an older one is past mattering."""

_HTML = HtmlText()


class Notes:
    """The notes of one account's deals."""

    def __init__(self, wire: Wire, links: Associations) -> None:
        self._wire = wire
        self._links = links

    def leave(self, deal_id: str, text: str, budget_s: float) -> None:
        """Put a note on the deal unless one that says the same is there."""
        if self._stands(deal_id, text):
            return
        body = {
            "properties": {
                BODY: _HTML.write(text, Spot("order", "note", self._wire.system)),
                "hs_timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            },
            "associations": self._links.at_birth(NOTES, DEALS, [deal_id]),
        }
        self._wire.post(f"/crm/v3/objects/{NOTES.path}", body, writes=True, budget_s=budget_s)

    def _stands(self, deal_id: str, text: str) -> bool:
        linked = self._links.many(DEALS, NOTES, [deal_id]).get(deal_id, ())
        newest = sorted((link.id for link in linked), key=int, reverse=True)[:LOOKED_AT]
        wanted = _said(text.replace("\n", " "))
        rows = self._wire.read_batch(NOTES.path, newest, [BODY])
        return any(
            _said(str(_HTML.read(row["properties"].get(BODY) or "", Spot("order", "note", self._wire.system)) or ""))
            == wanted
            for row in rows
        )


def _said(text: str) -> str:
    return " ".join(text.split())
