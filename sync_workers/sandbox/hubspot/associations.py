"""Links between records.

A link is stored once per side, so that reading either record shows it; a type has an inverse,
and a label never comes without the plain type. Callers hold the account's lock.
Source: developers.hubspot.com, "Associations API v4", "Association type IDs"; the numbers also
in hubspot-api-python, ``hubspot/crm/association_type.py``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.link_types import BUILT_IN, FIRST_USER_ID, HUBSPOT, USER, LinkType
from sync_workers.sandbox.hubspot.record import Origin, Record
from sync_workers.sandbox.hubspot.wire import Json, invalid, not_found

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

Side = tuple[str, str]


class Associations:
    """The links of an account: per side, the records it is linked to and by which types."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.types: dict[tuple[str, str, str, int], LinkType] = {}
        self.links: dict[Side, dict[Side, dict[tuple[str, int], None]]] = {}
        self.next_user_id = FIRST_USER_ID
        for source, target, type_id, inverse_id, label in BUILT_IN:
            back = "Child Company" if label == "Parent Company" else label
            self._register(LinkType(source, target, HUBSPOT, type_id, inverse_id, label), back)

    def _register(self, forth: LinkType, back_label: str | None) -> None:
        back = LinkType(
            forth.target, forth.source, forth.category, forth.inverse_id, forth.type_id, back_label
        )
        for each in (forth, back):
            self.types[each.source, each.target, each.category, each.type_id] = each

    def define(self, source: str, target: str, label: str | None, back_label: str | None) -> list[LinkType]:
        """Add a link type of the customer's own, as a label or for a custom object."""
        forth_id, back_id = self.next_user_id, self.next_user_id + 1
        self.next_user_id += 2
        self._register(LinkType(source, target, USER, forth_id, back_id, label), back_label)
        self.account.touch()
        return [self.types[source, target, USER, forth_id], self.types[target, source, USER, back_id]]

    def undefine(self, each: LinkType) -> None:
        """Take a type of the customer's own away, with every link that bears it."""
        pair = {(each.category, each.type_id), (each.category, each.inverse_id)}
        del self.types[each.source, each.target, each.category, each.type_id]
        self.types.pop((each.target, each.source, each.category, each.inverse_id), None)
        for (source, _), mine in self.links.items():
            for side, types in list(mine.items()):
                if {source, side[0]} == {each.source, each.target}:
                    for key in pair:
                        types.pop(key, None)
                    if not types:
                        del mine[side]
        self.account.touch()

    def between(self, source: str, target: str) -> list[LinkType]:
        return [each for each in self.types.values() if (each.source, each.target) == (source, target)]

    def plain(self, source: str, target: str) -> LinkType:
        """Return the unlabelled type between two objects, or refuse the pair."""
        for each in self.between(source, target):
            if each.label is None:
                return each
        raise invalid(f"No default association type exists between {source} and {target}")

    def inverse(self, each: LinkType) -> LinkType:
        return self.known(each.target, each.source, each.category, each.inverse_id)

    def labelled(self, source: str, target: str, label: str) -> LinkType:
        """Return the type that bears a label, whatever its case."""
        for each in self.between(source, target):
            if each.label is not None and each.label.casefold() == label.casefold():
                return each
        raise not_found(f"No association label {label!r} exists between {source} and {target}")

    def known(self, source: str, target: str, category: str, type_id: int) -> LinkType:
        found = self.types.get((source, target, category, type_id))
        if found is None:
            raise invalid(
                f"One or more association types in the request are not valid: {category} {type_id} "
                f"does not link {source} to {target}"
            )
        return found

    def link(self, source: Record, target: Record, wanted: list[LinkType], origin: Origin) -> None:
        """Link two records; a label brings the plain type, 'primary' is taken from any other record."""
        if (source.type_id, source.id) == (target.type_id, target.id):
            raise invalid("A record cannot be associated with itself")
        for each in wanted:
            if each.is_primary:
                self._demote(source, target, each, origin)
            self._add(source, target, each, origin)
            if each.label is not None:
                self._add(source, target, self.plain(each.source, each.target), origin)

    def relabel(self, source: Record, target: Record, wanted: list[LinkType], origin: Origin) -> None:
        """Link with exactly these labels of the customer's own: others that the pair bears are taken away."""
        for each in self.between_records(source, target):
            if each.category == USER and each.label is not None and each not in wanted:
                self._remove(source, target, each, origin)
        self.link(source, target, wanted, origin)

    def unlink(self, source: Record, target: Record, wanted: list[LinkType] | None, origin: Origin) -> bool:
        """Take away the given types, or with None the whole link; returns whether there was anything.

        Without the plain type there is no link, so taking that takes the labels too.
        """
        whole = wanted is None or any(each.label is None for each in wanted)
        found = False
        for each in self.between_records(source, target):
            if whole or each in (wanted or ()):
                self._remove(source, target, each, origin)
                found = True
        return found

    def between_records(self, source: Record, target: Record) -> list[LinkType]:
        """Return the types of the link from one record to another."""
        present = self.links.get((source.type_id, source.id), {}).get((target.type_id, target.id), {})
        return [self.known(source.type_id, target.type_id, *key) for key in present]

    def of(self, record: Record, target: ObjectType) -> list[tuple[str, list[LinkType]]]:
        """List the live records of a type linked to this one, by id, with the types of each link."""
        mine = self.links.get((record.type_id, record.id), {})
        rows = []
        for (type_id, other_id), types in mine.items():
            other = self.account.records.by_type.get(type_id, {}).get(other_id)
            if type_id == target.type_id and other is not None and other.is_live:
                rows.append((other_id, [self.known(record.type_id, type_id, c, t) for c, t in types]))
        return sorted(rows, key=lambda row: int(row[0]))

    def move(self, type_id: str, old_id: str, new_id: str) -> None:
        """Carry the links of a merged record over to the one it went into."""
        for side, types in self.links.pop((type_id, old_id), {}).items():
            back = self.links.get(side, {}).pop((type_id, old_id), {})
            if side == (type_id, new_id) or old_id == new_id:
                continue
            self.links.setdefault((type_id, new_id), {}).setdefault(side, {}).update(types)
            self.links.setdefault(side, {}).setdefault((type_id, new_id), {}).update(back)

    def forget(self, type_id: str, record_id: str) -> None:
        for side in self.links.pop((type_id, record_id), {}):
            self.links.get(side, {}).pop((type_id, record_id), None)

    def _demote(self, source: Record, target: Record, primary: LinkType, origin: Origin) -> None:
        key = (primary.category, primary.type_id)
        for (type_id, other_id), types in list(self.links.get((source.type_id, source.id), {}).items()):
            if type_id == target.type_id and other_id != target.id and key in types:
                self._remove(source, self.account.records.by_type[type_id][other_id], primary, origin)

    def _add(self, source: Record, target: Record, each: LinkType, origin: Origin) -> None:
        here, there = (source.type_id, source.id), (target.type_id, target.id)
        types = self.links.setdefault(here, {}).setdefault(there, {})
        if (each.category, each.type_id) in types:
            return
        types[each.category, each.type_id] = None
        self.links.setdefault(there, {}).setdefault(here, {})[each.category, each.inverse_id] = None
        self._announce(source, target, each, origin, removed=False)

    def _remove(self, source: Record, target: Record, each: LinkType, origin: Origin) -> None:
        here, there = (source.type_id, source.id), (target.type_id, target.id)
        for one, other, type_id in ((here, there, each.type_id), (there, here, each.inverse_id)):
            types = self.links.get(one, {}).get(other, {})
            types.pop((each.category, type_id), None)
            if not types:
                self.links.get(one, {}).pop(other, None)
        self._announce(source, target, each, origin, removed=True)

    def _announce(
        self, source: Record, target: Record, each: LinkType, origin: Origin, *, removed: bool
    ) -> None:
        self.account.touch()
        kinds = self.account.types
        for one, other in ((source, target), (target, source)):
            self.account.notices.linked(
                kinds[one.type_id],
                one,
                kinds[other.type_id],
                other,
                origin,
                each if one is source else self.inverse(each),
                removed=removed,
            )

    def dump(self) -> Json:
        return {
            "next_user_id": self.next_user_id,
            "types": [asdict(each) for each in self.types.values()],
            "links": [
                [*here, *there, [list(key) for key in types]]
                for here, mine in self.links.items()
                for there, types in mine.items()
            ],
        }

    def load(self, saved: Json) -> None:
        self.next_user_id = saved["next_user_id"]
        types = [LinkType(**each) for each in saved["types"]]
        self.types = {(each.source, each.target, each.category, each.type_id): each for each in types}
        self.links = {}
        for one, here, other, there, keys in saved["links"]:
            self.links.setdefault((one, here), {})[other, there] = dict.fromkeys(
                (category, type_id) for category, type_id in keys
            )
