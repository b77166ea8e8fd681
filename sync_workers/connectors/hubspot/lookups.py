"""Finding records by the value of a property: by a unique one at once, by any other through the lagging search.

Archived records are found among the archived, which no search shows. Source: developers.hubspot.com, "Object
APIs", "Retrieve records by unique values"; "CRM search API", "Limits".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sync_workers.connectors.contract import Native
from sync_workers.connectors.hubspot import description, polling
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.in_use import PROPERTIES, PropertiesInUse
from sync_workers.connectors.hubspot.objects import RECHECK
from sync_workers.connectors.hubspot.wholes import Wholes
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import Hold, PermanentError

ARCHIVED_PAGES = 10


class Lookups:
    """The look-ups of one account; ``archived_pages`` is an option of the system."""

    def __init__(self, wire: Wire, homes: Homes, in_use: PropertiesInUse, wholes: Wholes) -> None:
        self._wire = wire
        self._homes = homes
        self._in_use = in_use
        self._wholes = wholes
        self._archived_pages = int(wire.options.get("archived_pages", ARCHIVED_PAGES))
        self._unique: dict[str, frozenset[str]] = {}

    def read(self, kind: str, external_id: str, **more: str) -> Native | None:
        """Return one record, archived ones too; ``idProperty`` makes ``external_id`` a unique value."""
        params: dict[str, Any] = {"properties": ",".join(self._in_use.of(kind)), **more}
        if inline := self._wholes.inline(kind):
            params["associations"] = ",".join(inline)
        path = f"/crm/v3/objects/{self._homes.of(kind).path}/{quote(external_id, safe='')}"
        document = self._wire.get(path, params)
        if document is None and not more:
            document = self._wire.get(path, {**params, "archived": "true"})
        return self._wholes.natives(kind, [document], inline=True)[0] if document is not None else None

    def read_live(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        """Return the records that are neither archived nor merged away, in a few calls for all of them."""
        rows = list(self._wire.read_batch(self._homes.of(kind).path, external_ids, self._in_use.of(kind)))
        return {native.id: native for native in self._wholes.natives(kind, rows, inline=False)}

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        """Return every record with that value, archived ones included and marked."""
        name = self._name(kind, path)
        found = self._find_live(kind, name, value)
        known = {native.id for native in found}
        rows = [
            row
            for row in self._archived(kind, name)
            if row["properties"].get(name) == value and str(row["id"]) not in known
        ]
        return [*found, *self._wholes.natives(kind, rows, inline=False)]

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        """Search fifty values at a time: searches are few a second, and one list of the archived serves all."""
        name = self._name(kind, path)
        if name in self.unique_names(kind):
            return {value: self.find(kind, path, value) for value in values}
        home, properties = self._homes.of(kind), [name, *self._in_use.of(kind)]
        rows = polling.find_many(self._wire, home, name, list(values), properties)
        rows += self._archived(kind, name)
        wanted = [row for row in rows if row["properties"].get(name) in values]
        found: dict[str, list[Native]] = {value: [] for value in values}
        for row, native in zip(wanted, self._wholes.natives(kind, wanted, inline=False), strict=True):
            found[row["properties"][name]].append(native)
        return found

    def _find_live(self, kind: str, name: str, value: str) -> list[Native]:
        if name in self.unique_names(kind):
            # Reading by a unique value asks the record store, not the lagging index.
            native = self.read(kind, value, idProperty=name)
            return [] if native is None else [native]
        home = self._homes.of(kind)
        rows = polling.find_live(self._wire, home, name, value, list(self._in_use.of(kind)))
        return self._wholes.natives(kind, rows, inline=False)

    def _archived(self, kind: str, name: str) -> list[Json]:
        properties = [name, *self._in_use.of(kind)]
        return polling.archived(self._wire, self._homes.of(kind), properties, self._archived_pages)

    def _name(self, kind: str, path: str) -> str:
        name = path.removeprefix(PROPERTIES)
        if name == path:
            raise PermanentError(
                f"{self._wire.system}: {kind} can be found by its properties only, not by {path}"
            )
        return name

    # -- the unique reference

    def unique_names(self, kind: str) -> frozenset[str]:
        """Return the properties that take a value once; asked again until there is one."""
        known = self._unique.get(kind)
        if not known:
            fields = description.properties_of(self._wire, self._homes.of(kind), PROPERTIES)
            known = self._unique[kind] = frozenset(
                path.removeprefix(PROPERTIES) for path, each in fields.items() if each.unique
            )
        return known

    def hold_unless_unique(self, kind: str, path: str) -> None:
        """Our promise of T1 rests on the unique property: without it a create could be doubled."""
        name = path.removeprefix(PROPERTIES)
        if path and self._homes.is_unique(kind) and name not in self.unique_names(kind):
            raise Hold(
                "reference_not_unique",
                f"{self._wire.system}: {name} of {self._homes.of(kind).name} is missing or takes a value twice",
                mend="run doctor --fix, which creates it with unique values",
                recheck=RECHECK,
            )

    def forget(self) -> None:
        """Look at the definitions anew: somebody may have changed them."""
        self._unique.clear()
