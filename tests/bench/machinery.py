"""The servers and processes under measurement, and what they cost: CPU time and memory of whole process trees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from sync_workers.sandbox.processes import choose_port

STOP_WITHIN_S = 20.0


@dataclass
class Process:
    """A command in a session of its own, with its output in a file. ``stop`` ends its whole tree."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def start(self) -> Process:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.argv, env={**os.environ, **self.env}, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True)
        return self

    @property
    def pid(self) -> int:
        return self._popen.pid

    def stop(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):  # then it is killed
                self._popen.wait(STOP_WITHIN_S)
        with suppress(ProcessLookupError):  # it left nobody behind
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


class Target:
    """The system that takes the orders: the ``plain`` sandbox server in a process of its own."""

    def __init__(self, folder: Path, *, delay_s: float = 0.0) -> None:
        self.port = choose_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = Process("target", [sys.executable, "-m", "sync_workers.sandbox.plain", "--port", str(self.port),
                                           "--delay-s", str(delay_s)], folder / "target.log")
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self) -> Target:
        self._process.start()
        wait_for(self._listens, 30)
        self.control("rules/order", {"unique": ["reference"]})
        return self

    def stop(self) -> None:
        self._process.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def control(self, path: str, document: object) -> None:
        self._session.post(f"{self.url}/_sandbox/{path}", json=document, timeout=30).raise_for_status()

    def look(self, path: str) -> object:
        answer = self._session.get(f"{self.url}/_sandbox/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def count(self, what: str = "order.create") -> int:
        """Return how many calls of one sort succeeded since ``forget``."""
        counts = self.look("counts")
        assert isinstance(counts, dict)
        return int(counts["counts"].get(what, 0))

    def creates(self) -> list[tuple[float, str]]:
        """Return when each create came in, and its body where bodies are kept."""
        rows = self.look("log?op=create")
        assert isinstance(rows, list)
        return [(float(row["at"]), str(row["body"])) for row in rows if 200 <= row["status"] < 300]

    def last_create_at(self) -> float:
        return max(at for at, _ in self.creates())

    def _listens(self) -> bool:
        try:
            return bool(self._session.get(f"{self.url}/_sandbox/counts", timeout=1).ok)
        except requests.ConnectionError:
            return False


def wait_for(is_so: Callable[[], bool], within_s: float, *, every_s: float = 0.05, what: str = "it") -> None:
    """Ask until it is so. TimeoutError when that takes too long."""
    ends = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come to pass within {within_s:.0f} s")
        time.sleep(every_s)


def tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds that these processes and all that they started have used so far."""
    total = 0.0
    for pid in pids:
        for process in tree(pid):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total


def pss_mb(pids: Sequence[int]) -> float:
    """Return the memory of these trees, each shared page counted once over all who share it."""
    total = 0
    for pid in pids:
        for process in tree(pid):
            try:
                total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
    return total / 2**20
