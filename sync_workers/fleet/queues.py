"""Which queue serves what. Priorities come from queues and workers, not from the broker (law L7)."""

from __future__ import annotations

from kombu.entity import Queue

LIVE = "live"
STOCK = "stock"
BULK = "bulk"
DEAD_LETTER = "dead_letter"
BEAT = "beat"

ALL = (LIVE, STOCK, BULK, DEAD_LETTER, BEAT)
BULK_SOURCES = frozenset({"replay", "reconcile"})


def declare() -> list[Queue]:
    """Return the queues as Celery wants them."""
    return [Queue(name, routing_key=name) for name in ALL]  # type: ignore[no-untyped-call]


def queue_of(kind: str, source: str = "webhook") -> str:
    """Return where work on a record belongs: live orders never wait behind stock or bulk work."""
    if source in BULK_SOURCES:
        return BULK
    return STOCK if kind == "stock" else LIVE
