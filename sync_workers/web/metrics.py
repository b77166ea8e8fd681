"""``/metrics``: what this process counted, and what the ledger says at this moment.

With PROMETHEUS_MULTIPROC_DIR set (``sync-workers up`` does) the counters of all processes of the
fleet are summed; without it only this process's are shown. The figures that matter most come from
the ledger and are the same whoever is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from sync_workers.errors import TransientError
from sync_workers.ledger.connection import Ledger

CONTENT_TYPE = CONTENT_TYPE_LATEST

# One statement; each part is served by a partial index, so that its cost does not grow with history.
_FIGURES = """
SELECT (SELECT count(*) FROM records WHERE due_at <= clock_timestamp()),
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0)
          FROM records WHERE due_at <= clock_timestamp()),
       (SELECT count(*) FROM records WHERE state = 'held'),
       (SELECT count(*) FROM records WHERE state = 'dead'),
       (SELECT count(*) FROM alerts WHERE closed_at IS NULL),
       (SELECT count(*) FROM alerts WHERE sent_at IS NULL AND closed_at IS NULL),
       (SELECT coalesce(sum(count), 0) FROM doorstep)
"""
_NAMES = (
    ("sync_records_due", "Records that are due now"),
    ("sync_oldest_due_seconds", "How long the longest waiting record has been due"),
    ("sync_records_held", "Records on hold"),
    ("sync_records_dead", "Records that wait for a person"),
    ("sync_alerts_open", "Open incidents"),
    ("sync_alerts_unsent", "Open incidents that nobody has been told of yet"),
    ("sync_doorstep", "Events accepted in a burst that are not sorted yet"),
)


class LedgerFigures(Collector):
    """The ledger's own figures, asked for at each scrape."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("sync_ledger_up", "Whether the ledger answered this scrape")
        try:
            with self._ledger.transaction() as tx:
                figures = tx.execute(_FIGURES).fetchall()[0]
        except TransientError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        for (name, text), figure in zip(_NAMES, figures, strict=True):
            family = GaugeMetricFamily(name, text)
            family.add_metric([], float(figure))
            yield family


class Exposition:
    """Renders the page."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger_registry = CollectorRegistry(auto_describe=False)
        self._ledger_registry.register(LedgerFigures(ledger))

    def page(self) -> bytes:
        counted = REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(self._ledger_registry)
