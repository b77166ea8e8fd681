"""Plain as a server: the system that tests, the demo and the benchmark can bend to any behaviour.

``start()`` serves from a thread, ``python -m sync_workers.sandbox.plain --port N`` from a process.
"""

from sync_workers.sandbox.plain.faults import Fault
from sync_workers.sandbox.plain.rules import Rules
from sync_workers.sandbox.plain.server import PlainServer, start
from sync_workers.sandbox.plain.store import Store

__all__ = ["Fault", "PlainServer", "Rules", "Store", "start"]
