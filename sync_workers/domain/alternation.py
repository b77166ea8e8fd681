"""Two machines that rewrite one field against each other (protocol G6), seen from our own writes.

The engine reads the history of one field of one record from the attempts and stops that field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync_workers.domain.records import Items, Value

WINDOW = timedelta(hours=1)
TIMES = 3
_IN_LIST = re.compile(r"(?P<list>[^\[]+)\[(?P<key>.*)\](?:\.(?P<field>[^.\]]+))?")


@dataclass(frozen=True)
class Turn:
    """One write of the field: when, what stood there, what we put."""

    at: datetime
    before: Value
    after: Value


def name_of(field: str) -> str:
    """Return the field or list of which a write names the whole: ``lines`` of ``lines[7].quantity``."""
    found = _IN_LIST.fullmatch(field)
    return found["list"] if found else field


def turns_in(field: str, at: datetime, before: Value, after: Value) -> Iterator[Turn]:
    """Yield what one write did to a field, to a field of an item, or to which items a list has.

    An item that is added anew has another key each time, so it is known by its values alone.
    """
    found = _IN_LIST.fullmatch(field)
    if found is None:
        yield Turn(at, before, after)
        return
    old, new, key, name = _items(before), _items(after), found["key"], found["field"]
    if name is None:
        for other in sorted(old.keys() ^ new.keys()):
            yield turn(at, {other: old[other]} if other in old else None, {other: new[other]} if other in new else None)
    elif key in old and key in new:
        yield Turn(at, old[key].get(name), new[key].get(name))


def turn(at: datetime, before: Value, after: Value) -> Turn:
    """Return a turn as ``turns_in`` gives it, of a value or of one item under its key."""
    return Turn(at, _without_key(before), _without_key(after))


def _without_key(value: Value) -> Value:
    return {"": next(iter(value.values()))} if isinstance(value, dict) and value else value


def _items(value: Value) -> Items:
    return value if isinstance(value, dict) else {}


def alternates(history: Iterable[Turn], now: datetime) -> bool:
    """Say whether the newest write only repeats a swap of the same two values, the third within the hour.

    ``history`` is in any order and holds the write about to be made as its newest turn. Both
    directions count: on a shared field the two values are carried to and fro.
    """
    turns = sorted((turn for turn in history if now - WINDOW < turn.at <= now), key=lambda turn: turn.at)
    if not turns:
        return False
    newest = turns[-1]
    pair = (newest.before, newest.after)
    if pair[0] == pair[1]:
        return False
    swaps = [turn for turn in turns if (turn.before, turn.after) in (pair, pair[::-1])]
    return len(swaps) >= TIMES
