"""The mapping sheets on disk: loaded, checked against what the systems have, and written for people.

What a sheet means is in ``domain.mapping``; what a merge makes of it in ``domain.merge``. Problems
that need no system (a wrong key, two rules for one name) are refused while loading.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sync_workers.domain.converters import ValueMap
from sync_workers.domain.mapping import DERIVED, FieldRule, ListRule, Place, Sheet
from sync_workers.domain.native import plain
from sync_workers.domain.parsing import parse
from sync_workers.errors import SettingsError

_FILE = re.compile(r"v([1-9]\d*)\.toml")


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


def load_sheets(folder: Path, systems: Iterable[str] | None = None) -> dict[str, dict[int, Sheet]]:
    """Return kind -> version -> sheet from ``<kind>/v<N>.toml``. SettingsError names the file and key.

    ``systems`` are the configured ones; where given, a place in any other is refused.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder", mend="run 'sync-workers init', or set SYNC_CONFIG")
    known = None if systems is None else tuple(systems)
    sheets: dict[str, dict[int, Sheet]] = {}
    for file in sorted(folder.glob("*/*.toml")):
        sheet = load_sheet(file, known)
        sheets.setdefault(sheet.kind, {})[sheet.version] = sheet
    return sheets


def load_sheet(file: Path, systems: Iterable[str] | None = None) -> Sheet:
    """Return one sheet; its kind and version must be those that its path says."""
    source = f"{file.parent.name}/{file.name}"
    named = _FILE.fullmatch(file.name)
    if named is None:
        raise SettingsError(f"{source}: a sheet's file is called v<number>.toml", mend=f"rename {source}")
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source}: not readable as TOML: {error}", mend=f"correct {source}") from error
    sheet = parse(data, source, systems)
    if sheet.kind != file.parent.name or sheet.version != int(named[1]):
        raise SettingsError(
            f"{source}: says kind {sheet.kind!r}, version {sheet.version}",
            mend="make kind, version, folder and file name say the same",
            field="kind",
        )
    return sheet


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


def page(sheet: Sheet) -> str:
    """Return the sheet as reStructuredText for the people who sign it."""
    title = f"{sheet.title or sheet.kind.replace('_', ' ').capitalize()}, version {sheet.version}"
    lines = [title, "=" * len(title), "", *_birth(sheet), ""]
    lines += _table(sheet.systems, sheet.fields)
    for rows in sheet.lists:
        heading = rows.name.replace("_", " ").capitalize()
        lines += [heading, "-" * len(heading), "", f"{_sentence(rows.why)}. Who decides: {_who(rows)}.", ""]
        lines += _table(sheet.systems, rows.fields)
    if sheet.steps:
        lines += ["Steps", "-----", ""]
        for step in sheet.steps:
            when = " and ".join(f"{one.field} is {_words(one.values)}" for one in (*step.when, *step.needs))
            lines += [f"- **{step.name}** in {step.system} when {when}: {step.why}."]
        lines += [""]
    return "\n".join(lines)


def _birth(sheet: Sheet) -> Iterator[str]:
    if sheet.extends:
        yield f"Part of each {sheet.extends}: it lives where the {sheet.extends} lives."
        return
    born = " or ".join(sheet.created_by)
    when = sheet.created_when
    only = f", once {when.field} is {_words(when.values)}" if when else ""
    yield f"A new one may come from {born}{only}; it is then created in the other systems."
    if sheet.natural_keys:
        keys = ", ".join(key.replace("_", " ") for key in sheet.natural_keys)
        yield f"Before that, the other systems are searched for one with the same {keys}."
    places = ", ".join(f"``{path}`` of {system}" for system, path in sorted(sheet.reference.items()) if path)
    if places:
        yield f"Our own reference, by which it is found again, stands in {places}."


def _table(systems: tuple[str, ...], rules: Iterable[FieldRule]) -> list[str]:
    rows = [["Field", "Who decides", "Why", *systems]]
    for rule in rules:
        seen = [_seen(rule.places.get(system)) for system in systems]
        rows.append([rule.name.replace("_", " "), _who(rule), _sentence(rule.why), *seen])
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if at == 0 else '  -'} {cell}".rstrip() for at, cell in enumerate(row)]
    return [*lines, ""]


def _who(rule: FieldRule | ListRule) -> str:
    words = {
        "origin": "the system it was born in",
        "once": "copied once, then each system keeps its own",
        "": "nobody yet",
    }
    if isinstance(rule, FieldRule) and rule.owner == DERIVED:
        return f"computed ({rule.by}) from {', '.join(rule.sources)}"
    if rule.owner == "shared":
        prefer = rule.prefer if isinstance(rule, FieldRule) else ""
        last = {"ask": "a person decides", "newest": "the newest wins", "": "both keep what was added"}
        return f"whoever changed it last; if both did, {last.get(prefer, f'{prefer} wins')}"
    who = words.get(rule.owner, rule.owner)
    return f"{who}; also filled when born elsewhere" if isinstance(rule, FieldRule) and rule.at_birth else who


def _seen(place: Place | None) -> str:
    if place is None:
        return ""
    notes = [] if place.as_name == "text" else [place.as_name.replace("_", " ")]
    notes += [f"{native} = {canonical}" for native, canonical in getattr(place.converter, "entries", ())]
    notes += ["only read"] if place.read_only else []
    return f"``{place.path}``" + (f" ({', '.join(notes)})" if notes else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(values: Iterable[object]) -> str:
    return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
