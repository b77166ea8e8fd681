"""Who watches the watchmen: workers that consume nothing, pollers that fell silent, work nobody does.

A worker that answers a ping may still read no queue. So each one sends a canary through its own
direct queue; when it does not come back the process ends itself, and whoever supervises starts it
again. The beat's ``look`` says aloud what no process can say of itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from celery import signals
from celery.utils.nodenames import worker_direct
from celery.worker import state

from sync_workers import logs
from sync_workers.errors import TransientError
from sync_workers.fleet.app import app
from sync_workers.ledger import circuits, cursors, doorstep, heartbeats, records
from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.statements import Tx
from sync_workers.runtime import Runtime, current_runtime

log = logs.get(__name__)

CANARY_EVERY_S = 15.0
SILENT_AFTER_S = 90.0
GONE_AFTER_S = 86_400.0
STUCK_AFTER_S = 300.0
EXIT_SILENT = 70


@dataclass(frozen=True)
class Silence:
    """One thing that should have been heard of. ``is_open`` False closes its incident."""

    incident: str
    is_open: bool
    subject: str
    body: str


def look(runtime: Runtime) -> list[Silence]:
    """Raise or close an incident for each worker, poll and the sweep itself; return what was found."""

    def work(tx: Tx) -> list[Silence]:
        found = sorted(
            [*_workers(tx), *_polls(tx, runtime), _stuck(tx)], key=lambda silence: silence.incident
        )
        for silence in found:
            if silence.is_open:
                raise_alert(tx, silence.incident, "error", silence.subject, silence.body)
            else:
                close_incident(tx, silence.incident)
        return found

    return runtime.ledger.run(work)


def _workers(tx: Tx) -> Iterator[Silence]:
    for beat in heartbeats.all_of(tx):
        if beat.age_s < GONE_AFTER_S:
            yield Silence(
                f"silent worker:{beat.worker}",
                beat.age_s > SILENT_AFTER_S,
                f"worker {beat.worker} is silent",
                f"It should serve {', '.join(beat.queues)} and has read nothing for {beat.age_s:.0f} s."
                " See that it runs; a worker that was taken out of service is forgotten after a day.",
            )


def _polls(tx: Tx, runtime: Runtime) -> Iterator[Silence]:
    answered, down = cursors.last_polls(tx), circuits.states(tx)
    now = datetime.now(UTC)
    for name, system in runtime.settings.systems.items():
        if name in down and down[name].state == "open":
            continue  # that has an incident of its own
        for kind, every in system.poll_s.items():
            last = answered.get((name, kind))
            if last is not None:
                age_s = (now - last).total_seconds()
                yield Silence(
                    f"silent poll:{name}:{kind}",
                    age_s > 5 * every + SILENT_AFTER_S,
                    f"{name} has not been asked for {kind}",
                    f"The last answered poll is {age_s:.0f} s old; one is due every {every:g} s.",
                )


def _stuck(tx: Tx) -> Silence:
    _, accepted = doorstep.lying(tx)
    age_s = max(age.total_seconds() if age is not None else 0.0 for age in (records.oldest_due(tx), accepted))
    return Silence(
        "stuck work",
        age_s > STUCK_AFTER_S,
        "work is due and nobody does it",
        f"The oldest of it has waited for {age_s:.0f} s. See that workers run"
        " and have the active mapping versions.",
    )


@dataclass
class Watchdog:
    """Sends this worker's canaries and ends the process when none comes back while it has hands free."""

    worker: str
    queues: list[str]
    concurrency: int
    send: Callable[[], None]
    age_s: Callable[[], float | None]
    end: Callable[[int], Any] = os._exit  # threads that hang would keep an orderly exit waiting
    clock: Callable[[], float] = time.monotonic
    _well_at: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._well_at = self.clock()

    def look(self) -> None:
        """Send a canary, judge the last ones. A full pool or an absent server is not this worker's fault."""
        try:
            self.send()
            age_s = self.age_s()
        except Exception as error:  # broker or ledger away: no verdict, whatever its client raises
            log.info("A canary could not be sent", worker=self.worker, error=type(error).__name__)
            self._well_at = self.clock()
            return
        is_busy = len(state.active_requests) >= self.concurrency
        if is_busy or (age_s is not None and age_s < SILENT_AFTER_S):
            self._well_at = self.clock()
        elif self.clock() - self._well_at > SILENT_AFTER_S:
            log.critical("This worker reads no queue and ends itself", worker=self.worker)
            self.end(EXIT_SILENT)

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(CANARY_EVERY_S):
            self.look()


def send_canary(worker: str, queues: list[str]) -> None:
    """Publish a canary into one worker's own queue. Raises what the broker's client raises."""
    direct = worker_direct(worker)
    app.send_task(
        "sync.canary",
        args=[worker, queues],
        exchange=direct.exchange.name,
        routing_key=direct.routing_key,
        queue=direct,
        retry=False,
        ignore_result=True,
        expires=CANARY_EVERY_S * 4,
    )


def heartbeat_age(worker: str) -> float | None:
    """Return how old a worker's last canary is, None before its first."""
    with current_runtime().ledger.transaction() as tx:
        return next((beat.age_s for beat in heartbeats.all_of(tx) if beat.worker == worker), None)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def start_watchdog(sender: Any = None, **_: Any) -> None:
    """Begin to watch this worker, and say at once that it is here."""
    worker, queues = str(sender.hostname), sorted(str(name) for name in sender.app.amqp.queues.consume_from)
    queues = [name for name in queues if not name.startswith(worker)]
    concurrency = int(sender.controller.concurrency or 1)
    watchdog = Watchdog(
        worker, queues, concurrency, lambda: send_canary(worker, queues), lambda: heartbeat_age(worker)
    )
    try:
        send_canary(worker, queues)
        stopping = current_runtime().stopping
    except Exception as error:  # it will be tried again in a moment
        log.warning("The first canary could not be sent", worker=worker, error=type(error).__name__)
        stopping = threading.Event()
    threading.Thread(target=watchdog.run, args=(stopping,), name="watchdog", daemon=True).start()


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def leave_in_order(sender: Any = None, **_: Any) -> None:
    """Take this worker off the list: one that was stopped on purpose is not silent."""
    try:
        current_runtime().ledger.run(lambda tx: heartbeats.leave(tx, str(sender.hostname)))
    except TransientError:
        log.info("The ledger could not be told that a worker ends", worker=str(sender.hostname))
