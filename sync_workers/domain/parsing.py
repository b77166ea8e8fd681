"""A sheet's TOML, already read into a dict, made into a ``Sheet`` or refused with file, field and key.

Pure: the file is read by ``mappings``. What only a system's metadata can tell is checked there too, and what
does not fit together by ``soundness``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn, cast

from marshmallow import Schema, ValidationError

from sync_workers.domain.amounts import Units
from sync_workers.domain.checks import CHECKS
from sync_workers.domain.mapping import (
    DERIVED,
    OWNER_WORDS,
    Check,
    Condition,
    FieldRule,
    ListPlace,
    ListRule,
    Place,
    Sheet,
    Step,
)
from sync_workers.domain.native import segments
from sync_workers.domain.records import Scalar
from sync_workers.domain.registry import OPTIONS, build_converter
from sync_workers.domain.shapes import (
    CheckShape,
    FieldShape,
    ItemFieldShape,
    ListShape,
    PlaceShape,
    SheetShape,
    StepShape,
)
from sync_workers.domain.soundness import faults_of_field, faults_of_sheet
from sync_workers.errors import SettingsError

PLACE_WORDS = ("path", "as", "read_only", "note")


def parse(data: Mapping[str, Any], source: str = "sheet", systems: Iterable[str] | None = None) -> Sheet:
    """Return the sheet. SettingsError names ``source``, the field and the key that are wrong.

    ``systems`` are the configured ones when the caller knows them; a place in any other is then refused.
    """
    return _Parser(source, None if systems is None else frozenset(systems)).sheet(data)


class _Parser:
    """Carries the file's name and the sheet's units through the reading of one sheet."""

    def __init__(self, source: str, systems: frozenset[str] | None) -> None:
        self.source = source
        self.systems = systems
        self.units: dict[str, Units] = {}

    def sheet(self, data: Mapping[str, Any]) -> Sheet:
        shape = self._load(SheetShape(), data, "")
        self.units = {system: self._unit_table(system, table) for system, table in shape["units"].items()}
        rules = tuple(self._field(row, f"field[{at}]") for at, row in enumerate(shape["field"]))
        lists = tuple(self._list(row, f"list[{at}]") for at, row in enumerate(shape["list_"]))
        sheet = Sheet(
            kind=shape["kind"],
            version=shape["version"],
            title=shape["title"],
            created_by=tuple(shape["created_by"]),
            created_when=self._condition(shape["created_when"]) if "created_when" in shape else None,
            extends=shape["extends"],
            worth=shape["worth"],
            shows_archived=tuple(shape["shows_archived"]),
            objects=shape["object"],
            reference=shape["reference"],
            natural_keys=tuple(shape["natural_keys"]),
            fields=rules,
            lists=lists,
            steps=tuple(self._step(row, f"step[{at}]") for at, row in enumerate(shape["step"])),
            checks=tuple(self._check(row, f"check[{at}]") for at, row in enumerate(shape["check"])),
            source=self.source,
        )
        for where, key, message in faults_of_sheet(sheet):
            self._refuse(where, key, message)
        return sheet

    def _load(self, schema: Schema, data: Mapping[str, Any], where: str) -> Any:
        try:
            return schema.load(data)
        except ValidationError as error:
            key, message = _first_message(cast(Mapping[str, Any], error.messages))
            self._refuse(where, key, message)

    def _refuse(self, where: str, key: str, message: str) -> NoReturn:
        spot = ": ".join(part for part in (self.source, where, key) if part)
        raise SettingsError(
            f"{spot}: {message}", mend=f"correct {key or where} in {self.source}", field=where or key
        )

    def _unit_table(self, system: str, table: Mapping[str, str]) -> Units:
        entries = []
        for native, text in table.items():
            count, _, unit = text.strip().rpartition(" ")
            try:
                factor = Fraction(count) if count else Fraction(1)
            except (ValueError, ZeroDivisionError):
                self._refuse("units", f"{system}.{native}", f"{text!r} is not '<number> <unit>'")
            if factor <= 0:
                self._refuse("units", f"{system}.{native}", "the number of units must be above zero")
            entries.append((native, factor, unit))
        return Units(tuple(entries))

    def _field(self, row: Mapping[str, Any], where: str, list_owner: str | None = None) -> FieldRule:
        where = f"{where} {row['name']!r}" if isinstance(row.get("name"), str) else where
        shape = self._load(FieldShape() if list_owner is None else ItemFieldShape(), row, where)
        known = {spot.data_key or name for name, spot in FieldShape().fields.items()}
        places = {
            system: self._place(where, system, place, shape["as_"])
            for system, place in row.items()
            if system not in known
        }
        if not places and shape["owner"] != DERIVED:
            self._refuse(where, "", "has no place in any system")
        owner = list_owner if shape["owner"] is None else shape["owner"]
        rule = FieldRule(
            name=shape["name"],
            owner=owner or "",
            why=shape["why"].strip(),
            places=places,
            prefer=shape["prefer"],
            sources=tuple(shape["from_"]),
            by=shape["by"],
            required=shape["required"],
            at_birth=shape["at_birth"],
            when_blank=shape["when_blank"],
            locked_when=_conditions(shape["locked_when"]),
        )
        for key, message in faults_of_field(rule):
            self._refuse(where, key, message)
        return rule

    def _place(self, where: str, system: str, place: Any, default_as: str) -> Place:
        self._check_system(where, system)
        table = {"path": place} if isinstance(place, str) else place
        if not isinstance(table, Mapping):
            self._refuse(where, system, f"must be a path or a table with a path, not {place!r}")
        shape = self._load(PlaceShape(), table, f"{where}: {system}")
        options = {key: value for key, value in table.items() if key not in PLACE_WORDS}
        for option in options:
            if option not in OPTIONS:
                self._refuse(
                    where, f"{system}.{option}", f"is no option of a place; there are {', '.join(OPTIONS)}"
                )
        as_name = shape["as_"] or ("map" if "map" in options else default_as or "text")
        try:
            segments(shape["path"])
            converter = build_converter(as_name, options, self.units.get(system))
        except ValueError as error:
            self._refuse(where, system, str(error))
        if shape["note"] and shape["read_only"]:
            self._refuse(where, f"{system}.note", "tells what we write there, and nothing is")
        return Place(shape["path"], converter, as_name, read_only=shape["read_only"], noted=shape["note"])

    def _list(self, row: Mapping[str, Any], where: str) -> ListRule:
        where = f"{where} {row['name']!r}" if isinstance(row.get("name"), str) else where
        shape = self._load(ListShape(), row, where)
        places: dict[str, ListPlace] = {}
        for system, place in row.items():
            if system in ListShape().fields:
                continue
            self._check_system(where, system)
            table = {"path": place} if isinstance(place, str) else place
            if not isinstance(table, Mapping) or set(table) - {"path", "read_only"}:
                self._refuse(where, system, f"must be a path or a table of path and read_only, not {place!r}")
            loaded = self._load(PlaceShape(), table, f"{where}: {system}")
            try:
                picks = any(step.picks for step in segments(loaded["path"]))
            except ValueError as error:
                self._refuse(where, system, str(error))
            if picks:
                self._refuse(where, system, "a list's path must not pick an item")
            places[system] = ListPlace(loaded["path"], shape["key"].get(system, ""), loaded["read_only"])
        for system in places:
            if not places[system].key:
                self._refuse(
                    where, f"key.{system}", "is missing: name the item's field that holds the item key, or id"
                )
        if shape["owner"] in (DERIVED,) or (shape["owner"] and shape["owner"] not in (*OWNER_WORDS, *places)):
            self._refuse(where, "owner", f"{shape['owner']!r} cannot own this list")
        rules = tuple(
            self._field(item, f"{where}: field[{at}]", list_owner=shape["owner"])
            for at, item in enumerate(shape["field"])
        )
        locked_when = _conditions(shape["locked_when"])
        return ListRule(shape["name"], shape["owner"], shape["why"].strip(), places, rules, locked_when)

    def _step(self, row: Mapping[str, Any], where: str) -> Step:
        shape = self._load(StepShape(), row, where)
        self._check_system(where, shape["system"])
        return Step(
            name=shape["name"],
            system=shape["system"],
            why=shape["why"].strip(),
            when=_conditions(shape["when"]),
            needs=_conditions(shape["needs"]),
            was=_conditions(shape["was"]),
        )

    def _check(self, row: Mapping[str, Any], where: str) -> Check:
        shape = self._load(CheckShape(), row, where)
        name = shape["name"]
        if name not in CHECKS:
            self._refuse(where, "name", f"no check is called {name!r}; there are {', '.join(CHECKS)}")
        for system in (shape["system"], shape["quoted_by"]):
            self._check_system(where, system)
        options = {key: str(value) for key, value in row.items() if key not in CheckShape().fields}
        for option in options:
            if option not in CHECKS[name].options:
                self._refuse(where, option, f"the check {name!r} takes no such option")
        return Check(
            name, shape["system"], tuple(shape["before"]), shape["why"].strip(), shape["quoted_by"], options
        )

    def _condition(self, shape: Mapping[str, Any]) -> Condition:
        if ("is_" in shape) == ("in_" in shape):
            self._refuse("created_when", "is", "give either is = value or in = [values]")
        values = [shape["is_"]] if "is_" in shape else shape["in_"]
        return Condition(shape["field"], tuple(_scalar(value) for value in values))

    def _check_system(self, where: str, system: str) -> None:
        if self.systems is not None and system not in self.systems:
            known = ", ".join(sorted(self.systems))
            self._refuse(where, system, f"is neither a known key nor a configured system ({known})")


def _conditions(table: Mapping[str, Any]) -> tuple[Condition, ...]:
    return tuple(Condition(field, _options(value)) for field, value in table.items())


def _options(value: Any) -> tuple[Scalar, ...]:
    return tuple(_scalar(one) for one in value) if isinstance(value, list) else (_scalar(value),)


def _scalar(value: Any) -> Scalar:
    """Write a TOML number as the canonical values do."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    found: Scalar = value
    return found


def _first_message(messages: Mapping[Any, Any]) -> tuple[str, str]:
    """Take marshmallow's nested messages apart into a dotted key and one sentence."""
    key, inner = next(iter(messages.items()))
    name = "" if key == "_schema" else str(key).rstrip("_")
    if isinstance(inner, Mapping):
        rest, message = _first_message(inner)
        return ".".join(part for part in (name, rest) if part), message
    return name, str(inner[0])
