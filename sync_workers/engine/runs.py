"""One record's run: what the engine knows while it holds the lease, and nothing that outlives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.domain.mapping import Sheet
from sync_workers.domain.records import Overrule, Ref, Value, View, Write
from sync_workers.domain.values import fingerprint
from sync_workers.errors import Hold
from sync_workers.ledger.records import AttemptRow, Work
from sync_workers.ledger.settle import Closing, Settlement


@dataclass(frozen=True)
class Again:
    """A record to come back to, and how soon: a wake-up for the fleet to publish beside the ledger's date."""

    id: int
    kind: str
    wait_s: float


@dataclass
class Drained:
    """What one drain did, by ending and outcome, and which records want another look soon.

    ``settled`` are those that went through; ``again`` names those of them of which there was news meanwhile, too.
    """

    counts: dict[str, int] = field(default_factory=dict)
    again: list[Again] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


@dataclass
class Call:
    """One write between its plan and its settled answer. ``attempt_id`` is set once the row is committed."""

    write: Write
    reference: str
    key: str
    attempt_id: int | None = None
    sure_at: datetime | None = None
    sent: bool = False


@dataclass(eq=False)
class Run:
    """The state of one claimed record. ``deadline`` is the lease's end on our monotonic clock.

    ``stopped`` is a hold that a step of a target met: the other systems are told of it before the run ends,
    and ``told`` is set when a note has said so. ``refs`` and ``views`` follow the run as writes succeed; ``dirty``
    names the systems whose ref has to be stored with its end, ``loaded`` are the refs as the ledger has them.
    Exactly one of ``call`` and
    ``ending`` is set between rounds. ``heard`` are the systems that answered a read and whose circuit
    has not been told; ``left_out`` are links that would close a circle and come in a second pass (D3),
    or lead to what is gone;
    ``probes`` are systems that were down and that this run tests; ``put_back`` are those written since the
    last commit; ``united`` those in which its counterpart became one with its twin's; ``found`` is what a look-up
    for the whole batch showed of its natural key, good for one question; ``found_creates`` are open creates whose
    record is there, with what to note of them once it has been read.
    """

    work: Work
    sheet: Sheet
    deadline: float
    refs: dict[str, Ref] = field(default_factory=dict)
    loaded: dict[str, Ref] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    natives: dict[str, Native] = field(default_factory=dict)
    decided: list[tuple[int, str, str]] = field(default_factory=list)
    looked_after: set[int] = field(default_factory=set)
    found_creates: list[tuple[AttemptRow, str]] = field(default_factory=list)
    returned: dict[str, dict[str, Value]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    closings: list[Closing] = field(default_factory=list)
    overrules: list[Overrule] = field(default_factory=list)
    call: Call | None = None
    ending: Settlement | None = None
    shown: Mapping[str, Mapping[str, Value] | None] | None = None
    wrote: bool = False
    linked: bool = False
    rounds: int = 0
    notes: list[str] = field(default_factory=list)
    talking_to: str = ""
    stopped: Hold | None = None
    told: bool = False
    united: set[str] = field(default_factory=set)
    joined: int | None = None
    found: dict[str, list[Native]] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    probes: set[str] = field(default_factory=set)
    put_back: set[str] = field(default_factory=set)
    native_write: NativeWrite = field(init=False, repr=False)

    @property
    def facts(self) -> str | None:
        """The print of what the systems showed when the run was last planned, which only a stopped record needs."""
        return None if self.shown is None else fingerprint(self.shown)

    @property
    def id(self) -> int:
        return self.work.claim.id

    @property
    def kind(self) -> str:
        return self.work.claim.kind

    @property
    def origin(self) -> str:
        return self.work.claim.origin_system

    @property
    def reference(self) -> str:
        """Our own reference, derived from the origin alone; later incarnations add their number."""
        return reference_of(
            self.origin, self.kind, self.work.claim.origin_id, self.work.claim.incarnation
        )


def reference_of(origin_system: str, kind: str, origin_id: str, incarnation: int = 1) -> str:
    """Return what a target stores to be found again, such as ``crm-order-9001``, or ``crm-order-9001~2``."""
    again = f"~{incarnation}" if incarnation > 1 else ""
    return f"{origin_system}-{kind}-{origin_id}{again}"


def origin_in(reference: str, systems: Mapping[str, object]) -> tuple[str, str, str] | None:
    """Read (system, kind, id) out of a reference of ours; None when it is somebody else's text."""
    parts = reference.partition("~")[0].split("-", 2)
    if len(parts) != 3 or parts[0] not in systems or not parts[2]:
        return None
    return parts[0], parts[1], parts[2]
