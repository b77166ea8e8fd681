"""How fast deliveries are accepted, against the same number of single-row commits by pgbench."""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis

from sync_workers.fleet.messages import SORT
from sync_workers.fleet.queues import LIVE
from sync_workers.fleet.wakeups import Wakeups, wake_of
from sync_workers.ledger import doorstep
from sync_workers.sandbox.databases import create_database, drop_database
from sync_workers.sandbox.postgres import program
from tests.bench import deliveries, load
from tests.bench.figures import Bound, Figure, percentile
from tests.bench.machinery import wait_for
from tests.bench.stacks import Fleet

CLIENTS = 32
ROW = 2048
PUBLISHED_WITHIN_S = 5.0


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
        """Measure both, one right after the other. ``fleet`` runs the web process alone.

        Accepted is what was answered 202, which says that it is committed. Publishing is included: the clock stops
        when the broker has a message for all of it, one that names the record or one that says that something lies
        on the doorstep. What a worker does upon that, sorting and a wake-up for each record, is done here afterwards
        by one process, and the rate of both together stands beside.
        """
        requests = [deliveries.request(fleet.path, deliveries.body(each, run=f"in{number}")) for each in range(count)]
        theirs = commits.rate(seconds)
        fleet.forget()
        with redis.Redis.from_url(fleet.broker_url) as broker:
            broker.flushdb()
            accepted_per_s, sorted_per_s, latencies = self._accept(fleet, broker, requests)
        self.share.add(accepted_per_s / theirs, accepted_per_s=accepted_per_s, pgbench_per_s=theirs,
                       sorted_per_s=sorted_per_s)
        self.p99.add(percentile(latencies, 0.99) * 1000)

    @staticmethod
    def _accept(fleet: Fleet, broker: redis.Redis, requests: Sequence[bytes]) -> tuple[float, float, list[float]]:
        """Return how many were accepted per second and how many accepted and sorted, and the answers' latencies."""
        count = len(requests)
        began = time.monotonic()
        sent = load.burst(fleet.url, requests, connections=CLIENTS)
        kept = fleet.one("SELECT (SELECT count(*) FROM events) + (SELECT coalesce(sum(count), 0) FROM doorstep)")
        if kept != count:
            raise AssertionError(f"{count} deliveries were answered {sent.statuses}, {kept} are in the ledger")
        recorded = fleet.one("SELECT count(*) FROM events")
        wait_for(lambda: _has_messages(broker, recorded, count), PUBLISHED_WITHIN_S, every_s=0.001, what="its messages")
        accepted = time.monotonic()
        wakeups = Wakeups(broker)
        while (arrived := doorstep.sort_out(fleet.ledger)) is not None:
            wakeups.publish(wake_of(one.record_id, one.kind) for one in arrived if one.due)
        ended = time.monotonic()
        if (became := fleet.one("SELECT count(*) FROM events")) != count:
            raise AssertionError(f"{count} deliveries were accepted, {became} became events")
        return count / (accepted - began), count / (ended - began), sent.latencies


def _has_messages(broker: redis.Redis, recorded: int, count: int) -> bool:
    """Whether the broker has a message for each recorded delivery, and one for the doorstep if there are others."""
    sorts, named = 0, set()
    for item in broker.lrange(LIVE, 0, -1):  # type: ignore[union-attr]
        message = json.loads(item)
        if message["headers"]["task"] == SORT:
            sorts += 1
        else:
            named.update(json.loads(base64.b64decode(message["body"]))[0][0])
    return len(named) == recorded and (sorts == 1 or recorded == count)
