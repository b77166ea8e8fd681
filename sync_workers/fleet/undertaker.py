"""What a process held is free as soon as its supervisor knows that it is dead.

Leases in the ledger and places in the limiter run out by themselves, which takes minutes, and the marks of
messages that it had read and not worked on after half a minute; a supervisor that has collected its child need
not wait for that. Elsewhere (a process on another machine) they run out.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from redis.exceptions import RedisError

from sync_workers import logs
from sync_workers.connectors.places import free_places
from sync_workers.errors import SyncError
from sync_workers.fleet.wakeups import forget_marks
from sync_workers.ledger.claims import expire
from sync_workers.ledger.connection import Ledger
from sync_workers.services import connect_redis

log = logs.get(__name__)


@dataclass(frozen=True)
class Undertaker:
    """Knows the ledger and the broker of the fleet; opens a connection only when somebody has died."""

    database_url: str
    broker_url: str

    def bury(self, pid: int) -> None:
        """Free what this process held. Safe to repeat; what cannot be freed now runs out."""
        worker = f"{socket.gethostname()}:{pid}"
        ledger, redis = Ledger(self.database_url, pool_size=1), connect_redis(self.broker_url)
        try:
            slots = 0
            if redis is not None:
                slots = free_places(redis, worker)
                forget_marks(redis)
            records = ledger.run(lambda tx: expire(tx, worker))
        except (SyncError, RedisError) as error:
            log.warning("What a dead process held runs out by itself", worker=worker, error=type(error).__name__)
        else:
            log.info("What a dead process held is free", worker=worker, records=len(records), slots=slots)
        finally:
            ledger.dispose()
            if redis is not None:
                redis.close()
