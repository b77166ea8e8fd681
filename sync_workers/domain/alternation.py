"""Two machines that rewrite one field against each other (protocol G6), seen from our own writes.

The engine reads the history of one field of one record from the attempts and stops that field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync_workers.domain.records import Value

WINDOW = timedelta(hours=1)
TIMES = 3


@dataclass(frozen=True)
class Turn:
    """One write of the field: when, what stood there, what we put."""

    at: datetime
    before: Value
    after: Value


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
