"""Everything that the demo needs, started in order and stopped with the household that it is added to.

Each run has a ledger, an ERP database and a CRM account of its own; the servers below them, and the
seeded ERP as a snapshot, are kept in SYNC_HOME between runs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
from psycopg2 import sql

from sync_workers.commands.checkup import examine_systems
from sync_workers.commands.demo.alarms import Alarms
from sync_workers.commands.demo.configuration import HOUSES, WAREHOUSES, write_configuration, write_environment
from sync_workers.commands.demo.crm import Crm
from sync_workers.commands.mapping import activate_missing
from sync_workers.commands.servers import Household
from sync_workers.commands.up import find_procfile
from sync_workers.connectors.contract import Finding
from sync_workers.errors import SettingsError
from sync_workers.fleet import flower
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.fleet.undertaker import Undertaker
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.mappings import load_sheets
from sync_workers.sandbox.databases import create_database, drop_database, execute
from sync_workers.sandbox.processes import choose_port, wait_until
from sync_workers.sandbox.proxy import FaultProxy
from sync_workers.sandbox.services import Service, start_broker, start_postgres
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer, ensure_tryton
from sync_workers.settings import Settings
from sync_workers.sheets import MAPPINGS_FOLDER

Say = Callable[[str], None]
READY_WITHIN_S = 60.0
PREFIX = "demo_"


@dataclass
class Fleet:
    """The Procfile's processes under their supervisor, which runs in a thread of its own."""

    supervisor: Supervisor
    thread: threading.Thread

    @classmethod
    def of(cls, home: Path, environ: Mapping[str, str]) -> Fleet:
        """Prepare a fleet. Hand it to whoever will stop it, then ``start``: an interrupt may come in between."""
        undertaker = Undertaker(environ["SYNC_DATABASE_URL"], environ["SYNC_BROKER_URL"])
        supervisor = Supervisor(read_procfile(find_procfile()), home, environ, died=undertaker.bury)
        thread = threading.Thread(target=supervisor.run, name="supervisor", daemon=True)
        return cls(supervisor, thread)

    def start(self) -> None:
        self.thread.start()

    def pid(self, name: str) -> int | None:
        return self.supervisor.processes[name].pid

    def starts(self, name: str) -> int:
        return self.supervisor.processes[name].starts

    def stop(self) -> None:
        self.supervisor.stop()
        if self.thread.ident is not None:
            self.thread.join()


@dataclass
class Stage:
    """What the story plays on."""

    home: Path
    environ: dict[str, str]
    settings: Settings
    ledger: Ledger
    crm: Crm
    erp: TrytonServer
    clerk: Rpc
    proxy: FaultProxy
    alarms: Alarms
    fleet: Fleet
    warehouses: tuple[str, ...] = (MAIN_WAREHOUSE,)

    @property
    def site(self) -> str:
        return f"http://{self.environ['SYNC_WEB_BIND']}"

    @property
    def flower(self) -> str:
        return f"http://{flower.ADDRESS}:{self.environ['FLOWER_PORT']}"


def build(home: Path, household: Household, say: Say, needs: Collection[str] = ()) -> Stage:
    """Start all of it, with what the stories need beside. Raises what did not start, with what would mend it."""
    home = home.absolute()
    folder = home / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = secrets.token_hex(4)
    say("starting PostgreSQL and the broker")
    postgres = household.add(start_postgres(home))
    broker = household.add(start_broker(home))
    _drop_leftovers(postgres)
    ledger_url = create_database(postgres.url, f"{PREFIX}ledger_{run}")
    migrate(ledger_url)
    say("starting the CRM: a HubSpot account, simulated, in a process of its own")
    crm = household.add(Crm.start(folder / "crm"))
    say("starting the ERP: Tryton with its own database (the first time it is installed and seeded: minutes)")
    cache = os.environ.get("SYNC_TRYTON_CACHE") or home / "cache"
    erp = household.add(ensure_tryton(home, postgres, cache, database=f"{PREFIX}erp_{run}"))
    proxy = household.add(FaultProxy(erp.url))
    alarms = household.add(Alarms())
    environ = _environment(folder, ledger_url, _own_database(broker), crm, erp, alarms)
    write_configuration(
        folder / "config", needs, crm_url=crm.url, public_url=f"http://{environ['SYNC_WEB_BIND']}/hooks/crm",
        erp_url=proxy.url, database=erp.database, user=erp.user, warehouse=MAIN_WAREHOUSE,
    )  # fmt: skip
    write_environment(folder / "environment", environ)
    settings = Settings.load({**os.environ, **environ})
    say("doctor --fix: fields and webhook subscriptions in the CRM")
    _prepare_systems(settings)
    ledger = Ledger(ledger_url, pool_size=4)
    activate_missing(ledger, settings, "sync-workers demo")
    clerk = erp.login(CLERK)
    say("starting the fleet: receiver, workers, stock, beat, Flower")
    fleet = household.add(Fleet.of(folder, {**os.environ, **environ}))
    fleet.start()
    houses = WAREHOUSES if HOUSES in needs else (MAIN_WAREHOUSE,)
    stage = Stage(folder, environ, settings, ledger, crm, erp, clerk, proxy, alarms, fleet, houses)
    _await_fleet(stage)
    return stage


def _environment(
    folder: Path, ledger_url: str, broker_url: str, crm: Crm, erp: TrytonServer, alarms: Alarms
) -> dict[str, str]:
    return {
        "SYNC_HOME": str(folder),
        "SYNC_CONFIG": str(folder / "config"),
        "SYNC_DATABASE_URL": ledger_url,
        "SYNC_BROKER_URL": broker_url,
        "SYNC_WEB_BIND": f"127.0.0.1:{choose_port(8000)}",
        "SYNC_ALERT_URLS": alarms.url,
        "FLOWER_PORT": str(choose_port(flower.PORT)),
        "DEMO_CRM_TOKEN": crm.defaults.token,
        "DEMO_CRM_WEBHOOK_SECRET": crm.defaults.client_secret,
        "DEMO_CRM_APP_ID": str(crm.defaults.app_id),
        "DEMO_CRM_DEVELOPER_KEY": crm.defaults.developer_key,
        "DEMO_ERP_PASSWORD": erp.password,
    }


def _own_database(broker: Service) -> str:
    """Return the broker's database 1, empty: 0 belongs to ``up``."""
    url = urlunsplit(urlsplit(broker.url)._replace(path="/1"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def _drop_leftovers(postgres: Service) -> None:
    """Drop what earlier runs left: one at a time runs on this home, so nobody uses it."""
    pattern = sql.Literal(PREFIX.replace("_", r"\_") + "%")
    rows = execute(postgres.url, sql.SQL("SELECT datname FROM pg_database WHERE datname LIKE {}").format(pattern))
    for (name,) in rows:
        drop_database(postgres.url, name)


def _prepare_systems(settings: Settings) -> None:
    loaded = load_sheets(settings.config / MAPPINGS_FOLDER, settings.systems)
    sheets = {kind: versions[max(versions)] for kind, versions in loaded.items()}
    wrong: list[Finding] = []
    for section in examine_systems(settings, sheets, fix=True):
        wrong += [finding for finding in section.findings if not finding.ok]
    if wrong:
        raise SettingsError("\n".join(f"{one.what}; {one.mend}" for one in wrong), mend="see above")


def _await_fleet(stage: Stage) -> None:
    """Wait until the receiver is ready and both kinds of workers have said that they read their queues."""

    def is_ready() -> bool:
        with stage.ledger.transaction() as tx:
            rows = tx.rows("SELECT worker FROM heartbeats")
        return {row[0].partition("@")[0] for row in rows} >= {"worker", "stock"}

    if not wait_until(is_ready, READY_WITHIN_S):
        raise SettingsError("the workers did not start", mend=f"see {stage.home / 'logs'}")
