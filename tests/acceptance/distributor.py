"""A whole distributor: a HubSpot account, the real ERP, the real sheets, signed webhooks over HTTP, and the
fleet's work done in this process.

``crm`` is the account with its people, ``clerk`` somebody at the ERP's screen, ``proxy`` stands between us
and the ERP. What a test promises about "writes" is counted here, at the systems' own doors.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from sync_workers.connectors.contract import Variant
from sync_workers.engine import Drained, drain
from sync_workers.engine.sweep import sweep
from sync_workers.fleet.app import app
from sync_workers.flows import polling, stock
from sync_workers.ledger import inbox, letters, records
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.letters import Letter
from sync_workers.ledger.migrate import migrate
from sync_workers.ledger.proof import prove
from sync_workers.runtime import Runtime, open_runtime
from sync_workers.sandbox import hubspot
from sync_workers.sandbox.hubspot import Account
from sync_workers.sandbox.proxy import FaultProxy
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.rpc import Row, Rpc
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer
from sync_workers.sheets import paths_of, types_in
from sync_workers.web.app import Site

SHEETS = Path(__file__).parents[2] / "config" / "mappings"
QUICK = {"call_s": 20.0, "margin_s": 1.0, "lease_s": 150.0, "probe_s": 0.5}
POLLED = ("customer", "order")
SETTLES_WITHIN_S = 180.0  # only ends a test that fails
WAITS_AT_MOST_S = 8.0  # what is due later than this waits for something that a test has to bring about
PLENTY = 1_000_000
ERP_WRITE = re.compile(r'"method": ?"model\.([a-z_.]+)\.(create|write|delete|quote|confirm|draft|cancel|skip)"')
# What this company packs goods in: the CRM's word, the ERP's symbol, and what the two make of it. The first
# is a unit of both; the second is counted in pieces between them.
UNITS = (("box of 12", "bx12", "box12"), ("box of 100", "bx100", "100 piece"))

Json = dict[str, Any]


@dataclass
class Distributor:
    """The two systems, the product's runtime, and what people do to them. ``kinds`` are those that are polled."""

    simulator: hubspot.Simulator
    erp: TrytonServer
    database: str
    clerk: Rpc
    proxy: FaultProxy
    runtime: Runtime
    environ: dict[str, str]
    kinds: tuple[str, ...] = POLLED
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, PLENTY)))

    @property
    def crm(self) -> Account:
        return self.simulator.account

    @property
    def ledger(self) -> Ledger:
        return self.runtime.ledger

    # -- the fleet's work

    def settle(self, *kinds: str, within_s: float = SETTLES_WITHIN_S) -> None:
        """Deliver, poll and drain until nobody has news. ``kinds`` are polled besides the usual ones."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            assert self.crm.delivery.wait_until_idle(within_s), "HubSpot could not deliver its webhooks"
            news = sum(polling.poll(self.runtime, "erp", kind).raised for kind in (*self.kinds, *kinds))
            if not self.work() and not news and not self.crm.delivery.queued() and not self._await_next():
                return
        raise AssertionError(f"not quiet after {within_s} s: {self.unsettled()}")

    def work(self) -> int:
        """Drain what is due until nothing is; return how many records were looked at."""
        worked = 0
        while True:
            with self.ledger.transaction() as tx:
                due = records.due(tx, limit=500)
            if not due:
                return worked
            self.drain([record_id for record_id, *_ in due])
            worked += len(due)

    def drain(self, ids: Sequence[int]) -> Drained:
        return drain(self.runtime, ids)

    def drain_side_by_side(self, workers: int = 8) -> None:
        """Let several workers fall upon everything that is due at the same moment."""
        with self.ledger.transaction() as tx:
            ids = [record_id for record_id, *_ in records.due(tx, limit=500)]
        ready = threading.Barrier(workers)
        failures: list[BaseException] = []

        def run(number: int) -> None:
            ready.wait()
            try:
                drain(replace(self.runtime, worker=f"tests-{number}"), ids)
            except BaseException as error:  # told by the thread that waits
                failures.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures

    def _await_next(self) -> bool:
        """Wait for the next date in the ledger, if it is near; False when there is none to wait for."""
        rows = self.rows(
            "SELECT extract(epoch FROM min(greatest(due_at, coalesce(lease_until, due_at)))"
            " - clock_timestamp())::float8 FROM records WHERE due_at IS NOT NULL AND state = 'open'"
        )
        wait_s = rows[0][0]
        if wait_s is None or wait_s > WAITS_AT_MOST_S:
            return False
        time.sleep(max(wait_s, 0.01))  # a date, not a guess: it is the ledger's own
        return True

    def poll(self, kind: str, system: str = "erp") -> polling.Polled:
        return polling.poll(self.runtime, system, kind)

    def sweep_stock(self) -> None:
        stock.sweep(self.runtime, "erp")

    def look_again(self, kind: str, external_id: str, system: str = "crm") -> None:
        """Put a reconcile run's hint into the inbox."""
        arrival = inbox.Arrival(system, kind, external_id, "reconcile")
        self.ledger.run(lambda tx: inbox.record_arrivals(tx, [arrival]))

    def look_at_everything(self) -> None:
        """Make every record due, as a reconcile run that trusts nobody would."""
        rows = self.rows("SELECT system, kind, external_id FROM refs WHERE alias_of IS NULL")
        arrivals = [inbox.Arrival(*row, "reconcile") for row in rows]
        self.ledger.run(lambda tx: inbox.record_arrivals(tx, arrivals))

    def let_time_pass(self, kind: str, external_id: str, wait: timedelta) -> None:
        """Make a stopped record due as it will be when ``wait`` has gone by."""
        due = self.rows("UPDATE records SET due_at = due_at - %s WHERE id = %s RETURNING due_at <= clock_timestamp()",
                        wait, self.record(kind, external_id))
        assert due == [(True,)], f"{kind} {external_id} would not be looked at within {wait}"

    # -- what the ledger says

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.ledger.transaction() as tx:
            return tx.rows(sql, parameters)

    def unsettled(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT id, kind, origin_system, origin_id, state, due_at, owner, waits_for, hold_reason,"
                         " note FROM records WHERE due_at IS NOT NULL OR state NOT IN ('open', 'merged')")

    def record(self, kind: str, external_id: str, system: str = "crm") -> int:
        """Return the ledger's id of what a system knows under ``external_id``."""
        (row,) = self.rows("SELECT record_id FROM refs WHERE system = %s AND kind = %s AND external_id = %s",
                           system, kind, external_id)
        return int(row[0])

    def outcomes(self, kind: str, external_id: str) -> list[str | None]:
        """Return how the events of one record ended, oldest first."""
        return [row[0] for row in self.rows("SELECT outcome FROM events WHERE record_id = %s ORDER BY id",
                                            self.record(kind, external_id))]

    def letters(self) -> list[Letter]:
        with self.ledger.transaction() as tx:
            return letters.find(tx)

    def letter(self, kind: str, external_id: str) -> Letter:
        (found,) = [one for one in self.letters() if one.record_id == self.record(kind, external_id)]
        return found

    def held(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT kind, origin_id, hold_code, hold_reason FROM records WHERE state = 'held'")

    def overrules(self, kind: str, external_id: str, system: str = "crm") -> list[tuple[Any, ...]]:
        """Return (field, system, rule) of what was put back."""
        return self.rows("SELECT field, system, rule FROM overrules WHERE record_id = %s ORDER BY id",
                         self.record(kind, external_id, system))

    def attempts(self, kind: str, external_id: str, system: str) -> list[tuple[Any, ...]]:
        """Return (op, action, status, note) of the calls that wrote a record in ``system``, oldest first."""
        return self.rows("SELECT op, action, status, note FROM attempts WHERE record_id = %s AND system = %s"
                         " ORDER BY id", self.record(kind, external_id), system)

    @contextmanager
    def written(self) -> Iterator[dict[str, int]]:
        """Count the writes that reach each system inside the block."""
        counted: dict[str, int] = {}
        crm, erp = self.crm.written_by_api(), len(self.erp_writes())
        yield counted
        counted.update(crm=self.crm.written_by_api() - crm, erp=len(self.erp_writes()) - erp)

    def erp_writes(self) -> list[str]:
        """Return what we asked the ERP to change, oldest first: ``sale.sale.create`` ..."""
        found = [ERP_WRITE.search(passed.body) for passed in self.proxy.log]
        return [f"{one[1]}.{one[2]}" for one in found if one]

    def broken_laws(self) -> list[str]:
        """Check every law on the ledger and in the systems themselves; return what breaks one.

        Nobody sends alerts here, so when they went out is left aside.
        """
        sheets, connectors = self.runtime.sheets, self.runtime.connectors
        exact = {(kind, system) for kind, sheet in sheets.items() for system in sheet.systems
                 if connectors[system].traits(kind).variant in (Variant.T1, Variant.T2)}
        proof = prove(self.ledger, sweep=lambda: sweep(self.runtime), sheets=sheets, proving=exact,
                      covers={(kind, system) for kind, sheet in sheets.items() for system in sheet.reference},
                      untold_s=PLENTY)  # fmt: skip
        return [f"{law.law}: {text}" for law in proof.laws for text in (*law.broken, *law.unproven)]

    # -- people in the CRM

    def company(self, number: str) -> Json:
        """Return the company that carries this customer number of the ERP."""
        (found,) = [each for each in self.crm.person().see_all("companies")
                    if each["properties"].get("customer_number") == number]
        return found

    def companies(self) -> dict[str, Json]:
        """Return the companies by their customer number."""
        return {str(each["properties"].get("customer_number")): each
                for each in self.crm.person().see_all("companies")}

    def products(self) -> dict[str, Json]:
        """Return the properties of the products by part number."""
        found = self.crm.person().see_all("products")
        numbers = Counter(each["properties"]["hs_sku"] for each in found)
        assert max(numbers.values(), default=1) == 1, f"twice in the CRM: {numbers.most_common(3)}"
        return {each["properties"]["hs_sku"]: {**each["properties"], "id": each["id"]} for each in found}

    def deal(self, deal_id: str) -> Json:
        return dict(self.crm.person().see("deals", deal_id)["properties"])

    def new_company(self, **properties: str) -> str:
        made = self.crm.person(7).create("companies", {
            "name": f"Newcomer {next(self._numbers)}", "phone": "+1 312 555 0199",
            "order_email": "buyer@newcomer.example.com", "address": "18 Harbor Street", "zip": "53202",
            "city": "Milwaukee", "country": "United States", **properties,
        })  # fmt: skip
        return str(made["id"])

    def open_deal(self, company: str, lines: Sequence[Json], **properties: str) -> str:
        """Let a rep enter a deal with its lines; it is not won yet."""
        rep = self.crm.person(7)
        number = next(self._numbers)
        rows = [("line_items", str(rep.create("line_items", line)["id"])) for line in lines]
        deal = rep.create("deals", {
            "dealname": f"Deal {number}", "pipeline": "default", "dealstage": "contractsent",
            "deal_currency_code": "USD", "po_number": f"PO-{number}", **properties,
        }, [("companies", company), *rows])  # fmt: skip
        return str(deal["id"])

    def win(self, company: str, lines: Sequence[Json], **properties: str) -> str:
        """Let a rep win a deal; return its id."""
        deal = self.open_deal(company, lines, **properties)
        self.crm.person(7).move(deal, "closedwon")
        return deal

    # -- the ERP

    def sales(self, deal_id: str) -> list[Row]:
        """Return every sale that stands for this deal."""
        ids = self.clerk.find("sale.sale", [["reference", "=", f"crm-order-{deal_id}"]])
        names = ("number", "state", "party", "description", "comment", "shipping_date", "invoice_address",
                 "shipment_address", "payment_term.name", "currency.code", "untaxed_amount", "tax_amount",
                 "total_amount", "lines")
        return self.clerk.read("sale.sale", ids, *names) if ids else []

    def sale(self, deal_id: str) -> Row:
        """Return the one sale that stands for this deal."""
        (found,) = self.sales(deal_id)
        return found

    def sale_lines(self, deal_id: str) -> list[Row]:
        return self.clerk.read("sale.line", self.sale(deal_id)["lines"], "product.code", "quantity",
                               "unit.symbol", "unit_price", "amount", "taxes", "description", "note")

    def parties(self, name: str) -> list[Row]:
        """Return the parties of this name, switched-off ones too."""
        ids = self.clerk.find("party.party", [["name", "=", name], ["active", "in", [True, False]]])
        return self.clerk.read("party.party", ids, "code", "name", "phone", "email", "active") if ids else []


def line(part: str, quantity: str, price: str, unit: str = "piece", **properties: str) -> Json:
    """Return the properties of a line item."""
    return {"name": f"{part}, as quoted", "hs_sku": part, "quantity": quantity, "price": price, "unit": unit,
            **properties}


def money(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def write_configuration(folder: Path, crm_url: str, public_url: str, erp_url: str, database: str) -> None:
    """Write ``systems.toml``, and the real sheets with this company's units."""
    systems: Mapping[str, Mapping[str, Any]] = {
        "crm": {"platform": "hubspot", "base_url": crm_url, "token": "env:CRM_TOKEN", "public_url": public_url,
                "webhook_secret": "env:CRM_SECRET", "app_id": "54321", "developer_key": "env:CRM_DEVELOPER_KEY"},
        "crm.limits": {"requests": PLENTY, "window_s": 10, "in_flight": 16},
        "erp": {"platform": "tryton", "base_url": erp_url, "database": database, "user": "sync",
                "password": "env:ERP_PASSWORD", "warehouse": MAIN_WAREHOUSE, "longest_transaction_s": 5,
                "not_customers": ["Suppliers"]},
        "erp.limits": {"in_flight": 8},
    }
    tables = [f"[systems.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
              for name, table in systems.items()]
    folder.mkdir(parents=True)
    (folder / "systems.toml").write_text("\n".join(tables), encoding="utf-8")
    shutil.copytree(SHEETS, folder / "mappings")
    sheet = folder / "mappings" / "order" / "v1.toml"
    text = sheet.read_text(encoding="utf-8")
    for system, at in (("crm", 0), ("erp", 1)):
        rows = "".join(f'"{unit[at]}" = "{unit[2]}"\n' for unit in UNITS)
        text = text.replace(f"[units.{system}]\n", f"[units.{system}]\n{rows}")
    sheet.write_text(text, encoding="utf-8")


@contextmanager
def open_distributor(
    folder: Path, database_url: str, broker_url: str, erp: TrytonServer, database: str,
    prepare: Callable[[Path], None] | None = None, account: Mapping[str, Any] | None = None,
) -> Iterator[Distributor]:  # fmt: skip
    """Set everything up as ``doctor --fix`` would, hand it out, and stop it again."""
    migrate(database_url)
    simulator = hubspot.start(burst=PLENTY, search_per_s=PLENTY, webhook_retry_scale=0.002)
    proxy = FaultProxy(erp.url)
    server = make_server("127.0.0.1", 0, lambda *_: (), threaded=True)
    public_url = f"http://127.0.0.1:{server.server_port}/hooks/crm"
    write_configuration(folder / "config", simulator.url, public_url, proxy.url, database)
    if prepare is not None:
        prepare(folder / "config")
    known = simulator.account.settings
    known.change(account or {})
    environ = {
        "SYNC_CONFIG": str(folder / "config"), "SYNC_HOME": str(folder / "home"),
        "SYNC_DATABASE_URL": database_url, "SYNC_BROKER_URL": broker_url, "CRM_TOKEN": known.token,
        "CRM_SECRET": known.client_secret, "CRM_DEVELOPER_KEY": known.developer_key,
        "ERP_PASSWORD": erp.password,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        app.forget_broker()
        runtime = replace(open_runtime(environ, pool_size=20), **QUICK)  # type: ignore[arg-type]
        site = Site(lambda: open_runtime(environ, pool_size=3))
        server.app = site
        clerk = erp.login(CLERK, database)
        try:
            types = types_in(runtime.sheets, "crm")
            findings = runtime.connectors["crm"].examine(paths_of(runtime.sheets, "crm"), fix=True, types=types)
            assert not [finding for finding in findings if not finding.ok]
            assert known.webhook_url == public_url, "doctor --fix has not told HubSpot where we listen"
            with _serving(server):
                yield Distributor(simulator, erp, database, clerk, proxy, runtime, environ)
        finally:
            simulator.stop()
            site.close()
            clerk.close()
            runtime.dispose()
            proxy.stop()
    app.forget_broker()


@contextmanager
def _serving(server: BaseWSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
