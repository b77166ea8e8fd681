"""Whether a custom object is there and linked to deals and companies; defined where it is missing.

Source: developers.hubspot.com, "Custom objects": "Create a custom object", "Update associations".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sync_workers.connectors.contract import Finding, ValueType
from sync_workers.connectors.hubspot import definitions
from sync_workers.connectors.hubspot.associations import PLAIN, Associations
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, HubspotObject
from sync_workers.connectors.hubspot.schemas import ROOT, SCOPES, Schemas
from sync_workers.connectors.hubspot.wire import Wire
from sync_workers.errors import PermanentError, SyncError

LINKED = (DEALS, COMPANIES)


class CustomObjects:
    """The custom objects of one account, as doctor sees them."""

    def __init__(self, wire: Wire, schemas: Schemas, links: Associations, *, fix: bool) -> None:
        self._wire = wire
        self._schemas = schemas
        self._links = links
        self._fix = fix

    def examine(self, name: str, types: Mapping[str, ValueType], advice: str) -> Iterator[Finding]:
        """Look at one object; ``types`` are its properties, ``advice`` what to do in an account that can have none."""
        what = f"the custom object {name} is defined"
        was_there = self._schemas.find(name) is not None
        if not was_there and self._fix and not self._schemas.refused:
            try:
                self._wire.post(ROOT, definitions.schema_definition(name, types, _associated()), writes=True)
            except PermanentError as error:
                yield Finding(what, ok=False, mend=self._unable(error.message, advice), fix=name)
                return
            except SyncError as error:
                yield Finding(what, ok=False, mend=error.mend or error.message, fix=name)
                return
            self._schemas.look()
        place = self._schemas.find(name)
        if place is None:
            told = self._schemas.refused
            mend = self._unable(told, advice) if told else f"define it, or run doctor --fix; or {advice}"
            yield Finding(what, ok=False, mend=mend, fix=name)
            return
        yield Finding(what if was_there else f"{what} (created)", ok=True)
        for target in LINKED:
            yield self._linked(place, target)

    def _linked(self, place: HubspotObject, target: HubspotObject) -> Finding:
        what = f"{place.name} can be associated with {target.name}"
        try:
            if PLAIN in self._links.ask(place, target):
                return Finding(what, ok=True)
            if not self._fix:
                mend = f"associate {place.name} with {target.name} in the data model, or run doctor --fix"
                return Finding(what, ok=False, mend=mend, fix=what)
            body = {
                "fromObjectTypeId": place.type_id,
                "toObjectTypeId": target.type_id,
                "name": f"{place.name}_to_{target.singular}",
            }
            self._wire.post(f"{ROOT}/{place.path}/associations", body, writes=True)
            self._links.ask(place, target)
        except SyncError as error:
            return Finding(what, ok=False, mend=error.mend or error.message, fix=what)
        return Finding(f"{what} (created)", ok=True)

    def _unable(self, told: str, advice: str) -> str:
        return (
            f"HubSpot does not let this app define it ({told}). Custom objects need an Enterprise edition with room"
            f" for one more, and the scopes {SCOPES}: grant them, or {advice}"
        )


def _associated() -> list[str]:
    return [target.singular.upper() for target in LINKED]
