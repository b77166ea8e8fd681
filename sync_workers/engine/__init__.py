"""The one path of an event, and the only place that writes to systems."""

from sync_workers.engine.drain import drain
from sync_workers.engine.runs import Drained

__all__ = ["Drained", "drain"]
