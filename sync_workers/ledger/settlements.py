"""How a run ends, as data: what the engine hands to ``settle`` and ``flush``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sync_workers.ledger.claims import Claim
from sync_workers.ledger.links import Place
from sync_workers.ledger.refs import RefState
from sync_workers.ledger.works import ErrorInfo

ENDINGS = ("done", "retry", "park", "hold", "dead", "release")


@dataclass(frozen=True)
class Closing:
    """What became of one attempt; ``response`` is redacted and capped by the caller."""

    attempt_id: int
    status: str
    response: Any
    took_ms: float | None
    note: str | None = None


@dataclass(frozen=True)
class OverruleRow:
    """A change that lost and was put back; ``lost`` and ``won`` as JSON data."""

    field: str
    system: str
    lost: Any
    winner: str
    won: Any
    rule: str
    mapping_version: int


@dataclass(frozen=True)
class HoldInfo:
    """Why a record is held, what would release it, and how soon to look again (None: only news can)."""

    code: str
    reason: str
    mend: str = ""
    recheck_s: float | None = None


@dataclass(frozen=True)
class Flush:
    """What a run that goes on has to keep: refs as written, answers, overrules (protocol S5)."""

    claim: Claim
    refs: Sequence[RefState] = ()
    closings: Sequence[Closing] = ()
    overrules: Sequence[OverruleRow] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.refs or self.closings or self.overrules)


@dataclass(frozen=True)
class Settlement:
    """How a run ends.

    ``counts``: a retry that costs budget. ``stale``: it read facts older than their news (S6).
    ``again``: stay due (after ``wait_s``) although all is settled (G3). ``linked``: this run linked the
    record to a system, its waiters wake, and so do the facets with a row at the places ``beside`` it.
    ``waits_in`` is the system in which a parked record needs ``waits_for`` to be linked. ``facts`` are kept
    for the next look at a held or dead record (G9).
    """

    claim: Claim
    ending: str
    outcome: str | None = None
    facts: str | None = None
    again: bool = False
    wait_s: float | None = None
    error: ErrorInfo | None = None
    hold: HoldInfo | None = None
    waits_for: int | None = None
    note: str | None = None
    counts: bool = False
    refs: Sequence[RefState] = ()
    closings: Sequence[Closing] = ()
    overrules: Sequence[OverruleRow] = ()
    linked: bool = False
    beside: Sequence[Place] = ()
    alert: bool = False
    stale: bool = False
    waits_in: str | None = None
    mapping_version: int | None = None

    def __post_init__(self) -> None:
        if self.ending not in ENDINGS:
            raise ValueError(f"record {self.claim.id}: {self.ending!r} is no ending, use one of {ENDINGS}")
        needs = {"retry": self.wait_s, "park": self.waits_for, "hold": self.hold, "dead": self.error}
        if needs.get(self.ending, "") is None:
            raise ValueError(f"record {self.claim.id}: the ending {self.ending!r} lacks its detail")
