"""Two plain systems over real HTTP, a ledger on real PostgreSQL, and the fleet's work done in this process.

A test states what it is about; everything else is here. ``crm`` and ``erp`` are the servers,
``runtime`` is what the product works with. Time constants are small, so that nobody waits for a lease.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sync_workers.connectors.limiter import Limiter
from sync_workers.engine import Drained, drain
from sync_workers.ledger import inbox, records
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.mappings import load_sheets
from sync_workers.runtime import Runtime
from sync_workers.sandbox import plain
from sync_workers.settings import Settings
from sync_workers.sheets import build_connectors

SHEETS = Path(__file__).parent / "data" / "plain" / "mappings"
SECRET = "a-secret-of-the-tests"
QUICK = {"call_s": 0.5, "margin_s": 0.2, "lease_s": 4.0, "probe_s": 0.5}


@dataclass
class Work:
    """The product's runtime, and the fleet's work done in this process."""

    runtime: Runtime
    environ: dict[str, str]

    @property
    def ledger(self) -> Ledger:
        return self.runtime.ledger

    def tell(self, system: str, kind: str, external_id: str, *, source: str = "webhook", **more: Any) -> int:
        """Put one event into the inbox, as a delivery would; return the record's id."""
        arrival = inbox.Arrival(system, kind, external_id, source, **more)
        return self.ledger.run(lambda tx: inbox.record_arrivals(tx, [arrival]))[0].record_id

    def work(self, *ids: int) -> Drained:
        return drain(self.runtime, ids)

    def settle(self, *, seconds: float = 20.0) -> None:
        """Drain what is due until the ledger is quiet. Waits for dates and leases, never for luck."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with self.ledger.transaction() as tx:
                due = records.due(tx, limit=500)
                row = tx.execute(
                    "SELECT extract(epoch FROM min(greatest(due_at, coalesce(lease_until, due_at)))"
                    " - clock_timestamp())::float8 FROM records WHERE due_at IS NOT NULL AND state <> 'merged'"
                    " AND (state = 'open' OR due_at <= clock_timestamp())"
                ).fetchone()
            if due:
                drain(self.runtime, [record_id for record_id, *_ in due])
            elif row is None or row[0] is None:
                return
            else:
                time.sleep(min(max(row[0], 0.01), 0.5))
        stuck = self.rows(
            "SELECT id, kind, state, due_at, owner, lease_until, waits_for, failures FROM records"
            " WHERE due_at IS NOT NULL"
        )
        raise AssertionError(f"not quiet after {seconds} s: {stuck}")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.ledger.transaction() as tx:
            return tx.rows(sql, parameters)

    def outcomes(self) -> list[str | None]:
        return [row[0] for row in self.rows("SELECT outcome FROM events ORDER BY id")]


@dataclass
class World(Work):
    """Two plain servers besides, and what a test does to them."""

    crm: plain.PlainServer
    erp: plain.PlainServer

    def orders(self) -> list[dict[str, Any]]:
        """Every order that the ERP has."""
        return [record.fields for record in self.erp.store.all("order")]

    def place_order(self, **fields: Any) -> str:
        """Let a sales rep win a deal; return its id in the CRM."""
        return self.crm.put("order", make_order(**fields))


def make_order(**fields: Any) -> dict[str, Any]:
    return {
        "won": True, "po_number": "PO-1", "status": "new",
        "lines": [
            {"sku": "BRG-6204", "quantity": "10", "price": "4.25"},
            {"sku": "00417", "quantity": "2", "price": "19.9"},
        ],
        **fields,
    }


def environment(folder: Path, database_url: str, broker_url: str, crm_url: str, erp_url: str,
                crm: Mapping[str, Any] | None = None, erp: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Write a configuration folder for the two systems and return the environment that names it."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    tables = []
    for name, url, options in (("crm", crm_url, crm or {}), ("erp", erp_url, erp or {})):
        lines = [f"[systems.{name}]", 'platform = "plain"', f'base_url = "{url}"', f'webhook_secret = "{SECRET}"']
        lines += [f"{key} = {_toml(value)}" for key, value in {"counts_versions": True, "batch": 1, **options}.items()]
        tables.append("\n".join(lines))
    (config / "systems.toml").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    if not (config / "mappings").exists():
        (config / "mappings").symlink_to(SHEETS)
    return {"SYNC_CONFIG": str(config), "SYNC_HOME": str(folder / "home"), "SYNC_DATABASE_URL": database_url,
            "SYNC_BROKER_URL": broker_url}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def make_runtime(environ: Mapping[str, str], *, worker: str = "tests", **numbers: float) -> Runtime:
    """Build a runtime as the product does, with the tests' small time constants."""
    settings = Settings.load(environ)
    sheets = {kind: versions[max(versions)] for kind, versions in load_sheets(settings.config / "mappings").items()}
    assert settings.database_url is not None
    connectors = build_connectors(settings, sheets)
    runtime = Runtime(settings=settings, ledger=Ledger(settings.database_url), connectors=connectors, sheets=sheets,
                      worker=worker, limiter=Limiter({}, None), stored=load_sheets(settings.config / "mappings"))
    return replace(runtime, **{**QUICK, **numbers})  # type: ignore[arg-type]


@contextmanager
def make_world(folder: Path, database_url: str, *, broker_url: str = "redis://127.0.0.1:1/0",
               crm: Mapping[str, Any] | None = None, erp: Mapping[str, Any] | None = None,
               **numbers: float) -> Iterator[World]:
    """Start both servers, migrate the ledger, hand the world out and stop everything again."""
    migrate(database_url)
    crm_server, erp_server = plain.start(seed=1), plain.start(seed=2)
    erp_server.rules("order", unique=("reference",))
    erp_server.rules("customer", unique=("reference",))
    options = {"variant": "T1", **(erp or {})}
    environ = environment(folder, database_url, broker_url, crm_server.url, erp_server.url, crm, options)
    runtime = make_runtime(environ, **numbers)
    try:
        yield World(runtime, environ, crm_server, erp_server)
    finally:
        runtime.dispose()
        crm_server.stop()
        erp_server.stop()
