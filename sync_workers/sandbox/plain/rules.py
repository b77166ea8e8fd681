"""The habits of one kind on a plain server, and what a record is there.

Pure: how a value is stored, which ones are refused. Keeping the records belongs to ``store``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sync_workers.sandbox.plain.nesting import Json, keep, leaves, rewrite

ACTIONS: Mapping[str, Json] = {
    "quote": {"state": "quotation"},
    "confirm": {"state": "confirmed"},
    "process": {"state": "processing"},
    "post": {"state": "posted"},
    "cancel": {"state": "cancelled"},
}


class Refusal(Exception):
    """A request that the server answers with an error."""

    def __init__(self, status: int, error: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": error, "message": message, **more}


@dataclass
class Rules:
    """How one kind behaves. Paths are dotted; ``known`` None means that any field is stored.

    ``unique``: a second live record with the value is refused (T1). ``find_lag_s``: how long a
    look-up is blind to a new record (T3). ``decimals``: what numbers are rounded to, per path.
    ``upper``: paths whose text is stored in capitals. ``refused``: values answered with 422.
    ``required``: paths that a create must fill. ``thin``: writes answer with the id alone.
    ``stamp_s``: how coarse the change stamp is.
    """

    unique: tuple[str, ...] = ()
    find_lag_s: float = 0.0
    versions: bool = True
    decimals: dict[str, int] = field(default_factory=dict)
    upper: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    refused: dict[str, list[Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    thin: bool = False
    stamp_s: float = 0.0
    actions: dict[str, Json] = field(default_factory=lambda: dict(ACTIONS))
    types: dict[str, Json] = field(default_factory=dict)

    def stamp(self, now: float) -> float:
        """Return the change stamp as coarse as this system writes it."""
        return now - now % self.stamp_s if self.stamp_s else now

    def settle(self, kind: str, fields: Json) -> Json:
        """Store as this system stores: unknown fields dropped, numbers rounded, texts re-cased."""
        if self.known is not None:
            known = self.known
            fields = keep(
                fields, lambda path: any(path == each or path.startswith(f"{each}.") for each in known)
            )
        for path, values in self.refused.items():
            for found, value in leaves(fields):
                if found == path and value in values:
                    raise Refusal(422, "invalid", f"{kind}: {path} may not be {value!r}", field=path)
        if not self.decimals and not self.upper:
            return fields

        def change(path: str, value: Any) -> Any:
            if path in self.decimals:
                return _round(value, self.decimals[path])
            return value.upper() if path in self.upper and isinstance(value, str) else value

        settled: Json = rewrite(fields, change)
        return settled


@dataclass
class Record:
    """One stored record; ``fields`` is replaced on each change, never altered."""

    kind: str
    id: str
    fields: Json
    version: int
    changed_at: float
    created_at: float
    by: str
    archived: bool = False
    same_as: tuple[str, ...] = ()

    def dump(self) -> Json:
        return {
            "id": self.id,
            "version": self.version,
            "changed_at": datetime.fromtimestamp(self.changed_at, UTC).isoformat(),
            "archived": self.archived,
            "by": self.by,
            "fields": self.fields,
        }


def _round(value: Any, places: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    try:
        rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:
        return value
    return str(rounded) if isinstance(value, str) else float(rounded)
