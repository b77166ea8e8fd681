"""Turns changes into webhook events, one for each active subscription that asked for them.

Nothing is sent here; ``delivery`` batches, signs and retries. With no active subscription for
a type there is no event at all.
Source: developers.hubspot.com, "Webhooks API": event payloads, "Generic webhook
subscriptions", and public captures for changeSource, sourceId and the type ids of generic events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sync_workers.sandbox.hubspot.catalogue import UNSUBSCRIBABLE, ObjectType
from sync_workers.sandbox.hubspot.link_types import LinkType
from sync_workers.sandbox.hubspot.record import Origin, Record
from sync_workers.sandbox.hubspot.subscriptions import Subscription
from sync_workers.sandbox.hubspot.values import instant_ms
from sync_workers.sandbox.hubspot.wire import Json

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

# The older association events tell of links among these only, never of one to a custom object.
LINK_EVENTS = frozenset({"contacts", "companies", "deals", "line_items", "products"})


class Notices:
    """Announces what happened to records to whoever has subscribed."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.random = random.Random(account.settings.seed)  # noqa: S311 - makes runs repeatable, guards nothing
        self.last_event_id = 0

    def created(self, kind: ObjectType, record: Record, origin: Origin) -> None:
        self._tell(kind, "creation", record.id, origin, changeFlag="CREATED")

    def deleted(self, kind: ObjectType, record: Record, origin: Origin, *, for_privacy: bool = False) -> None:
        self._tell(kind, "deletion", record.id, origin, changeFlag="DELETED")
        if for_privacy:
            self._tell(kind, "privacyDeletion", record.id, origin, changeFlag="DELETED")

    def restored(self, kind: ObjectType, record: Record, origin: Origin) -> None:
        self._tell(kind, "restore", record.id, origin, changeFlag="RESTORED")

    def changed(self, kind: ObjectType, record: Record, changes: dict[str, str], origin: Origin) -> None:
        for name, value in changes.items():
            if name in UNSUBSCRIBABLE:
                continue
            prop = self.account.definitions.get(kind.type_id, name)
            # Instants go out as epoch milliseconds here, though the API answers them as ISO text.
            if value and prop is not None and prop.type == "datetime":
                value = str(instant_ms(value))
            calculated = prop is not None and prop.calculated
            source = Origin("CALCULATED", "CalculatedPropertyComputer") if calculated else origin
            self._tell(kind, "propertyChange", record.id, source, propertyName=name, propertyValue=value)

    def merged(
        self, kind: ObjectType, primary_id: str, merged: list[str], result: Record, moved: int, origin: Origin
    ) -> None:
        self._tell(
            kind,
            "merge",
            result.id,
            origin,
            primaryObjectId=int(primary_id),
            mergedObjectIds=[int(each) for each in merged],
            newObjectId=int(result.id),
            numberOfPropertiesMoved=moved,
        )

    def linked(
        self,
        kind: ObjectType,
        record: Record,
        to: ObjectType,
        target: Record,
        origin: Origin,
        by: LinkType,
        *,
        removed: bool,
    ) -> None:
        """Tell of a link as seen from ``record``; the caller calls once for each side."""
        ends = {
            "associationType": f"{kind.singular}_TO_{to.singular}".upper(),
            "fromObjectId": int(record.id),
            "toObjectId": int(target.id),
            "associationRemoved": removed,
            "isPrimaryAssociation": by.is_primary,
        }
        self._tell(kind, "associationChange", record.id, origin, to=to, by=by, **ends)

    def _tell(
        self,
        kind: ObjectType,
        what: str,
        object_id: str,
        origin: Origin,
        *,
        to: ObjectType | None = None,
        by: LinkType | None = None,
        **extras: Any,
    ) -> None:
        for subscription in self._listening(kind, what, extras.get("propertyName"), to):
            event: Json = {
                "eventId": self._event_id(),
                "subscriptionId": int(subscription.id),
                "portalId": self.account.settings.portal_id,
                "appId": self.account.settings.app_id,
                "occurredAt": self.account.now_ms(),
                "subscriptionType": subscription.event_type,
                "attemptNumber": 0,
                "objectId": int(object_id),
                "changeSource": origin.source,
                "sourceId": origin.source_id,
                **extras,
            }
            if subscription.event_type.startswith("object."):
                event |= _typed(kind, by)
            self.account.delivery.put(event)

    def _listening(
        self, kind: ObjectType, what: str, property_name: str | None, to: ObjectType | None
    ) -> Iterator[Subscription]:
        for each in self.account.subscriptions.active():
            fits = (
                each.event_type == f"{kind.singular}.{what}"
                and not kind.schema
                and (to is None or {kind.name, to.name} <= LINK_EVENTS)
            )
            generic = each.event_type == f"object.{what}" and each.object_type_id in (kind.type_id, kind.name)
            if (fits or generic) and (property_name is None or each.property_name == property_name):
                yield each

    def _event_id(self) -> int:
        if not self.last_event_id or self.random.random() >= self.account.settings.repeated_event_ids:
            self.last_event_id = self.random.randrange(1, 2**32)
        return self.last_event_id


def _typed(kind: ObjectType, by: LinkType | None) -> Json:
    """Return what a generic event says beside the older ones: whose it is, or which types a link joins."""
    if by is None:
        return {"objectTypeId": kind.type_id}
    return {
        "fromObjectTypeId": by.source,
        "toObjectTypeId": by.target,
        "associationCategory": by.category,
        "associationTypeId": by.type_id,
    }
