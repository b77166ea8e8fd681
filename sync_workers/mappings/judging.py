"""What would go wrong with a sheet on the systems as they are: ``mapping check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sync_workers.domain.converters import ValueMap
from sync_workers.domain.mapping import FieldRule, ListRule, Place, Sheet
from sync_workers.domain.native import plain


class FieldTypeLike(Protocol):
    """What ``check`` needs of a connector's ``FieldType``."""

    @property
    def type(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def choices(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a sheet; ``mend`` says what to write instead."""

    sheet: str
    field: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.sheet}: {self.field}: {self.what}; {self.mend}"


def check(sheet: Sheet, metadata: Mapping[str, Mapping[str, FieldTypeLike]]) -> list[Problem]:
    """Return everything that would go wrong with this sheet on these systems; empty is good.

    ``metadata`` is ``describe(kind)`` per system; a system that is not in it is not checked against.
    """
    return [*_rule_problems(sheet), *_collisions(sheet), *_metadata_problems(sheet, metadata)]


def _rule_problems(sheet: Sheet) -> Iterator[Problem]:
    """Find fields without a rule or a reason, and owners that would lose what others gave birth to."""
    for name, rule in _all_rules(sheet):
        if not rule.owner:
            yield Problem(
                sheet.source, name, "has no rule", "say whose it is: owner = a system, origin, once, shared"
            )
        if not rule.why:
            yield Problem(sheet.source, name, "has no reason", "write a sentence into why")
    for step in sheet.steps:
        if not step.why:
            yield Problem(sheet.source, f"step {step.name}", "has no reason", "write a sentence into why")
    for rule in sheet.fields:
        place = rule.places.get(rule.owner)
        others = [system for system in sheet.created_by if system != rule.owner and system in rule.places]
        if place is not None and others and not rule.at_birth and not place.read_only and not sheet.extends:
            yield Problem(
                sheet.source,
                rule.name,
                f"is owned by {rule.owner}, but a record born in {others[0]} would arrive there without it",
                f"say at_birth = true, or read_only = true in {rule.owner}",
            )


def _collisions(sheet: Sheet) -> Iterator[Problem]:
    """Find two rules that write one path."""
    for system in sheet.systems:
        written: dict[str, str] = {}
        if system in sheet.reference:
            written[sheet.reference[system]] = "our own reference"
        for name, rule in _all_rules(sheet):
            place = rule.places.get(system)
            if place is None or place.read_only:
                continue
            path = _full_path(sheet, name, place.path, system)
            if path in written:
                what = f"writes {path} in {system}, and so does {written[path]}"
                yield Problem(
                    sheet.source, name, what, "give each field a path of its own, or mark one read_only"
                )
            written[path] = name


def _metadata_problems(
    sheet: Sheet, metadata: Mapping[str, Mapping[str, FieldTypeLike]]
) -> Iterator[Problem]:
    for system in sheet.systems:
        if system not in metadata:
            continue
        has = metadata[system]
        for path in sheet.paths(system):
            if path not in has and not _is_id(path):
                yield Problem(
                    sheet.source,
                    path,
                    f"is not in {system}",
                    "create it there ('doctor --fix'), or correct the path",
                )
        yield from _place_problems(sheet, system, has)
        yield from _uncovered(sheet, system, has)


def _place_problems(sheet: Sheet, system: str, has: Mapping[str, FieldTypeLike]) -> Iterator[Problem]:
    for name, rule in _all_rules(sheet):
        place = rule.places.get(system)
        found = has.get(plain(_full_path(sheet, name, place.path, system))) if place is not None else None
        if place is None or found is None:
            continue
        if found.read_only and not place.read_only and rule.owner != system:
            what = f"is to be written, but {place.path} cannot be written in {system}"
            yield Problem(sheet.source, name, what, f"mark it read_only in {system}, or choose another path")
        converter = place.converter if isinstance(place, Place) else None
        if found.choices and isinstance(converter, ValueMap):
            unknown = [native for native, _ in converter.entries if native not in found.choices]
            if unknown:
                what = f"maps values that {system} does not know: {', '.join(unknown)}"
                yield Problem(sheet.source, name, what, f"choose from {', '.join(found.choices)}")


def _uncovered(sheet: Sheet, system: str, has: Mapping[str, FieldTypeLike]) -> Iterator[Problem]:
    """Find what a create in ``system`` needs and no rule gives."""
    if sheet.extends or not any(born != system for born in sheet.created_by):
        return
    given = {plain(rule.places[system].path) for rule in sheet.fields if rule.born_in(system)}
    given |= {plain(sheet.reference[system])} if system in sheet.reference else set()
    for rows in sheet.lists:
        if system in rows.places:
            given.add(plain(rows.places[system].path))
            given |= {
                plain(f"{rows.places[system].path}.{rule.places[system].path}")
                for rule in rows.fields
                if rule.born_in(system)
            }
    lists = [plain(rows.places[system].path) for rows in sheet.lists if system in rows.places]
    for path, field in has.items():
        parent = path.rpartition(".")[0]
        # A required field of a nested record matters only where the sheet creates such records.
        concerns_us = not parent or parent in lists or any(one.rpartition(".")[0] == parent for one in given)
        if field.required and not field.read_only and concerns_us and path not in given:
            what = f"must be filled in {system}, and no rule gives it"
            yield Problem(sheet.source, path, what, "add a field for it")


def _all_rules(sheet: Sheet) -> Iterator[tuple[str, FieldRule | ListRule]]:
    for rule in sheet.rules:
        yield rule.name, rule
    for rows in sheet.lists:
        for item in rows.fields:
            yield f"{rows.name}.{item.name}", item


def _full_path(sheet: Sheet, name: str, path: str, system: str) -> str:
    """Return a path from the record's top, also for a field of a list's items."""
    list_name, dot, _ = name.partition(".")
    if not dot:
        return path
    rows = sheet.rule(list_name)
    return f"{rows.places[system].path}.{path}" if system in rows.places else path


def _is_id(path: str) -> bool:
    """Every native record and item has an ``id``, whether or not the metadata lists it."""
    return path.rpartition(".")[2] == "id"
