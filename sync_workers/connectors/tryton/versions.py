"""Versions of records: the server's stamps in one text, and a digest of what no stamp tells.

A price list does not stamp its products, a move not its invoice. Where a record shows such things, its version
covers them too, or a poll would take their change for a repeat; a write compares the stamps alone, which are
what the server compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

_SHOWN = "+"


def version_of(stamps: Mapping[str, str]) -> str:
    """Return one text that differs when the record or an item of it was changed, added or deleted."""
    newest = max(stamps.values(), key=float)
    return f"{newest}-{_digest(sorted(stamps.items()))}"


def version_showing(stamps: Mapping[str, str], shown: object) -> str:
    """Return a version that differs as well when ``shown`` does."""
    return f"{version_of(stamps)}{_SHOWN}{_digest(shown)}"


def stamps_in(version: str) -> str:
    """Return the part of a version that tells the stamps: what ``version_of`` says of them."""
    return version.partition(_SHOWN)[0]


def _digest(value: object) -> str:
    return f"{crc32(repr(value).encode()):08x}"
