"""One mapping sheet as data: what each canonical field is called where, whose it is, and why.

A sheet is read from TOML by ``parsing`` and judged against a system's metadata by ``mappings``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sync_workers.domain.converters import Converter, Record
from sync_workers.domain.native import plain
from sync_workers.domain.records import Scalar, Value

ORIGIN = "origin"
ONCE = "once"
SHARED = "shared"
DERIVED = "derived"
OWNER_WORDS = (ORIGIN, ONCE, SHARED, DERIVED)

NEWEST = "newest"
ASK = "ask"
PREFER_WORDS = (NEWEST, ASK)
LEAVE = "leave"


@dataclass(frozen=True)
class Place:
    """Where a field stands in one system. ``read_only``: seen there, never written there.

    ``noted``: what a write brings is also said in a note on the record there.
    """

    path: str
    converter: Converter
    as_name: str = "text"
    read_only: bool = False
    noted: bool = False


@dataclass(frozen=True)
class Condition:
    """A canonical field that must hold one of ``values``."""

    field: str
    values: tuple[Scalar, ...]

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Compare by type too: True is 1 in Python, but not in a sheet."""
        found = values.get(self.field)
        return any(type(found) is type(value) and found == value for value in self.values)


@dataclass(frozen=True)
class FieldRule:
    """One canonical field.

    ``owner`` is a system or one of ``OWNER_WORDS``; ``prefer`` decides a ``shared`` field that moved
    on several sides; ``derived`` fields are computed by ``by`` from ``sources``. ``at_birth``: a
    record born elsewhere brings its value along when it is created in the field's owner; without
    it nothing is ever written to the owner. ``when_blank`` "leave": a blank in the owner says nothing.
    ``locked_when``: while all of it holds in the systems that own those fields, they keep this one as it
    is and a change elsewhere is put back.
    """

    name: str
    owner: str
    why: str
    places: Mapping[str, Place]
    prefer: str = ""
    sources: tuple[str, ...] = ()
    by: str = ""
    required: bool = False
    at_birth: bool = False
    when_blank: str = ""
    locked_when: tuple[Condition, ...] = ()

    def writable_in(self, system: str) -> bool:
        """Whether a merge may ever write the field there (a create may do more: ``at_birth``)."""
        return self.has_room_in(system) and self.owner != system

    def has_room_in(self, system: str) -> bool:
        """Whether the system could take the field, whoever owns it."""
        place = self.places.get(system)
        return place is not None and not place.read_only

    @cached_property
    def rank(self) -> int:
        """When a merge decides the field: 1 after the fields that its converters need, 2 for derived ones, else 0."""
        if self.owner == DERIVED:
            return 2
        return 1 if any(place.converter.needs for place in self.places.values()) else 0

    def born_in(self, system: str) -> bool:
        """Whether a create in ``system`` carries the field."""
        return self.has_room_in(system) and (self.owner != system or self.at_birth)


@dataclass(frozen=True)
class ListPlace:
    """Where a list stands in one system, and the item's field that holds the item key (``id``: its own)."""

    path: str
    key: str
    read_only: bool = False

    @property
    def stores_key(self) -> bool:
        """Whether our item key is kept in the item, beside the system's own id."""
        return self.key not in ("", "id")


@dataclass(frozen=True)
class ListRule:
    """A list field: its owner says which items there are, each item field has a rule of its own."""

    name: str
    owner: str
    why: str
    places: Mapping[str, ListPlace]
    fields: tuple[FieldRule, ...]
    locked_when: tuple[Condition, ...] = ()

    @cached_property
    def memo(self) -> dict[object, Any]:
        """What ``columns`` has worked out of this list alone."""
        return {}

    @cached_property
    def _by_name(self) -> Mapping[str, FieldRule]:
        return {rule.name: rule for rule in self.fields}

    def field(self, name: str) -> FieldRule:
        return self._by_name[name]


@dataclass(frozen=True)
class Step:
    """An action to ask a system for, once its fields are settled.

    ``when`` looks at that system's own view, ``needs`` at the settled values of the record, ``was`` at what
    the owner of each field showed when the record was last in step.
    """

    name: str
    system: str
    why: str
    when: tuple[Condition, ...]
    needs: tuple[Condition, ...] = ()
    was: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Check:
    """What must be right in a system before one of the steps ``before`` is asked of it.

    ``quoted_by`` is the system that shows what the customer accepted; ``options`` are the check's own.
    """

    name: str
    system: str
    before: tuple[str, ...]
    why: str
    quoted_by: str
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """A released mapping sheet.

    ``created_by`` may give birth to a record, if ``created_when`` holds. ``reference`` is the native
    path per system of the field that stores our own reference. ``natural_keys`` are canonical fields
    reserved before a create and looked up in the target. ``extends``: the record is a facet of
    another kind's (a part's stock), its refs are that record's refs, and it is never created.
    ``objects`` says per system what the kind lives in there, where the platform leaves a choice;
    ``shows_archived`` are systems in which a record that is switched off still has a say; ``worth`` is the
    money field that says what a record is worth while it is held.
    """

    kind: str
    version: int
    created_by: tuple[str, ...]
    fields: tuple[FieldRule, ...]
    lists: tuple[ListRule, ...] = ()
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    created_when: Condition | None = None
    reference: Mapping[str, str] = dataclasses.field(default_factory=dict)
    natural_keys: tuple[str, ...] = ()
    extends: str = ""
    objects: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shows_archived: tuple[str, ...] = ()
    worth: str = ""
    title: str = ""
    source: str = ""

    @cached_property
    def memo(self) -> dict[object, Any]:
        """What ``columns`` has worked out of this sheet alone."""
        return {}

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Every system that the sheet names a place in, in the order of their first mention."""
        found = dict.fromkeys(self.created_by)
        for rule in self.rules:
            found.update(dict.fromkeys(rule.places))
        found.update(dict.fromkeys(self.reference))
        return tuple(found)

    @cached_property
    def pointers(self) -> tuple[FieldRule, ...]:
        """Every field that names another record."""
        return tuple(rule for rule in self.fields
                     if any(isinstance(place.converter, Record) for place in rule.places.values()))  # fmt: skip

    @property
    def rules(self) -> tuple[FieldRule | ListRule, ...]:
        """Every field and list."""
        return (*self.fields, *self.lists)

    @cached_property
    def _by_name(self) -> Mapping[str, FieldRule | ListRule]:
        return {rule.name: rule for rule in self.rules}

    def rule(self, name: str) -> FieldRule | ListRule:
        """Return the rule of a field or list. KeyError when the sheet has none."""
        return self._by_name[name]

    def paths(self, system: str) -> tuple[str, ...]:
        """Return the plain native paths in use in ``system``, those of reference and item keys among them."""
        return tuple(dict.fromkeys(self._paths(system)))

    def _paths(self, system: str) -> Iterator[str]:
        if system in self.reference:
            yield plain(self.reference[system])
        for rule in self.fields:
            if system in rule.places:
                yield plain(rule.places[system].path)
        for rows in self.lists:
            place = rows.places.get(system)
            if place is None:
                continue
            if place.key:
                yield plain(f"{place.path}.{place.key}")
            for item in rows.fields:
                if system in item.places:
                    yield plain(f"{place.path}.{item.places[system].path}")


def fields_without_base(old: Sheet, new: Sheet, system: str) -> frozenset[str]:
    """Return the fields whose ``sent`` and ``held`` mean nothing under ``new`` (protocol G7).

    Those are fields that are new or that are converted otherwise in ``system``; drop them from the ref
    before the first merge under ``new``.
    """
    before = {rule.name: rule for rule in old.rules}
    return frozenset(
        rule.name
        for rule in new.rules
        if system in rule.places and _seen(before.get(rule.name), system) != _seen(rule, system)
    )


def _seen(rule: FieldRule | ListRule | None, system: str) -> object:
    """What decides how a field's values read in one system."""
    if rule is None or system not in rule.places:
        return None
    if isinstance(rule, ListRule):
        inner = {
            item.name: (item.places[system].path, item.places[system].converter)
            for item in rule.fields
            if system in item.places
        }
        return rule.places[system], inner
    return rule.places[system].path, rule.places[system].converter
