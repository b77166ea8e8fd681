"""The account's custom objects: looked up once by name, and kept.

Defining one is doctor's work (``definitions``). Source: developers.hubspot.com, "Custom objects"; changelog,
"Removed Support for Referencing Custom Object Types by Base Name".
"""

from __future__ import annotations

import time

from sync_workers.connectors.hubspot.objects import HubspotObject
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import PermanentError

ROOT = "/crm-object-schemas/v3/schemas"
ASKED_AGAIN_S = 600.0
"""An object that is missing is asked for again after this long: somebody may have run doctor --fix."""

SCOPES = "crm.schemas.custom.read, crm.schemas.custom.write, crm.objects.custom.read and crm.objects.custom.write"


class Schemas:
    """Custom objects by name. Safe for many threads: two that ask at once only ask twice."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: dict[str, HubspotObject] = {}
        self._asked_at = float("-inf")
        self.refused = ""
        """Why HubSpot would not list them, "" when it did."""

    def find(self, name: str) -> HubspotObject | None:
        """Return the custom object of that name, None when the account has none or keeps it from us."""
        if name not in self._known:
            self._look_now_and_then()
        return self._known.get(name)

    def name_of(self, type_id: str) -> str | None:
        if not any(each.type_id == type_id for each in self._known.values()):
            self._look_now_and_then()
        return next((name for name, each in self._known.items() if each.type_id == type_id), None)

    def _look_now_and_then(self) -> None:
        if time.monotonic() - self._asked_at > ASKED_AGAIN_S:
            self.look()

    def look(self) -> None:
        """Ask the account for its custom objects. Without the scope there are none for us, and that is no error."""
        try:
            document = self._wire.get(ROOT) or {}
        except PermanentError as error:
            document, self.refused = {}, error.message
        else:
            self.refused = ""
        self._known = {str(row["name"]): _object(row) for row in document.get("results", ())}
        self._asked_at = time.monotonic()


def _object(row: Json) -> HubspotObject:
    return HubspotObject(
        name=str(row["name"]),
        singular="",
        type_id=str(row["objectTypeId"]),
        full_name=str(row.get("fullyQualifiedName") or row["objectTypeId"]),
    )
