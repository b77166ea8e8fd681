"""The beat: what happens by the clock, and how each firing is done once however many beats run.

The schedule fires each job about twice per slot and the job claims its (job, slot) row in the
ledger, so a second beat, a restart or a drift does no harm and no state file is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule

from sync_workers import logs
from sync_workers.domain.mapping import Sheet
from sync_workers.fleet.queues import BEAT, BULK, DEAD_LETTER, STOCK
from sync_workers.ledger import slots
from sync_workers.runtime import Runtime
from sync_workers.settings import Settings
from sync_workers.sheets import stored_sheets

log = logs.get(__name__)
T = TypeVar("T")

SWEEP_S = 2.0
ALERTS_S = 10.0
WATCH_S = 30.0
CONTRACTS_S = 900.0
SUBSCRIPTIONS_S = 900.0
RECONCILE_S = 6 * 3600.0
RETENTION_S = 24 * 3600.0

SHORTEST_FIRING_S = 1.0
LONGEST_FIRING_S = 300.0  # a daily job still runs on a beat that is restarted every hour
SLOT_LEASE_S = 600.0


@dataclass(frozen=True)
class Job:
    """One thing to do once per slot of ``every_s`` seconds."""

    name: str
    task: str
    every_s: float
    queue: str = BEAT
    args: tuple[str, ...] = ()


def jobs(settings: Settings, stored: Mapping[str, Mapping[int, Sheet]]) -> Iterator[Job]:
    """Yield all periodic work of this configuration, whose ``stored`` sheets are given by kind and version."""
    yield Job("sweep", "sync.sweep", SWEEP_S)
    yield Job("send_alerts", "sync.send_alerts", ALERTS_S, DEAD_LETTER)
    yield Job("watch", "sync.watch", WATCH_S, DEAD_LETTER)
    yield Job("check_contracts", "sync.check_contracts", CONTRACTS_S, BULK)
    yield Job("check_subscriptions", "sync.check_subscriptions", SUBSCRIPTIONS_S, BULK)
    yield Job("retention", "sync.retention", RETENTION_S, BULK)
    for name, system in settings.systems.items():
        for kind, seconds in system.poll_s.items():
            yield Job(
                f"poll:{name}:{kind}", "sync.poll", seconds, STOCK if kind == "stock" else BEAT, (name, kind)
            )
    for kind, versions in stored.items():
        for name in versions[max(versions)].systems:
            if name in settings.systems:
                yield Job(f"reconcile:{name}:{kind}", "sync.reconcile", RECONCILE_S, BULK, (name, kind))


def every_s(runtime: Runtime, name: str) -> float:
    """Return the slot length of a job. KeyError for one that this configuration does not have."""
    return {job.name: job.every_s for job in jobs(runtime.settings, runtime.stored)}[name]


def slot_at(now: datetime, seconds: float) -> datetime:
    """Return the beginning of the slot that holds ``now``; slots are counted from 1970."""
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def once(
    runtime: Runtime, job: str, seconds: float, work: Callable[[], T], *, now: datetime | None = None
) -> T | None:
    """Do ``work`` if nobody has done it in this slot. None when somebody has, or is at it.

    If the work raises, its slot stays taken until its lease ends and is then offered again.
    """
    slot = slot_at(now or datetime.now(UTC), seconds)
    lease_s = min(SLOT_LEASE_S, max(seconds, 5.0))
    if not runtime.ledger.run(lambda tx: slots.take(tx, job, slot, runtime.worker, lease_s)):
        return None
    started = time.monotonic()
    result = work()
    runtime.ledger.run(lambda tx: slots.done(tx, job, slot, runtime.worker))
    if time.monotonic() - started > seconds:
        log.warning("A job took longer than its slot", job=job, seconds=round(time.monotonic() - started, 1))
    return result


class LedgerScheduler(Scheduler):  # type: ignore[misc]
    """Celery's own scheduler, in memory, with the jobs of this configuration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._entries: dict[str, ScheduleEntry] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        settings = Settings.load()
        self._entries = {job.name: self._entry(job) for job in jobs(settings, stored_sheets(settings))}

    def get_schedule(self) -> dict[str, ScheduleEntry]:
        return self._entries

    def set_schedule(self, entries: dict[str, ScheduleEntry]) -> None:
        self._entries = entries

    schedule = property(get_schedule, set_schedule)

    def _entry(self, job: Job) -> ScheduleEntry:
        firing_s = min(max(job.every_s / 2, SHORTEST_FIRING_S), LONGEST_FIRING_S)
        # a firing that nobody read in time is worthless: the next one says the same
        options = {"queue": job.queue, "expires": max(2 * firing_s, 10.0), "ignore_result": True}
        return self.Entry(
            app=self.app,
            name=job.name,
            task=job.task,
            args=job.args,
            options=options,
            schedule=schedule(firing_s),
            last_run_at=datetime.fromtimestamp(0, UTC),
        )
