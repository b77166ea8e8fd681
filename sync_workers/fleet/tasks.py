"""The tasks: each reads its input, calls one function, and publishes what that wants woken.

Every one is safe to run twice: a drain claims what it works on, and what the beat fires claims its
slot. Failures of records never come up to here; a ledger that is away is all that Celery retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sync_workers import engine, logs
from sync_workers.alerts import Sent, send_due
from sync_workers.engine.runs import Again, Drained
from sync_workers.errors import SyncError, TransientError
from sync_workers.fleet import watch
from sync_workers.fleet.app import app
from sync_workers.fleet.beat import every_s, once
from sync_workers.fleet.gathering import Gathering
from sync_workers.fleet.queues import BULK, DEAD_LETTER, LIVE
from sync_workers.fleet.wakeups import DOORSTEP, Wake, Wakeups, wake_of
from sync_workers.flows import contracts, polling, subscriptions
from sync_workers.flows import reconcile as reconciling
from sync_workers.ledger import doorstep, heartbeats, records
from sync_workers.ledger import retention as keeping
from sync_workers.ledger.alerts import Outbox, close_incident, raise_alert
from sync_workers.ledger.connection import Collision, LedgerDown
from sync_workers.runtime import Runtime, current_runtime

log = logs.get(__name__)

SWEEP_LIMIT = 2000
LEFT_AFTER_S = 5.0  # its message is read sooner, if it was not lost

_gathered: dict[str, Gathering] = {}  # by queue

# What the ledger cannot put off by itself: the task that finds the ledger gone.
LEDGER_AWAY: dict[str, Any] = {
    "autoretry_for": (LedgerDown, Collision),
    "retry_backoff": 1,
    "retry_backoff_max": 30,
    "retry_jitter": True,
    "max_retries": 5,
}


@app.task(name="sync.drain", bind=True, ignore_result=True, **LEDGER_AWAY)  # type: ignore[untyped-decorator]
def drain(self: Any, record_ids: list[int]) -> None:
    """Work off these records as far as nobody else does. Twice is harmless: only one caller gets a claim."""
    runtime = current_runtime()
    if runtime.stopping.is_set():
        return  # they stay due, and the sweep names them to a worker that stays
    queue = (self.request.delivery_info or {}).get("routing_key") or LIVE
    gathering = _gathered.setdefault(queue, Gathering())
    gathering.bring(record_ids)
    while gathering.has_any(record_ids):
        with gathering.turn() as (ids, wait):
            _drain(runtime, queue, ids, wait)


def _drain(runtime: Runtime, queue: str, ids: Sequence[int], wait: Callable[[float], None]) -> None:
    """Work off what is due of these and does not rest, and publish what wants another look."""
    wakeups = Wakeups(runtime.redis)
    ready, resting = wakeups.take(ids)  # before the claim: news from now on needs a message of its own
    drained = engine.drain(runtime, ready, waits=wait) if ready else Drained()
    rests = wakeups.rest(drained.settled)
    wakeups.publish(Wake(number, queue, wait_s) for number, wait_s in resting.items())
    again = (replace(one, wait_s=max(one.wait_s, rests.get(one.id, 0.0))) for one in drained.again)
    _wake(wakeups, again, "replay" if queue == BULK else "webhook")
    if drained.counts.get("dead"):
        _tell_at_once()


@app.task(name="sync.sort", ignore_result=True, **LEDGER_AWAY)  # type: ignore[untyped-decorator]
def sort() -> None:
    """Sort what receivers accepted in a burst, and wake what that makes due. Twice is harmless: rows go only once."""
    runtime = current_runtime()
    wakeups = Wakeups(runtime.redis)
    wakeups.unmark([DOORSTEP])  # before looking: what is put there from now on needs a message of its own
    while not runtime.stopping.is_set() and (arrived := doorstep.sort_out(runtime.ledger)) is not None:
        wakeups.publish(wake_of(one.record_id, one.kind) for one in arrived if one.due)


@app.task(name="sync.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Wake what is due and whose message was lost, never sent, or read by a worker that died.

    And sort what lies on the doorstep for so long that its message was lost.
    """
    runtime = current_runtime()

    def work() -> Sequence[tuple[int, str, str]]:
        for _ in range(SWEEP_LIMIT // doorstep.MOST_AT_ONCE):
            if doorstep.sort_out(runtime.ledger, older_than_s=LEFT_AFTER_S) is None:
                break
        with runtime.ledger.transaction() as tx:
            return records.due(tx, limit=SWEEP_LIMIT, kinds=list(runtime.versions))

    found = _in_slot(runtime, "sweep", work) or ()
    Wakeups(runtime.redis).publish(wake_of(record_id, kind, source=source) for record_id, kind, source in found)


@app.task(name="sync.poll", ignore_result=True)  # type: ignore[untyped-decorator]
def poll(system: str, kind: str) -> None:
    """Ask one system what changed, once per slot. A failure is told once, and the next slot tries again."""
    runtime = current_runtime()
    job = f"poll:{system}:{kind}"
    try:
        polled = _in_slot(runtime, job, partial(polling.poll, runtime, system, kind))
    except TransientError as error:
        log.info("A poll could not be made", system=system, kind=kind, error=type(error).__name__)
        return
    except SyncError as error:
        subject = f"polling {kind} in {system} fails"
        text = f"{type(error).__name__}: {logs.masked(error.message)}\n{error.mend}"
        runtime.ledger.run(lambda tx: raise_alert(tx, job, "error", subject, text))
        log.error("A poll failed", system=system, kind=kind, error=type(error).__name__)
        return
    if polled is not None:
        runtime.ledger.run(lambda tx: close_incident(tx, job))
        _wake(Wakeups(runtime.redis), polled.due, polled.source)


@app.task(name="sync.send_alerts", ignore_result=True)  # type: ignore[untyped-decorator]
def send_alerts() -> None:
    """Send what is due in the outbox, once per slot."""
    runtime = current_runtime()
    _in_slot(runtime, "send_alerts", partial(_tell, runtime))


@app.task(name="sync.dead_letter", ignore_result=True)  # type: ignore[untyped-decorator]
def dead_letter() -> None:
    """Tell people of a record that just died, before the slot comes. The outbox gives each alert once."""
    _tell(current_runtime())


@app.task(name="sync.watch", ignore_result=True)  # type: ignore[untyped-decorator]
def watch_fleet() -> None:
    """Raise alerts for workers and pollers that fell silent and for work that nobody does."""
    runtime = current_runtime()
    _in_slot(runtime, "watch", partial(watch.look, runtime))


@app.task(name="sync.canary", ignore_result=True)  # type: ignore[untyped-decorator]
def canary(worker: str, queues: list[str]) -> None:
    """Show that this worker reads its queues: it comes through the worker's own one. Twice is harmless."""
    current_runtime().ledger.run(lambda tx: heartbeats.beat(tx, worker, queues))


@app.task(name="sync.check_contracts", ignore_result=True)  # type: ignore[untyped-decorator]
def check_contracts() -> None:
    """Compare the systems' metadata with what the mapping depends on."""
    runtime = current_runtime()
    _in_slot(runtime, "check_contracts", partial(contracts.check, runtime))


@app.task(name="sync.check_subscriptions", ignore_result=True)  # type: ignore[untyped-decorator]
def check_subscriptions() -> None:
    """See that the systems still send what they were asked to send."""
    runtime = current_runtime()
    _in_slot(runtime, "check_subscriptions", partial(subscriptions.check, runtime))


@app.task(name="sync.reconcile", ignore_result=True)  # type: ignore[untyped-decorator]
def reconcile(system: str, kind: str) -> None:
    """Compare all of a kind in one system with the ledger; what differs becomes events in the bulk queue."""
    runtime = current_runtime()
    if kind not in runtime.sheets or reconciling.is_too_early(runtime, system, kind):
        return  # its slot stays free: the next firing looks again
    try:
        found = _in_slot(
            runtime, f"reconcile:{system}:{kind}", partial(reconciling.reconcile, runtime, system, kind)
        )
    except TransientError as error:
        log.info("A reconcile could not be made", system=system, kind=kind, error=type(error).__name__)
        return
    if found is not None:
        _wake(Wakeups(runtime.redis), found.due, "reconcile")


@app.task(name="sync.retention", ignore_result=True)  # type: ignore[untyped-decorator]
def retention() -> None:
    """Empty what is older than it must be, and make next months' partitions."""
    runtime = current_runtime()
    _in_slot(runtime, "retention", partial(keeping.clean, runtime.ledger))


def _tell(runtime: Runtime) -> Sent:
    return send_due(Outbox(runtime.ledger), runtime.settings.alert_urls)


def _in_slot(runtime: Runtime, job: str, work: Any) -> Any:
    return once(runtime, job, every_s(runtime, job), work)


def _wake(wakeups: Wakeups, again: Iterable[Again], source: str) -> None:
    wakeups.publish(wake_of(one.id, one.kind, source=source, wait_s=one.wait_s) for one in again)


def _tell_at_once() -> None:
    try:
        app.send_task("sync.dead_letter", queue=DEAD_LETTER, retry=False, ignore_result=True, expires=60)
    except Exception as error:  # any client of any broker: the alert stands in the outbox and its slot comes
        log.warning("A dead letter's wake-up was not published", error=type(error).__name__)
