"""One CRM record and the origin of a change to it: plain data, changed only by ``records``."""

from __future__ import annotations

from dataclasses import dataclass, field

from sync_workers.sandbox.hubspot.wire import Json


@dataclass(frozen=True)
class Origin:
    """Who makes a change, in the terms of webhooks and of property history."""

    source: str
    source_id: str
    user_id: int | None = None


@dataclass
class Record:
    """One CRM record; ``values`` holds the texts, a cleared property is absent."""

    type_id: str
    id: str
    created_ms: int
    updated_ms: int
    values: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Json]] = field(default_factory=dict)
    archived_ms: int | None = None
    merged_into: str | None = None
    indexed: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """What the search sees: (visible from, values), oldest first."""

    @property
    def is_live(self) -> bool:
        return self.archived_ms is None and self.merged_into is None
