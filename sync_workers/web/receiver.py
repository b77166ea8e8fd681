"""Steps 1 to 4 of a delivery: bound, verify, split, store; the answer goes out after the commit.

Nothing is parsed before the signature holds, and nothing is promised before the ledger has it. What
is genuine but unreadable is kept in quarantine, since the sender will not send it better next time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from sync_workers import logs
from sync_workers.connectors.contract import Connector, Notice, Outcome, Request
from sync_workers.errors import Malformed, Refused, TransientError
from sync_workers.ledger.inbox import Arrival
from sync_workers.web.bodies import Environ, Unacceptable, read_request
from sync_workers.web.writer import GroupWriter

log = logs.get(__name__)

TRY_AGAIN_S = 5

DELIVERIES = Counter("sync_deliveries_total", "Deliveries by what became of them", ["system", "outcome"])
UNMAPPED = Counter("sync_notices_unmapped_total", "Notices about kinds that no sheet maps", ["system"])
TOOK = Histogram(
    "sync_delivery_seconds",
    "From the request's start to its answer",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

Quarantine = Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Answer:
    """What to tell a sender: a status, a sentence, and when to come again."""

    status: int
    text: str
    retry_after_s: int | None = None


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

    def take(self, system: str, environ: Environ) -> Answer:
        """Take one delivery and say what to answer. Never raises for what a sender can cause."""
        connector = self._connectors.get(system)
        if connector is None:
            DELIVERIES.labels("-", "unknown").inc()
            return Answer(404, "there is no such system")
        started = time.monotonic()
        try:
            outcome, answer = self._take(connector, environ)
        except TransientError as error:
            log.warning("A delivery was not stored", system=system, error=type(error).__name__)
            outcome, answer = "try_later", self._later(connector, error)
        except Exception:
            log.exception("A delivery met a defect", system=system)
            outcome, answer = "try_later", self._later(connector, None)
        DELIVERIES.labels(system, outcome).inc()
        TOOK.observe(time.monotonic() - started)
        return answer

    def _take(self, connector: Connector, environ: Environ) -> tuple[str, Answer]:
        system = connector.system
        if environ["REQUEST_METHOD"] != "POST":
            return "refused", Answer(405, "deliveries come by POST")
        try:
            request = read_request(environ, self._public_urls.get(system))
            connector.verify(request)
        except Unacceptable as error:
            return "refused", Answer(error.status, error.message)
        except (Refused, Malformed) as error:  # what cannot be verified is not genuine, however it looks
            log.warning("A delivery was refused", system=system, reason=error.message)
            return "refused", Answer(connector.answer(Outcome.REFUSED), error.message)
        try:
            notices = connector.events(request)
        except Malformed as error:
            return "malformed", self._keep(connector, request, error.message)
        except Exception as error:  # a defect of ours: the delivery is genuine, so it must not be lost
            log.exception("A connector could not split a delivery", system=system)
            return "malformed", self._keep(connector, request, f"{type(error).__name__} while reading it")
        refused = self._writer.store(arrivals) if (arrivals := self._arrivals(system, notices)) else []
        if refused:
            reasons = sorted({f"{arrival.kind}: {_reason(error)}" for arrival, error in refused})
            log.error("The ledger cannot hold part of a delivery", system=system, notices=len(refused))
            return "malformed", self._keep(
                connector, request, "the ledger cannot hold it: " + "; ".join(reasons)
            )
        return "accepted", Answer(connector.answer(Outcome.ACCEPTED), f"{len(arrivals)} noted")

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

    def _keep(self, connector: Connector, request: Request, reason: str) -> Answer:
        self._quarantine(connector.system, reason, request.body)
        log.warning("A delivery went into quarantine", system=connector.system)
        return Answer(connector.answer(Outcome.MALFORMED), "kept for a person to look at")

    def _later(self, connector: Connector, error: TransientError | None) -> Answer:
        wait = error.wait.total_seconds() if error is not None and error.wait else TRY_AGAIN_S
        return Answer(connector.answer(Outcome.TRY_LATER), "try again later", max(1, round(wait)))


def _reason(error: Exception) -> str:
    """Say what was wrong without the value that was: the row itself is in quarantine."""
    return (
        f"{type(error).__name__} ({str(error).splitlines()[0][:120]})" if str(error) else type(error).__name__
    )
