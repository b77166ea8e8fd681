"""The peers as processes: a web server in front, their own worker behind, on the same target and servers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
import requests

from sync_workers.sandbox.processes import choose_port
from sync_workers.sandbox.services import create_database, drop_database
from tests.bench import deliveries
from tests.bench.machinery import Process, Target, wait_for

SCRIPTS = Path(__file__).with_name("peers")
WEB_PROCESSES, WEB_THREADS, WORKER_PROCESSES = 2, 16, 2
VERSIONS = ("flask", "gunicorn", "celery", "dramatiq", "procrastinate", "psycopg", "requests")


@dataclass(frozen=True)
class Kind:
    """How one peer is run: its module and its worker's command."""

    name: str
    module: str
    database: int  # of the broker: each has its own, apart from ours
    worker: Sequence[str]
    prepare: Sequence[str] = ()


KINDS = (
    Kind("naive Flask + Celery", "naive", 7,
         ("celery", "-A", "naive.celery", "worker", "-P", "prefork", "-c", str(WORKER_PROCESSES), "-l", "WARNING",
          "--without-gossip", "--without-mingle")),
    Kind("dramatiq + Redis", "with_dramatiq", 8,
         ("dramatiq", "with_dramatiq", "--processes", str(WORKER_PROCESSES), "--threads", "8")),
    Kind("procrastinate", "with_procrastinate", 9,
         ("procrastinate", "--app", "with_procrastinate.jobs", "worker", "--concurrency", "8", "--queues", "orders"),
         ("procrastinate", "--app", "with_procrastinate.jobs", "schema", "--apply")),
)


class Baselines:
    """The environment with the peers' packages, made once below the bench's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self) -> None:
        stamp = self.folder / ".installed"
        wanted = (SCRIPTS / "requirements.txt").read_text(encoding="utf-8")
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        subprocess.run([str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                        str(SCRIPTS / "requirements.txt")], check=True)
        stamp.write_text(wanted, encoding="utf-8")

    def versions(self) -> dict[str, str]:
        asked = f"from importlib.metadata import version\nfor n in {VERSIONS!r}: print(n, version(n))"
        said = subprocess.run([str(self.python), "-c", asked], check=True, capture_output=True, text=True).stdout
        return dict(line.split() for line in said.splitlines())


class Peer:
    """One peer, with the verbs of ``stacks.Stack``. It records nothing: the target's count says when it is done."""

    path = "/hook"

    def __init__(self, kind: Kind, baselines: Baselines, folder: Path, postgres_url: str, broker_url: str,
                 target: Target) -> None:
        self.name, self._kind, self._baselines = kind.name, kind, baselines
        self._folder, self._target, self._postgres_url = folder, target, postgres_url
        self._broker_url = urlunsplit(urlsplit(broker_url)._replace(path=f"/{kind.database}"))
        self._database = f"bench_{kind.module}_{time.time_ns() % 10**9}"
        self._port = choose_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._processes: list[Process] = []

    def start(self) -> None:
        with redis.Redis.from_url(self._broker_url) as client:
            client.flushdb()
        self._database_url = create_database(self._postgres_url, self._database)
        if self._kind.prepare:
            subprocess.run(self._command(self._kind.prepare), check=True, env=self._environ(), cwd=SCRIPTS,
                           capture_output=True)
        web = ("gunicorn", f"{self._kind.module}:app", "--bind", f"127.0.0.1:{self._port}", "--workers",
               str(WEB_PROCESSES), "--worker-class", "gthread", "--threads", str(WEB_THREADS), "--keep-alive", "60",
               "--log-level", "warning")
        for name, argv in (("web", web), ("worker", self._kind.worker)):
            log = self._folder / f"{self._kind.module}.{name}.log"
            self._processes.append(Process(name, self._command(argv), log, self._environ(), SCRIPTS).start())
        wait_for(self._answers, 60, what=f"the start of {self.name}")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
        self._processes = []
        drop_database(self._postgres_url, self._database)

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def wait_done(self, count: int, within_s: float = 300) -> float:
        wait_for(lambda: self._target.count() >= count, within_s, what=f"{self.name}'s {count} orders")
        return self._target.last_create_at()

    def forget(self) -> None:
        """Nothing is kept, so nothing is forgotten."""

    def _command(self, argv: Sequence[str]) -> list[str]:
        return [str(self._baselines.folder / "bin" / argv[0]), *argv[1:]]

    def _environ(self) -> Mapping[str, str]:
        return {"BENCH_TARGET": self._target.url, "BENCH_SECRET": deliveries.SECRET, "BENCH_BROKER": self._broker_url,
                "BENCH_DATABASE": self._database_url, "PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/hook", timeout=2).status_code == 405
        except requests.RequestException:
            return False
