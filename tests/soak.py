"""Mixed traffic and random faults from one seed, then the proof: ``python -m tests.soak --minutes 10 --seed 7``.

People win, edit and mend orders and customers on both sides; the systems drop, delay and refuse calls,
workers are killed, the broker is wiped and PostgreSQL restarted. At the end everything is reachable again,
the fleet comes to rest, all laws must hold and both systems must show the same. The seed decides what is
done in which order; the machine's own timing it cannot repeat. Exit code 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from rich.console import Console

from sync_workers.ledger.connection import LedgerDown
from sync_workers.sandbox.plain import PlainServer
from sync_workers.sandbox.postgres import remove_data
from sync_workers.sandbox.services import create_database, start_broker, start_postgres
from tests.fleets import Fleet, Servers, is_quiet, running, send_hooks_to, wait_for
from tests.integration.engine.laws import prove
from tests.world import World, make_order, make_world

NUMBERS = {"lease_s": 4.0, "call_s": 0.8, "margin_s": 0.2, "probe_s": 0.5}
QUIET_WITHIN_S = 240.0
BAD_PART = "NO-SUCH-PART"


class Soak:
    """One run: what people do, what breaks, and what must be true afterwards."""

    def __init__(self, world: World, fleet: Fleet, servers: Servers, seed: int, console: Console) -> None:
        self.world, self.fleet, self.servers, self.console = world, fleet, servers, console
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.companies: list[str] = []
        self.deals: list[str] = []

    # -- what people do

    def new_company(self) -> None:
        number = len(self.companies)
        self.companies.append(self.world.crm.put("customer", {"name": f"Company {number}", "phone": str(number)}))

    def new_order(self) -> None:
        number = len(self.deals)
        company = self.random.choice(self.companies) if self.companies and self.random.random() < 0.7 else None
        lines = [{"sku": f"P-{self.random.randrange(50)}", "quantity": str(self.random.randrange(1, 20)),
                  "price": f"{self.random.randrange(1, 9999) / 100}"} for _ in range(self.random.randrange(1, 4))]
        if self.random.random() < 0.05:
            lines[0]["sku"] = BAD_PART
        fields = make_order(po_number=f"PO-{number}", status=str(number), lines=lines)
        self.deals.append(self.world.crm.put("order", {**fields, **({"company": company} if company else {})}))

    def edit_order(self) -> None:
        if self.deals:
            deal = self.random.choice(self.deals)
            self.world.crm.edit("order", deal, {"status": f"s{self.random.randrange(1000)}"})

    def edit_customer_in_crm(self) -> None:
        if self.companies:
            self.world.crm.edit("customer", self.random.choice(self.companies),
                                {"phone": str(self.random.randrange(10_000))})

    def edit_in_erp(self) -> None:
        kind = self.random.choice(("order", "customer"))
        known = self.world.erp.store.all(kind)
        if known:
            field = self.random.choice({"order": ("number", "comment"), "customer": ("phone", "credit_limit")}[kind])
            self.world.erp.edit(kind, self.random.choice(known).id, {field: str(self.random.randrange(1000))})

    def overreach_in_erp(self) -> None:
        known = self.world.erp.store.all("customer")
        if known:
            self.world.erp.edit("customer", self.random.choice(known).id, {"name": f"X {self.random.randrange(99)}"})

    # -- what breaks

    def unreliable_system(self) -> None:
        server: PlainServer = self.random.choice((self.world.crm, self.world.erp))
        server.fault(**self.random.choice((
            {"does": "drop"}, {"does": "drop", "commit": False}, {"does": "status", "status": 503},
            {"does": "status", "status": 503, "commit": False}, {"does": "half"}, {"does": "garbage"},
            {"does": "slow", "delay_s": 1.5}, {"does": "drip", "delay_s": 0.2},
            {"does": "status", "status": 429, "commit": False, "retry_after_s": 1},
        )), times=self.random.randrange(1, 4), op=self.random.choice((None, "create", "update", "read")))

    def system_down(self) -> None:
        server: PlainServer = self.random.choice((self.world.crm, self.world.erp))
        server.refuse()
        time.sleep(self.random.uniform(0.5, 4))
        server.accept()

    def kill_process(self) -> None:
        self.fleet.kill(self.random.choice(("worker", "worker", "web", "beat")))

    def freeze_worker(self) -> None:
        pid = self.fleet.supervisor.processes["worker"].pid
        if pid is None:
            return
        try:
            os.killpg(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(1, NUMBERS["lease_s"] + 2))
            os.killpg(pid, signal.SIGCONT)
        except ProcessLookupError:
            return

    def wipe_broker(self) -> None:
        with redis.Redis.from_url(self.servers.broker.url) as client:
            client.flushall()

    def restart_broker(self) -> None:
        self.servers.restart_broker(kill=self.random.random() < 0.5)

    def restart_postgres(self) -> None:
        self.servers.restart_postgres(kill=self.random.random() < 0.5)

    def run(self, minutes: float) -> list[str]:
        people: list[tuple[Callable[[], None], float]] = [
            (self.new_company, 3), (self.new_order, 8), (self.edit_order, 6), (self.edit_customer_in_crm, 3),
            (self.edit_in_erp, 5), (self.overreach_in_erp, 1)]
        harm: list[tuple[Callable[[], None], float]] = [
            (self.unreliable_system, 8), (self.system_down, 2), (self.kill_process, 3), (self.freeze_worker, 1),
            (self.wipe_broker, 2), (self.restart_broker, 1), (self.restart_postgres, 1)]
        ends = time.monotonic() + minutes * 60
        next_harm = time.monotonic() + 2
        while time.monotonic() < ends:
            self._one_of(people)
            time.sleep(self.random.expovariate(8))
            if time.monotonic() > next_harm:
                self._one_of(harm)
                next_harm = time.monotonic() + self.random.uniform(1, 6)
        return self._look_back()

    def _one_of(self, choices: list[tuple[Callable[[], None], float]]) -> None:
        [act] = self.random.choices([act for act, _ in choices], [weight for _, weight in choices])
        self.done[act.__name__] += 1
        act()

    # -- what must be true

    def _look_back(self) -> list[str]:
        for server in (self.world.crm, self.world.erp):
            server.faults.clear()
        self.console.print("All is reachable again; waiting for the fleet to come to rest.", dict(self.done))
        self.world.runtime.ledger.dispose(close=True)
        wrong: list[str] = []
        try:
            wait_for(self._rests, QUIET_WITHIN_S)
        except AssertionError:
            wrong += [f"not at rest after {QUIET_WITHIN_S:g} s: {row}" for row in self.world.rows(
                "SELECT id, kind, state, due_at, owner, lease_until, waits_for, failures, note FROM records"
                " WHERE due_at IS NOT NULL OR owner IS NOT NULL LIMIT 20")]
        found = prove(self.world.runtime)
        for law in found.laws:
            wrong += [f"{law.law} broken: {text}" for text in law.broken]
            wrong += [f"{law.law} unproven: {text}" for text in law.unproven]
        wrong += self._compare()
        self.console.print_json(json.dumps(found.as_json()))
        return wrong

    def _rests(self) -> bool:
        """Bring waits forward: what was tried for minutes must not need hours of backoff to be proven."""
        try:
            self.world.rows("UPDATE records SET due_at = clock_timestamp() + interval '1 second' WHERE owner IS NULL"
                            " AND due_at > clock_timestamp() + interval '3 seconds' AND failures > 0 RETURNING id")
            return is_quiet(self.world)
        except LedgerDown:
            return False

    def _compare(self) -> list[str]:
        """Compare both systems record by record, without asking the ledger."""
        wrong = [f"{server.hooks.failed} events were given up by the sender" for server in
                 (self.world.crm, self.world.erp) if server.hooks.failed]
        for kind, shown in (("customer", {"name": "name", "phone": "phone", "credit_limit": "credit_limit"}),
                            ("order", {"po_number": "po", "status": "status", "notes": "comment",
                                       "erp_number": "number"})):
            there: dict[str, list[dict[str, Any]]] = {}
            for record in self.world.erp.store.all(kind):
                there.setdefault(str(record.fields.get("reference")), []).append(record.fields)
            for record in self.world.crm.store.all(kind):
                twins = there.pop(f"crm-{kind}-{record.id}", [])
                is_bad = any(line["sku"] == BAD_PART for line in record.fields.get("lines", ()))
                if len(twins) != (0 if is_bad else 1):
                    wrong.append(f"{kind} {record.id} stands {len(twins)} times in the ERP")
                for twin in twins:
                    wrong += [f"{kind} {record.id}: {ours} is {record.fields.get(ours)!r} in the CRM and"
                              f" {twin.get(theirs)!r} in the ERP" for ours, theirs in shown.items()
                              if _plain(record.fields.get(ours)) != _plain(twin.get(theirs))]
            wrong += [f"{kind} {reference} stands in the ERP alone" for reference in there]
        return wrong


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{float(text):g}" if text.replace(".", "", 1).isdigit() else text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    chosen = parser.parse_args()
    console = Console()
    console.print(f"seed {chosen.seed}: repeat with `make soak MINUTES={chosen.minutes:g} SEED={chosen.seed}`")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        home = Path(name)
        servers = Servers(home, start_postgres(home), start_broker(home))
        try:
            url = create_database(servers.postgres.url, "soak")
            with make_world(home, url, broker_url=servers.broker.url, **NUMBERS) as world:
                world.erp.rules("order", refused={"lines.part": [BAD_PART]})
                sys.stderr = (home / "fleet.log").open("w")
                with running(world.environ, home / "fleet", "web", "worker", "beat", numbers=NUMBERS) as fleet:
                    send_hooks_to(world, fleet)
                    wrong = Soak(world, fleet, servers, chosen.seed, console).run(chosen.minutes)
        finally:
            servers.broker.stop()
            servers.postgres.stop()
            remove_data(home)  # run by root they may lie outside of the folder
    for text in wrong:
        console.print(f"WRONG: {text}", markup=False)
    console.print(f"seed {chosen.seed}: " + (f"{len(wrong)} things are wrong" if wrong else "all laws hold"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
