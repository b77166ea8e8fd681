"""What a sheet says of one system, worked out once: a column per field, with its converter and its key.

A record has some twenty fields and a list of items with five each: what follows from the sheet alone is
not to be found out anew for every value. Pure; reading and writing by columns is ``translate``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from sync_workers.domain.converters import Converter
from sync_workers.domain.mapping import DERIVED, ORIGIN, FieldRule, ListRule, Sheet
from sync_workers.domain.native import picked_item, segments

T = TypeVar("T")


class Column(NamedTuple):
    """One field in one system. ``key`` is its path when that is a single name, else ''.

    ``needs``: the converter must know other fields first. ``is_unit``: it says in what the item is counted.
    """

    name: str
    key: str
    path: str
    converter: Converter
    needs: bool
    rule: FieldRule
    is_unit: bool = False


class Voice(NamedTuple):
    """Who decides a field among those who show it, while they agree: ``first``, before ``others``.

    ``first`` is '' where nobody shows it, and for derived fields.
    """

    rule: FieldRule
    first: str
    others: tuple[str, ...]


def voices_of(
    holder: Sheet | ListRule, origin: str, showing: tuple[str, ...], keeper: str = ""
) -> tuple[Voice, ...]:
    """Return a voice per field in the order of decision; ``showing`` are the systems in which the record is.

    ``keeper`` is the system that keeps the fields as they are while a lock holds.
    """
    return worked_out(holder, ("voices", origin, showing, keeper), lambda: tuple(
        _voice(rule, origin, showing, keeper) for rule in in_order(holder)
    ))


def born_in(holder: Sheet | ListRule, system: str) -> frozenset[str]:
    """Return the fields that a create in ``system`` carries."""
    return worked_out(holder, ("born", system), lambda: frozenset(
        rule.name for rule in holder.fields if rule.born_in(system)
    ))


def columns_of(holder: Sheet | ListRule, system: str) -> tuple[Column, ...]:
    """Return the columns of a record, or of a list's items, in one system, in the order of the sheet."""
    return worked_out(holder, ("columns", system), lambda: tuple(
        _column(rule, system) for rule in holder.fields if system in rule.places
    ))


def columns_by_name(holder: Sheet | ListRule, system: str) -> Mapping[str, Column]:
    """Return the same by field name."""
    return worked_out(holder, ("by name", system), lambda: {one.name: one for one in columns_of(holder, system)})


def picked_items(sheet: Sheet, system: str) -> tuple[str, ...]:
    """Return the paths of list items that fields are read from, such as ``addresses[0]``."""
    return worked_out(sheet, ("picked", system), lambda: tuple(dict.fromkeys(
        item for one in columns_of(sheet, system) if (item := picked_item(one.path)) is not None
    )))


def in_order(holder: Sheet | ListRule) -> tuple[FieldRule, ...]:
    """Return the fields in the order in which they are decided: those whose converter needs another after that one."""
    return worked_out(holder, "order", lambda: tuple(sorted(holder.fields, key=lambda rule: rule.rank)))


def worked_out(holder: Sheet | ListRule, key: object, work: Callable[[], T]) -> T:
    """Return what ``work`` gives, done once for this sheet or list. Two threads may do it twice, with one result."""
    found = holder.memo.get(key)
    if found is None:
        found = holder.memo[key] = work()
    return cast(T, found)


def _voice(rule: FieldRule, origin: str, showing: tuple[str, ...], keeper: str) -> Voice:
    places = [system for system in showing if system in rule.places]
    if not places or rule.owner == DERIVED:
        return Voice(rule, "", ())
    owner = origin if rule.owner == ORIGIN else rule.owner
    first = next((system for system in (keeper, owner, origin) if system in places), places[0])
    return Voice(rule, first, tuple(system for system in places if system != first))


def _column(rule: FieldRule, system: str) -> Column:
    place = rule.places[system]
    steps: tuple[Any, ...] = segments(place.path)
    key = steps[0].name if len(steps) == 1 and not steps[0].picks else ""
    return Column(rule.name, key, place.path, place.converter, bool(place.converter.needs), rule,
                  place.as_name == "unit")
