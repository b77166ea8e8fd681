"""HubSpot's notices and our polls, held back: let through late, doubled and in any order, as a seed draws it.

What leaves the bag is posted as HubSpot posts it, signed anew over the same events, so that the receiver sees
a delivery like any other. A poll is doubled by setting its position back to where an earlier one began.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sync_workers.flows import polling
from sync_workers.ledger import cursors, records
from sync_workers.sandbox.hubspot.posting import post
from tests.acceptance.cash import DOCUMENTS
from tests.acceptance.distributor import Distributor, Json

KINDS = ("order", *DOCUMENTS)
MOST_AT_ONCE = 5


@dataclass
class Mailbag:
    """Everything that was announced since it was opened: ``waiting`` has not arrived yet, ``arrived`` has."""

    at: Distributor
    draw: random.Random
    waiting: list[Json] = field(default_factory=list)
    arrived: list[Json] = field(default_factory=list)
    _positions: dict[str, list[Json]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at.crm.delivery.pause()
        for kind in KINDS:
            with self.at.ledger.transaction() as tx:
                self._positions[kind] = [cursors.position(tx, "erp", kind)]

    def collect(self) -> None:
        """Take what HubSpot would send now."""
        delivery = self.at.crm.delivery
        queued = delivery.dump()
        delivery.clear()
        self.waiting += [*queued["waiting"], *(event for batch in queued["batches"] for event in batch["events"])]

    def deliver_some(self, share: float = 0.4, again: float = 0.15) -> None:
        """Let a share of what waits arrive, and of what has arrived a share once more, mixed."""
        self.collect()
        late = [event for event in self.waiting if self.draw.random() < share]
        self.waiting = [event for event in self.waiting if event not in late]
        doubled = [event for event in self.arrived if self.draw.random() < again]
        self._deliver([*late, *doubled])
        self.arrived += late

    def deliver_the_rest(self) -> None:
        """Let all that waits arrive, and then everything once more, the newest first."""
        self.collect()
        self._deliver(self.waiting)
        self.arrived, self.waiting = [*self.arrived, *self.waiting], []
        self._deliver(self.arrived[::-1], shuffled=False)

    def poll_some(self, share: float = 0.35, again: float = 0.3) -> None:
        """Poll some kinds, the documents of an order before the order as well as after, from now or from before."""
        for kind in self.draw.sample(KINDS, len(KINDS)):
            if self.draw.random() < share:
                if self.draw.random() < again:
                    self._go_back(kind, self.draw.choice(self._positions[kind]))
                polling.poll(self.at.runtime, "erp", kind)
                with self.at.ledger.transaction() as tx:
                    self._positions[kind].append(cursors.position(tx, "erp", kind))

    def poll_all_again(self) -> None:
        """Poll every kind from where the bag was opened."""
        for kind in reversed(KINDS):
            self._go_back(kind, self._positions[kind][0])
            polling.poll(self.at.runtime, "erp", kind)

    def work_some(self, share: float = 0.6) -> None:
        """Work off a share of what is due, in any order."""
        with self.at.ledger.transaction() as tx:
            due = [record_id for record_id, *_ in records.due(tx, limit=500)]
        chosen = [record_id for record_id in self.draw.sample(due, len(due)) if self.draw.random() < share]
        if chosen:
            self.at.drain(chosen)

    def close(self) -> None:
        """Let HubSpot deliver by itself again."""
        self.at.crm.delivery.resume()

    def in_any_order(self, *deeds: Callable[[], None]) -> None:
        for deed in self.draw.sample(deeds, len(deeds)):
            deed()

    def _go_back(self, kind: str, position: Json) -> None:
        self.at.ledger.run(lambda tx: cursors.move_back(tx, "erp", kind, position))

    def _deliver(self, events: Sequence[Json], *, shuffled: bool = True) -> None:
        mixed = self.draw.sample(events, len(events)) if shuffled else list(events)
        while mixed:
            size = self.draw.randint(1, MOST_AT_ONCE)
            batch, mixed = mixed[:size], mixed[size:]
            made = post(self.at.crm.settings, batch, 0, self.at.crm.now_ms())
            assert made.is_accepted, f"the receiver answered {made.status} {made.error}: {made.body!r}"
