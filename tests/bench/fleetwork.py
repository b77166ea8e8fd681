"""What the fleet makes of many events on few records, of a slow system, and what it weighs."""

from __future__ import annotations

from tests.bench import deliveries, load
from tests.bench.figures import Bound, Figure
from tests.bench.machinery import Target, pss_mb
from tests.bench.stacks import Fleet

RECORDS, EDITS = 50, 20
DELAY_S, IN_FLIGHT = 0.05, 8
CONNECTIONS = 32


class Coalescing:
    """Figure 6: many edits of few records come in a burst; few writes go out, and the last edit wins."""

    def __init__(self) -> None:
        self.writes = Figure(f"{RECORDS * EDITS:,} events on {RECORDS} records: writes to the ERP", "writes",
                             Bound(200, 100, at_least=False))
        self.figures = [self.writes]

    def round(self, fleet: Fleet, target: Target, number: int) -> None:
        target.control("forget", {})
        fleet.forget()
        requests = [deliveries.request(fleet.path, deliveries.body(record, edit=edit, run=f"c{number}"))
                    for edit in range(EDITS) for record in range(RECORDS)]
        sent = load.burst(fleet.url, requests, connections=CONNECTIONS)
        fleet.wait_done(0, 300)
        stale = fleet.one("SELECT count(*) FROM refs WHERE system = 'erp' AND held->>'notes' NOT LIKE %s",
                          f"%revision {EDITS - 1}")
        if stale or target.count() != RECORDS:
            raise AssertionError(f"{target.count()} orders for {RECORDS} records, {stale} without the last edit")
        self.writes.add(target.count() + target.count("order.update"), accepted_per_s=sent.rate)


class SlowSystem:
    """Figure 8: a system that takes 50 ms and allows eight calls at a time is kept busy."""

    def __init__(self) -> None:
        possible = IN_FLIGHT / DELAY_S
        self.share = Figure(f"against a {DELAY_S * 1000:.0f} ms ERP with {IN_FLIGHT} calls allowed in flight: share of"
                            f" the possible {possible:.0f}/s", "share", Bound(0.90, 0.97))
        self.figures = [self.share]
        self._possible = possible

    def round(self, fleet: Fleet, target: Target, number: int, count: int) -> None:
        """Measure from the first order that arrived to the last: the time in which the system could have been busy."""
        target.control("forget", {})
        fleet.forget()
        requests = [deliveries.request(fleet.path, deliveries.body(each, run=f"s{number}")) for each in range(count)]
        load.burst(fleet.url, requests, connections=CONNECTIONS)
        fleet.wait_done(count, 600)
        arrived = [at for at, _ in target.creates()]
        rate = count / (max(arrived) - min(arrived) + DELAY_S)
        self.share.add(rate / self._possible, calls_per_s=rate)


class Memory:
    """Figure 10: all processes of the fleet after work, shared pages counted once."""

    def __init__(self) -> None:
        self.whole = Figure("memory of the whole fleet at default size (web, worker, stock worker, beat), PSS", "MB",
                            Bound(350, 250, at_least=False))
        self.figures = [self.whole]

    def round(self, fleet: Fleet) -> None:
        parts = {name: pss_mb([pid]) for name, pid in fleet.pids_by_name().items()}
        self.whole.add(sum(parts.values()), **{f"{name} MB": size for name, size in parts.items()})
