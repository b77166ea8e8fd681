"""Stock figures as a system showed them, and which of them cannot be right.

What becomes of them is ``ledger.stock``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

LARGEST = Decimal(10) ** 18
LONGEST = 200
_FIGURES = ("on_hand", "allocated", "available")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # unicodedata's Cc and Cs


@dataclass(frozen=True)
class Reading:
    """One part's figures in one system, in base units, and when (its clock) they were read.

    ``further`` stands for all else that was shown, so that a change of it is seen: equal text, nothing changed.
    """

    external_id: str
    part_number: str
    on_hand: Decimal
    allocated: Decimal
    available: Decimal
    at: datetime
    further: str = ""


@dataclass(frozen=True)
class Refusal:
    """A reading that cannot be kept, and why; all others go through."""

    external_id: str
    reason: str


def fault_of(reading: Reading) -> str | None:
    """Say what makes a reading impossible to keep, None when it is fine."""
    for name in ("external_id", "part_number", "further"):
        text = getattr(reading, name)
        if not isinstance(text, str) or (name == "external_id" and not text):
            return f"{name} is {text!r}"
        if len(text) > LONGEST or _UNSTORABLE.search(text):
            return f"{name} holds control characters or is longer than {LONGEST}"
    for name in _FIGURES:
        figure = getattr(reading, name)
        if not isinstance(figure, Decimal) or not figure.is_finite() or abs(figure) >= LARGEST:
            return f"{name} is {figure!s:.40}"
    if not isinstance(reading.at, datetime) or reading.at.tzinfo is None:
        return "it has no time with a zone"
    return None


def shown(reading: Reading) -> str:
    """Write the figures as the ledger does, for a first comparison: equal text, equal and sound figures."""
    return (f"{reading.part_number}\t{reading.on_hand!s}\t{reading.allocated!s}\t{reading.available!s}"
            f"\t{reading.further}")


def is_same(reading: Reading, known: str) -> bool:
    """Compare a sound reading with the text of one that is kept: 5.000 is 5."""
    part_number, on_hand, allocated, available, further = known.split("\t")
    return (part_number == reading.part_number and further == reading.further
            and Decimal(on_hand) == reading.on_hand and Decimal(allocated) == reading.allocated
            and Decimal(available) == reading.available)


def are_plain(external_ids: Sequence[str], times: Collection[datetime]) -> bool:
    """Say whether ids can stand in one text and times be compared, without a look at each reading."""
    return (len(set(external_ids)) == len(external_ids) and _UNSTORABLE.search("".join(external_ids)) is None
            and all(isinstance(at, datetime) and at.tzinfo is not None for at in times))
