"""Our own fleet, as its Procfile runs it, behind the same few verbs as the peers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import redis
import requests

from sync_workers.fleet.beat import RECONCILE_S, slot_at
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.ledger import slots
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.sandbox.processes import choose_port
from sync_workers.sandbox.services import create_database, drop_database
from tests.bench import deliveries
from tests.bench.machinery import Target, wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
SHEETS = Path(__file__).with_name("data") / "mappings"
FLEET = ("web", "worker", "stock", "beat")


class Stack(Protocol):
    """Something that takes signed deliveries and writes orders to the target."""

    name: str
    url: str
    path: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def pids(self) -> list[int]:
        """The processes to which the work is charged, database and broker not among them."""
        ...

    def wait_done(self, count: int, within_s: float) -> float:
        """Wait until so many orders are written, and recorded where that is promised; return that wall time."""
        ...


class Fleet:
    """The processes of the Procfile on a database of their own. ``procfile`` replaces single commands."""

    name = "sync-workers"
    path = "/hooks/crm"

    def __init__(self, folder: Path, postgres_url: str, broker_url: str, target: Target | None, *,
                 names: Collection[str] = FLEET, in_flight: int | None = None,
                 procfile: Mapping[str, str] | None = None) -> None:
        self.folder, self.target, self.names, self.in_flight = folder, target, names, in_flight
        self._postgres_url, self.broker_url = postgres_url, broker_url
        self._procfile = procfile or {}
        self._database = f"bench_{os.getpid()}_{time.time_ns() % 10**9}"
        self.url = f"http://127.0.0.1:{choose_port()}"

    def start(self) -> None:
        self.database_url = create_database(self._postgres_url, self._database)
        migrate(self.database_url)
        with redis.Redis.from_url(self.broker_url) as client:
            client.flushdb()
        self.ledger = Ledger(self.database_url, pool_size=1)
        self._skip_sweeps()
        self._supervisor = Supervisor(read_procfile(CHECKOUT / "Procfile") | dict(self._procfile), self.folder / "home",
                                      environ={**os.environ, **self._configure()}, names=self.names)
        self._thread = threading.Thread(target=self._supervisor.run, daemon=True)
        self._thread.start()
        wait_for(self._is_ready, 60, what="the fleet's start")
        if "worker" in self.names:
            wait_for(lambda: self.one("SELECT count(*) FROM heartbeats") >= len(set(self.names) & {"worker", "stock"}),
                     90, what="the workers' first canary")

    def stop(self) -> None:
        self._supervisor.stop()
        self._thread.join(60)
        self.ledger.dispose()
        drop_database(self._postgres_url, self._database)

    def pids(self) -> list[int]:
        return [each.pid for each in self._supervisor.processes.values() if each.pid is not None]

    def pids_by_name(self) -> dict[str, int]:
        return {name: each.pid for name, each in self._supervisor.processes.items() if each.pid is not None}

    def one(self, sql: str, *parameters: Any) -> Any:
        with self.ledger.transaction() as tx:
            return tx.rows(sql, parameters)[0][0]

    def wait_done(self, count: int, within_s: float = 300) -> float:
        """Wait until no event is unsettled and so many are applied; the ledger's own stamps say when."""
        def is_done() -> bool:
            return bool(self.one("SELECT NOT EXISTS (SELECT FROM doorstep)"
                                 " AND NOT EXISTS (SELECT FROM events WHERE settled_at IS NULL)"
                                 " AND (SELECT count(*) FROM events WHERE outcome = 'applied') >= %s", count))
        wait_for(is_done, within_s, every_s=0.1, what="the settling of all events")
        return float(self.one("SELECT extract(epoch FROM max(settled_at))::float8 FROM events"))

    def forget(self) -> None:
        """Empty the ledger of work between measurements, and leave it as a new one is: with no statistics.

        An ANALYZE here would say that the tables are empty for good, which no ledger's statistics ever say:
        PostgreSQL's own renew them once there are rows.
        """
        with self.ledger.transaction() as tx:
            tx.execute("TRUNCATE doorstep, events, attempts, deliveries, refs, records, overrules, dead_letters,"
                       " identities CASCADE")

    def _skip_sweeps(self) -> None:
        """Take the slots of the full sweeps, which come every six hours.

        The target keeps the orders of all stacks, and a new ledger would begin with a first load of them.
        """
        now = datetime.now(UTC)
        with self.ledger.transaction() as tx:
            for system in ("crm", "erp"):
                job = f"reconcile:{system}:order"
                for at in (now, now + timedelta(seconds=RECONCILE_S)):
                    slots.take(tx, job, slot_at(at, RECONCILE_S), "bench", 1.0)
                    slots.done(tx, job, slot_at(at, RECONCILE_S), "bench")

    def _configure(self) -> dict[str, str]:
        config = self.folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        url = self.target.url if self.target else "http://127.0.0.1:9"
        limits = f"\n[systems.erp.limits]\nin_flight = {self.in_flight}\n" if self.in_flight else ""
        (config / "systems.toml").write_text(
            f'[systems.crm]\nplatform = "plain"\nbase_url = "{url}"\nwebhook_secret = "{deliveries.SECRET}"\n'
            f'counts_versions = true\nbatch = 1\n\n'
            f'[systems.erp]\nplatform = "plain"\nbase_url = "{url}"\nvariant = "T1"\n'
            f'counts_versions = true\nbatch = 1\n{limits}', encoding="utf-8")
        link = config / "mappings"
        if not link.exists():
            link.symlink_to(SHEETS)
        return {"SYNC_CONFIG": str(config), "SYNC_HOME": str(self.folder / "home"),
                "SYNC_DATABASE_URL": self.database_url, "SYNC_BROKER_URL": self.broker_url, "SYNC_WEB_BIND": self.url.removeprefix("http://")}

    def _is_ready(self) -> bool:
        if "web" not in self.names:
            return True
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False
