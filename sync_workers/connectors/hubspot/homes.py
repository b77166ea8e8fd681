"""Which object each kind lives in: the usual one, or what the sheet's ``[object]`` says.

A custom object is found without a call only once it has been looked up, so ``traits`` and the receiver
ask for nothing more than its being custom.
"""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.connectors.hubspot.objects import ADDRESSES, CUSTOM, NATIVE, RECHECK, USUAL, HubspotObject
from sync_workers.connectors.hubspot.schemas import Schemas
from sync_workers.errors import Hold, PermanentError, SettingsError


class Homes:
    """The homes of all kinds in one account. ``objects`` maps a kind to ``invoices`` or ``custom:<name>``.

    ``own_addresses``: companies have no addresses but their own, as in an account without custom objects.
    """

    def __init__(
        self, system: str, objects: Mapping[str, str], schemas: Schemas, *, own_addresses: bool = False
    ) -> None:
        self._system = system
        self._schemas = schemas
        self.own_addresses = own_addresses
        self._custom = {
            kind: name.removeprefix(CUSTOM) for kind, name in objects.items() if name.startswith(CUSTOM)
        }
        self._native = dict(USUAL)
        for kind, name in objects.items():
            if kind in self._custom:
                self._native.pop(kind, None)
            elif name in NATIVE:
                self._native[kind] = NATIVE[name]
            else:
                raise SettingsError(
                    f"the sheet of {kind} wants to live in {name!r} of {system}, which is no object of HubSpot",
                    mend=f"say one of {', '.join(NATIVE)}, or {CUSTOM}<name> for a custom object",
                    field="object",
                )

    @property
    def kinds(self) -> tuple[str, ...]:
        return (*self._native, *self._custom)

    @property
    def custom(self) -> Mapping[str, str]:
        """The kinds that live in custom objects, and the names of those."""
        return self._custom

    def native(self, kind: str) -> HubspotObject | None:
        return self._native.get(kind)

    def is_unique(self, kind: str) -> bool:
        """Say without a call whether the kind's object may carry a unique reference."""
        self._check(kind)
        return kind in self._custom or self._native[kind].unique

    def of(self, kind: str) -> HubspotObject:
        """Return the object. PermanentError for a kind that has none here, Hold while it is not defined yet."""
        self._check(kind)
        if kind in self._native:
            return self._native[kind]
        name = self._custom[kind]
        found = self._schemas.find(name)
        if found is None:
            raise self.missing(name)
        return found

    def addresses(self) -> HubspotObject | None:
        """Return the object with companies' further addresses, None where the settings say that there is none.

        Hold when it is missing: a list without them would read as if somebody had removed them all.
        """
        if self.own_addresses:
            return None
        found = self._schemas.find(ADDRESSES)
        if found is None:
            raise self.missing(ADDRESSES)
        return found

    def missing(self, name: str) -> Hold:
        """Say that a custom object is missing; it is looked for again by itself."""
        told = self._schemas.refused or "it is not defined"
        mend = "run doctor --fix, which defines it or says what the account lacks"
        if name == ADDRESSES:
            mend += f'; or set addresses = "own" in [systems.{self._system}]: one address per company'
        return Hold(
            "object_missing",
            f"{self._system} has no custom object {name!r}: {told}",
            mend=mend,
            recheck=RECHECK,
        )

    def kind_in(self, type_id: str) -> str | None:
        """Return the kind that lives in a custom object, by its type id; "" for the addresses."""
        name = self._schemas.name_of(type_id)
        if name == ADDRESSES:
            return ""
        return next((kind for kind, found in self._custom.items() if found == name), None)

    def _check(self, kind: str) -> None:
        if kind not in self._native and kind not in self._custom:
            raise PermanentError(
                f"HubSpot holds no {kind}",
                mend=f'say [object] {self._system} = "{CUSTOM}{kind}s" in the sheet of {kind}, '
                f"or take its places in {self._system} out",
            )
