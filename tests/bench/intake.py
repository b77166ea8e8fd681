"""How fast deliveries are accepted, against the same number of single-row commits by pgbench."""

from __future__ import annotations

import re
import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sync_workers.sandbox.databases import create_database, drop_database
from sync_workers.sandbox.postgres import program
from tests.bench import deliveries, load
from tests.bench.figures import Bound, Figure, percentile
from tests.bench.stacks import Fleet

CLIENTS = 32
ROW = 2048
SORTED_WITHIN_S = 60.0


class SingleCommits:
    """pgbench as it came with the server: each client inserts one row of 2 KB and commits, over and over."""

    def __init__(self, postgres_url: str) -> None:
        self._postgres_url = postgres_url
        self._name = "bench_commits"

    def start(self) -> None:
        drop_database(self._postgres_url, self._name)
        self.url = create_database(self._postgres_url, self._name)
        self._psql("CREATE TABLE rows (id bigserial PRIMARY KEY, "
                   "at timestamptz DEFAULT clock_timestamp(), body text STORAGE PLAIN)")

    def stop(self) -> None:
        drop_database(self._postgres_url, self._name)

    def rate(self, seconds: int) -> float:
        parts = urlsplit(self.url)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "insert.sql"
            script.write_text(f"INSERT INTO rows (body) VALUES ('{secrets.token_hex(ROW // 2)}');\n", encoding="ascii")
            done = subprocess.run(
                [program("pgbench"), "--no-vacuum", "--client", str(CLIENTS), "--jobs", "2", "--time", str(seconds),
                 "--file", str(script), "--host", parts.hostname or "", "--port", str(parts.port), "--username",
                 parts.username or "", self._name],
                env={"PGPASSWORD": unquote(parts.password or "")}, capture_output=True, text=True, check=True)
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        assert found is not None, done.stdout
        return float(found.group(1))

    def _psql(self, statement: str) -> None:
        subprocess.run([program("psql"), self.url, "--quiet", "--command", statement], check=True, capture_output=True)


class Intake:
    """Figures 1: share of pgbench's rate, and the 99th percentile of the answers."""

    def __init__(self) -> None:
        self.share = Figure("accepted deliveries/s at 32 connections, against pgbench single-row commits at 32 clients",
                            "share", Bound(0.40, 0.60))
        self.p99 = Figure("the same, 99th percentile of the answers", "ms", Bound(60, 60, at_least=False))
        self.figures = [self.share, self.p99]

    def round(self, fleet: Fleet, commits: SingleCommits, number: int, count: int, seconds: int) -> None:
        """Measure both, one right after the other. ``fleet`` runs the web process alone, which publishes, too.

        Accepted is what was answered 202, which says that it is committed. The same process then sorts it into events
        and wakes the workers; how fast it gets through with both stands beside.
        """
        requests = [deliveries.request(fleet.path, deliveries.body(each, run=f"in{number}")) for each in range(count)]
        theirs = commits.rate(seconds)
        fleet.forget()
        began = time.monotonic()
        sent = load.burst(fleet.url, requests, connections=CLIENTS)
        kept = fleet.one("SELECT (SELECT count(*) FROM events) + (SELECT coalesce(sum(count), 0) FROM doorstep)")
        if kept != count:
            raise AssertionError(f"{count} deliveries were answered {sent.statuses}, {kept} are in the ledger")
        while (sorted_ := fleet.one("SELECT count(*) FROM events")) < count:
            if time.monotonic() > began + SORTED_WITHIN_S:
                raise AssertionError(f"{count} deliveries were accepted, {sorted_} became events")
            time.sleep(0.01)
        sorted_per_s = count / (time.monotonic() - began)
        self.share.add(sent.rate / theirs, accepted_per_s=sent.rate, pgbench_per_s=theirs, sorted_per_s=sorted_per_s)
        self.p99.add(percentile(sent.latencies, 0.99) * 1000)
