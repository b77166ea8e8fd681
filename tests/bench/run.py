"""One run: every figure, round by round, side by side, then the page.

Everything is started here and stopped again: servers below the bench's own folder, databases of their
own, the peers in an environment of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sync_workers.sandbox.services import ServiceGroup, start_broker, start_postgres
from tests.bench import report, throughput
from tests.bench.baselines import KINDS, Baselines, Peer
from tests.bench.figures import Figure, shown, spread
from tests.bench.fleetwork import DELAY_S, IN_FLIGHT, Coalescing, Memory, SlowSystem
from tests.bench.history import History
from tests.bench.intake import Intake, SingleCommits
from tests.bench.machinery import Target
from tests.bench.stacks import CHECKOUT, Fleet, Stack
from tests.bench.stockwork import Stock

__all__ = ["FULL", "PARTS", "QUICK", "Baselines", "Size", "run", "shown", "spread", "write_page"]

PAGE = CHECKOUT / "docs" / "benchmarks.rst"
PROFILE = Path(__file__).with_name("profile.rst")
PARTS = ("intake", "throughput", "fleet", "slow", "history", "stock")


@dataclass(frozen=True)
class Size:
    """How much is measured. ``QUICK`` is for trying the bench, its figures are for nobody."""

    rounds: int = 3
    intake: int = 10_000  # two seconds, since pgbench gets five
    burst: int = 2000
    bursts: int = 3  # in a round: on a shared machine a single one is mostly chance
    paced: int = 200
    pgbench_s: int = 5
    slow: int = 2400
    history: int = 10_000_000
    skus: int = 1_000_000


FULL = Size()
QUICK = Size(rounds=1, intake=300, burst=300, bursts=1, paced=40, pgbench_s=2, slow=160, history=200_000, skus=50_000)


def run(home: Path, size: Size, say: Callable[[str], None], parts: Sequence[str] = PARTS) -> list[Figure]:
    """Measure the chosen parts and return their figures, in the page's order."""
    home = home.absolute()
    with ServiceGroup() as group:
        postgres = group.add(start_postgres(home))
        broker = group.add(start_broker(home))
        bench = _Bench(home, size, say, postgres.url, broker.url)
        return [figure for part in parts for figure in getattr(bench, f"measure_{part}")()]


@dataclass
class _Bench:
    home: Path
    size: Size
    say: Callable[[str], None]
    postgres_url: str
    broker_url: str

    def measure_intake(self) -> list[Figure]:
        part, commits = Intake(), SingleCommits(self.postgres_url)
        commits.start()
        try:
            with self._fleet(None, names=("web",)) as fleet:
                for number in self._rounds("deliveries accepted"):
                    part.round(fleet, commits, number, self.size.intake, self.size.pgbench_s)
        finally:
            commits.stop()
        return part.figures

    def measure_throughput(self) -> list[Figure]:
        part = throughput.Throughput()
        baselines = Baselines(self.home / "peers")
        self.say("the peers' packages are installed")
        baselines.install()
        with self._target() as target:
            stacks: dict[str, Stack] = {Fleet.name: self._make_fleet(target)}
            stacks |= {kind.name: Peer(kind, baselines, self.home, self.postgres_url, self.broker_url, target)
                       for kind in KINDS}
            with ExitStack() as opened:
                throughput.start(stacks, target, opened)
                for number in self._rounds("bursts end to end", self.size.rounds * self.size.bursts):
                    part.burst_round(stacks, target, number, self.size.burst)
            for number in self._rounds("a steady pace"):
                part.pace_round(stacks, target, number, self.size.paced)
        return part.figures

    def measure_fleet(self) -> list[Figure]:
        part, memory = Coalescing(), Memory()
        with self._target() as target, self._fleet(target) as fleet:
            for number in self._rounds("many events on few records, and memory"):
                part.round(fleet, target, number)
                memory.round(fleet)
        return [*part.figures, *memory.figures]

    def measure_slow(self) -> list[Figure]:
        part = SlowSystem()
        with self._target(delay_s=DELAY_S) as target, self._fleet(target, in_flight=IN_FLIGHT) as fleet:
            for number in self._rounds("a slow system"):
                part.round(fleet, target, number, self.size.slow)
        return part.figures

    def measure_history(self) -> list[Figure]:
        part = History(self.postgres_url, self.size.history)
        self.say(f"{self.size.history:,} settled events are written")
        try:
            part.start()
            for _ in self._rounds("claims"):
                part.round()
        finally:
            part.stop()
        return part.figures

    def measure_stock(self) -> list[Figure]:
        part = Stock(self.postgres_url, self.size.skus)
        try:
            part.start()
            for number in self._rounds("stock"):
                part.round(number)
        finally:
            part.stop()
        return part.figures

    def _rounds(self, what: str, count: int = 0) -> Iterator[int]:
        count = count or self.size.rounds
        for number in range(count):
            self.say(f"{what}: round {number + 1} of {count}")
            yield number

    def _make_fleet(self, target: Target | None, **options: object) -> Fleet:
        return Fleet(self.home / "fleet", self.postgres_url, self.broker_url, target, **options)  # type: ignore[arg-type]

    @contextmanager
    def _fleet(self, target: Target | None, **options: object) -> Iterator[Fleet]:
        fleet = self._make_fleet(target, **options)
        fleet.start()
        try:
            yield fleet
        finally:
            fleet.stop()

    @contextmanager
    def _target(self, *, delay_s: float = 0.0) -> Iterator[Target]:
        target = Target(self.home, delay_s=delay_s)
        try:
            yield target.start()
        finally:
            target.stop()


def write_page(figures: Sequence[Figure], size: Size, peers: dict[str, str], file: Path = PAGE) -> str:
    """Write the page and return it."""
    notes = [
        f"{size.rounds} rounds; load, target, database and broker share the machine with what is measured.",
        "The job: a signed webhook of 2 KB with an order of ten lines, whole; a sheet of 25 fields; one POST to a"
        " target that answers at once with what it stored.",
        "Ours runs whole, as the Procfile says: signature, ledger (event, attempt, base, outcome), lease, merge, gates."
        " The six-hourly full sweeps are not due meanwhile.",
        "PostgreSQL commits with fsync and synchronous_commit on. Flower is off, as is every peer's monitor.",
        "pgbench is the one that comes with the embedded server: one row of 2 KB per commit, 32 clients, two threads.",
        "A delivery is accepted when its 202 is there, and the clock of the first figure runs until the broker has a"
        " message for all that was accepted: for a record, or for the doorstep, on which a burst lies until a worker"
        " sorts it. 'sorted_per_s' counts that in, done afterwards by one process.",
        "The peers check the same signature, rename the same fields and make the same POST. None records what it did;"
        " procrastinate alone keeps its jobs in PostgreSQL, so that an accepted delivery survives a crash."
        " Each has gunicorn with two processes of 16 threads in front, and its worker at the size of two cores.",
        f"A burst is {size.burst:,} deliveries over 32 connections, from the first byte to the last recorded end; there"
        f" are {size.rounds * size.bursts} rounds of them, in which all stacks are up and take turns;"
        " CPU is that of the processes of a stack, without database, broker and target.",
        f"The steady pace is 20 deliveries a second, {size.paced} of them, one stack up at a"
        " time; the clock stops when the POST arrives.",
        f"The history is {size.history:,} settled events; the stock is {size.skus:,} parts.",
    ]
    if size != FULL:
        notes.insert(0, "THIS WAS A QUICK RUN, with fewer rounds and smaller numbers: it shows that the bench works.")
    profile = PROFILE.read_text(encoding="utf-8") if PROFILE.exists() else ""
    text = report.page(figures, facts=report.machine(), peers=peers, notes=notes, profile=profile)
    file.write_text(text, encoding="utf-8")
    return text
