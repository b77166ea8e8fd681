"""Steps 1 to 4 of a delivery: bound, verify, split, store; the answer goes out after the commit.

Nothing is parsed before the signature holds, and nothing is promised before the ledger has it. What
is genuine but unreadable is kept in quarantine, since the sender will not send it better next time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import Counter, Histogram

from sync_workers import logs
from sync_workers.connectors.contract import Connector, Notice, Outcome, Request
from sync_workers.errors import Malformed, Refused, TransientError
from sync_workers.ledger.inbox import Arrival
from sync_workers.web.bodies import Environ, Unacceptable, read_request
from sync_workers.web.replies import Answer
from sync_workers.web.writer import Delivery, GroupWriter

log = logs.get(__name__)

TRY_AGAIN_S = 5

DELIVERIES = Counter("sync_deliveries_total", "Deliveries by what became of them", ["system", "outcome"])
UNMAPPED = Counter("sync_notices_unmapped_total", "Notices about kinds that no sheet maps", ["system"])
TOOK = Histogram(
    "sync_delivery_seconds",
    "From the request's start to its answer",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

_counter = lru_cache(maxsize=256)(DELIVERIES.labels)  # finding it takes as long as counting

Quarantine = Callable[[str, str, bytes], None]
Read = Callable[[str | None], Request]
Submit = Callable[[Sequence[Arrival]], Delivery]


@dataclass(eq=False, slots=True)
class Underway:
    """A genuine delivery that waits for its commit, or, when it is ``unreadable``, for being kept aside."""

    connector: Connector
    request: Request
    started: float
    delivery: Delivery | None = None
    unreadable: str = ""

    @property
    def is_to_be_kept(self) -> bool:
        return self.delivery is None or bool(self.delivery.refused)


Done = tuple[str, Answer] | Underway
"""What became of a delivery, for the figures, and what to answer; or it is still under way."""


class Receiver:
    """Takes deliveries for all systems. ``quarantine`` keeps (system, reason, body), or raises."""

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        public_urls: Mapping[str, str | None],
        kinds: frozenset[str],
        writer: GroupWriter,
        quarantine: Quarantine,
    ) -> None:
        self._connectors = connectors
        self._public_urls = public_urls
        self._kinds = kinds
        self._writer = writer
        self._quarantine = quarantine
        self.answer_within_s = writer.answer_within_s

    def take(self, system: str, environ: Environ) -> Answer:
        """Take one delivery and say what to answer. Never raises for what a sender can cause."""
        settled = threading.Event()
        step = self.begin(system, lambda public_url: read_request(environ, public_url),
                          lambda arrivals: self._writer.submit(arrivals, lambda _: settled.set()))
        if isinstance(step, Answer):
            return step
        if step.delivery is not None and not settled.wait(self.answer_within_s):
            step.delivery.give_up()
        return self.finish(step)

    def knows(self, system: str) -> bool:
        return system in self._connectors

    def begin(self, system: str, read: Read, submit: Submit) -> Answer | Underway:
        """Verify and split a delivery and submit it for being stored, without waiting for anything.

        ``read`` returns the request for a public URL, or raises Unacceptable. ``submit`` returns what will be
        settled; then ``finish`` gives the answer. Never raises for what a sender can cause.
        """
        connector = self._connectors.get(system)
        if connector is None:
            DELIVERIES.labels("-", "unknown").inc()
            return Answer(404, "there is no such system")
        started = time.monotonic()
        return self._counted(system, started, lambda: self._begin(connector, started, read, submit))

    def finish(self, step: Underway) -> Answer:
        """Say what to answer to a delivery that is settled. Looks into the ledger if ``is_to_be_kept``."""
        answer = self._counted(step.connector.system, step.started, lambda: self._finish(step))
        assert isinstance(answer, Answer)
        return answer

    def _counted(self, system: str, started: float, work: Callable[[], Done]) -> Answer | Underway:
        try:
            done = work()
            if isinstance(done, Underway):
                return done
            outcome, answer = done
        except TransientError as error:
            log.warning("A delivery was not stored", system=system, error=type(error).__name__)
            outcome, answer = "try_later", self._later(self._connectors[system], error)
        except Exception:
            log.exception("A delivery met a defect", system=system)
            outcome, answer = "try_later", self._later(self._connectors[system], None)
        _counter(system, outcome).inc()
        TOOK.observe(time.monotonic() - started)
        return answer

    def _begin(self, connector: Connector, started: float, read: Read, submit: Submit) -> Done:
        try:
            request = read(self._public_urls.get(connector.system))
            connector.verify(request)
        except Unacceptable as error:
            return "refused", Answer(error.status, error.message)
        except (Refused, Malformed) as error:  # what cannot be verified is not genuine, however it looks
            log.warning("A delivery was refused", system=connector.system, reason=error.message)
            return "refused", Answer(connector.answer(Outcome.REFUSED), error.message)
        try:
            notices = connector.events(request)
        except Malformed as error:
            return Underway(connector, request, started, unreadable=error.message)
        except Exception as error:  # a defect of ours: the delivery is genuine, so it must not be lost
            log.exception("A connector could not split a delivery", system=connector.system)
            return Underway(connector, request, started, unreadable=f"{type(error).__name__} while reading it")
        arrivals = self._arrivals(connector.system, notices)
        if not arrivals:
            return "accepted", _noted(connector, 0)
        return Underway(connector, request, started, submit(arrivals))

    def _finish(self, step: Underway) -> tuple[str, Answer]:
        if step.delivery is None:
            return "malformed", self._keep(step, step.unreadable)
        refused = step.delivery.outcome()
        if refused:
            reasons = sorted({f"{arrival.kind}: {_reason(error)}" for arrival, error in refused})
            log.error(
                "The ledger cannot hold part of a delivery", system=step.connector.system, notices=len(refused)
            )
            return "malformed", self._keep(step, "the ledger cannot hold it: " + "; ".join(reasons))
        return "accepted", _noted(step.connector, len(step.delivery.arrivals))

    def _arrivals(self, system: str, notices: Sequence[Notice]) -> list[Arrival]:
        known = [notice for notice in notices if notice.kind in self._kinds]
        if len(known) < len(notices):
            UNMAPPED.labels(system).inc(len(notices) - len(known))
        return [
            Arrival(
                system,
                notice.kind,
                notice.external_id,
                "webhook",
                key=notice.key,
                version=notice.version,
                payload=notice.payload,
                echo=notice.echo,
                same_as=notice.same_as,
            )
            for notice in known
        ]

    def _keep(self, step: Underway, reason: str) -> Answer:
        self._quarantine(step.connector.system, reason, step.request.body)
        log.warning("A delivery went into quarantine", system=step.connector.system)
        return Answer(step.connector.answer(Outcome.MALFORMED), "kept for a person to look at")

    def _later(self, connector: Connector, error: TransientError | None) -> Answer:
        wait = error.wait.total_seconds() if error is not None and error.wait else TRY_AGAIN_S
        return Answer(connector.answer(Outcome.TRY_LATER), "try again later", max(1, round(wait)))


def _noted(connector: Connector, count: int) -> Answer:
    return Answer(connector.answer(Outcome.ACCEPTED), f"{count} noted")


def _reason(error: Exception) -> str:
    """Say what was wrong without the value that was: the row itself is in quarantine."""
    return (
        f"{type(error).__name__} ({str(error).splitlines()[0][:120]})" if str(error) else type(error).__name__
    )
