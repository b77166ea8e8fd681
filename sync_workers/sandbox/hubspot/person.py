"""A person at the screen: the same records, changed by hand instead of by our app.

What is done here reaches the webhooks with changeSource CRM_UI and sourceId ``userId:<n>``,
and counts against no limit. Each method takes the account's lock itself.
Source: changeSource and sourceId from public captures of webhook payloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import objects, views
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.link_types import LinkType
from sync_workers.sandbox.hubspot.record import Origin, Record
from sync_workers.sandbox.hubspot.wire import Json, not_found

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


Linked = tuple[str, str] | tuple[str, str, str]


class Person:
    """One user of the CRM; record types by any spelling, ids as text, answers as the API shows records.

    Custom objects are called by their own names (``addresses``), as the screen does.
    """

    def __init__(self, account: Account, user_id: int = 1) -> None:
        self.account = account
        self.origin = Origin("CRM_UI", f"userId:{user_id}", user_id)

    def create(self, kind_name: str, properties: Json, links: Sequence[Linked] = ()) -> Json:
        """Create a record, linked to ``links``: object type, id and perhaps the label of the link."""
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            record = objects.create_one(self.account, kind, {"properties": properties}, self.origin)
            for target_name, target_id, *labels in links:
                self._link(kind, record, target_name, target_id, labels)
            return views.show_all(self.account, kind, record)

    def edit(self, kind_name: str, record_id: str, properties: Json) -> Json:
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            record = self.account.records.get(kind, record_id)
            self.account.records.update(kind, record, properties, self.origin)
            return views.show_all(self.account, kind, record)

    def delete(self, kind_name: str, record_id: str) -> None:
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            self.account.records.archive(kind, self.account.records.get(kind, record_id), self.origin)

    def restore(self, kind_name: str, record_id: str) -> Json:
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            record = self.account.records.get(kind, record_id, archived=True)
            self.account.records.restore(kind, record, self.origin)
            return views.show_all(self.account, kind, record)

    def merge(self, kind_name: str, primary_id: str, other_id: str) -> Json:
        """Merge two records; the id of the answer may be a brand-new one."""
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            primary, other = (self.account.records.get(kind, each) for each in (primary_id, other_id))
            return views.show_all(
                self.account, kind, self.account.records.merge(kind, primary, other, self.origin)
            )

    def move(self, deal_id: str, stage: str, pipeline: str = "") -> Json:
        """Drag a deal to a stage, given by id or label; without ``pipeline`` within the deal's own."""
        with self.account.lock:
            kind = self.account.types.named("deals")
            record = self.account.records.get(kind, deal_id)
            target = self.account.pipelines.get(kind.type_id, pipeline or record.values["pipeline"])
            for each in target.stages:
                if stage in (each.id, each.label):
                    return self.edit("deals", deal_id, {"pipeline": target.id, "dealstage": each.id})
            raise not_found(f"Pipeline {target.id} has no stage {stage!r}")

    def link(self, kind_name: str, record_id: str, target_name: str, target_id: str, label: str = "") -> None:
        """Link two records, or put one more label on their link."""
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            record = self.account.records.get(kind, record_id)
            self._link(kind, record, target_name, target_id, [label] if label else [])

    def unlink(self, kind_name: str, record_id: str, target_name: str, target_id: str, label: str = "") -> None:
        """Take a link away, or one label off it."""
        with self.account.lock:
            kind, target = self.account.types.named(kind_name), self.account.types.named(target_name)
            record = self.account.records.get(kind, record_id)
            other = self.account.records.get(target, target_id)
            links = self.account.associations
            types = [links.labelled(kind.type_id, target.type_id, label)] if label else None
            links.unlink(record, other, types, self.origin)

    def see(self, kind_name: str, record_id: str) -> Json:
        """Return a record with every value and all its links, archived or merged ones included."""
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            record = self.account.records.find(kind, record_id)
            if record is None:
                raise not_found(f"{kind.singular} {record_id} does not exist")
            return self._whole(kind, record)

    def associated(self, kind_name: str, record_id: str, target_name: str) -> list[Json]:
        """Return the live records of a type that are linked to one, each with the ``labels`` of its link."""
        with self.account.lock:
            kind, target = self.account.types.named(kind_name), self.account.types.named(target_name)
            record = self.account.records.get(kind, record_id)
            return [
                self._whole(target, self.account.records.get(target, other))
                | {"labels": [each.label for each in types if each.label]}
                for other, types in self.account.associations.of(record, target)
            ]

    def see_all(self, kind_name: str) -> list[Json]:
        """Return all records of a type that are neither archived nor merged away."""
        with self.account.lock:
            kind = self.account.types.named(kind_name)
            return [self._whole(kind, record) for record in self.account.records.live(kind.type_id)]

    def _whole(self, kind: ObjectType, record: Record) -> Json:
        answer = views.show_all(self.account, kind, record)
        links = {
            target.name: [other for other, _ in self.account.associations.of(record, target)]
            for target in self.account.types.by_id.values()
        }
        return {**answer, "links": {name: ids for name, ids in links.items() if ids}}

    def _link(
        self, kind: ObjectType, record: Record, target_name: str, target_id: str, labels: Sequence[str]
    ) -> None:
        """Link as the screen does: the first company of a deal or contact becomes its primary one."""
        target = self.account.types.named(target_name)
        other = self.account.records.get(target, target_id)
        types: list[LinkType] = [self.account.associations.plain(kind.type_id, target.type_id)]
        if not self.account.associations.of(record, target):
            possible = self.account.associations.between(kind.type_id, target.type_id)
            types += [each for each in possible if each.is_primary and target.type_id == "0-2"]
        types += [self.account.associations.labelled(kind.type_id, target.type_id, each) for each in labels]
        self.account.associations.link(record, other, types, self.origin)
