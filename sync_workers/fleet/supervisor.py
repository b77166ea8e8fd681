"""Runs the Procfile's processes on one machine, for ``sync-workers up`` and ``demo``.

One loop in one thread: starts each process in a group of its own, copies what it says into a log
file, starts again what died, and ends all of them in order. Servers with an init system or a
platform of their own do not need it. What the processes are stands in the Procfile.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from sync_workers import logs
from sync_workers.errors import SettingsError

log = logs.get(__name__)

RELEASE = "release"
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_AFTER_S = 30.0  # a process that lived this long starts again without a wait
GRACE_S = 15.0
LOOK_S = 0.2
LARGEST_LOG = 10 * 1024 * 1024
PR_SET_PDEATHSIG = 1

_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to end this child when the thread that started it does, even by kill -9."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(0)


@dataclass
class Supervised:
    """One process of the Procfile and its log. ``starts`` counts how often it was begun."""

    name: str
    argv: Sequence[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    wait_s: float = 0.0
    starts: int = 0
    rest: bytes = b""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None


@dataclass
class Supervisor:
    """Keeps the named processes running. ``run`` blocks until ``stop``, which may come from any thread."""

    commands: Mapping[str, str]
    home: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    names: Collection[str] | None = None
    grace_s: float = GRACE_S
    echo: Callable[[str, str], None] | None = None
    died: Callable[[int], None] | None = None
    """Told the number of each process that ended by itself, once nothing of it runs any more."""

    def __post_init__(self) -> None:
        folder = self.home.absolute() / "logs"
        wanted = [
            name for name in self.commands if name != RELEASE and (self.names is None or name in self.names)
        ]
        self.processes = {
            name: Supervised(name, shlex.split(self.commands[name]), folder / f"{name}.log")
            for name in wanted
        }
        self.started = threading.Event()
        self._stop = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)

    def release(self) -> None:
        """Run the Procfile's ``release`` to its end, before anything else. SettingsError when it fails."""
        if RELEASE not in self.commands:
            return
        done = subprocess.run(
            shlex.split(self.commands[RELEASE]), env=self._environment(), capture_output=True, check=False
        )
        if done.returncode:
            said = logs.masked((done.stdout + done.stderr).decode("utf-8", "replace")).strip()[-2000:]
            raise SettingsError(
                f"'{self.commands[RELEASE]}' failed:\n{said}", mend="mend what it says, then start again"
            )

    def run(self) -> None:
        """Start all, look after them, and return once ``stop`` was called and all have ended."""
        metrics = Path(self._environment()["PROMETHEUS_MULTIPROC_DIR"])
        metrics.mkdir(parents=True, exist_ok=True)
        for stale in metrics.glob("*.db"):
            stale.unlink(missing_ok=True)
        try:
            for each in self.processes.values():
                if self._stop.is_set():
                    break
                each.log_file.parent.mkdir(parents=True, exist_ok=True)
                self._start(each)
            self.started.set()
            while not self._stop.is_set():
                self._look(LOOK_S)
                self._restart_dead()
        finally:
            self._end_all()

    def stop(self) -> None:
        """Ask ``run`` to end everything and return. Safe in a signal handler and to call twice."""
        self._stop.set()
        os.write(self._wake_write, b".")

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM stop the run. Main thread only."""
        before = {
            number: signal.signal(number, lambda *_: self.stop())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _environment(self) -> dict[str, str]:
        own = os.path.dirname(os.path.abspath(sys.executable))  # not resolved: a venv's python is a link
        path = self.environ.get("PATH", os.defpath)
        return {
            "PROMETHEUS_MULTIPROC_DIR": str(self.home.absolute() / "metrics"),
            "PYTHONUNBUFFERED": "1",
            **self.environ,
            "PATH": f"{own}{os.pathsep}{path}",
        }

    def _start(self, each: Supervised) -> None:
        each.process = subprocess.Popen(
            each.argv,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(_end_with_parent, os.getpid()),
        )
        assert each.process.stdout is not None
        os.set_blocking(each.process.stdout.fileno(), False)
        self._selector.register(each.process.stdout, selectors.EVENT_READ, each)
        each.output = each.log_file.open("ab")
        each.started_at, each.starts = time.monotonic(), each.starts + 1
        self._say(each, f"started, process {each.process.pid}")

    def _look(self, seconds: float) -> None:
        """Copy what the processes say, for as long as this."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                os.read(self._wake_read, 1024)
            else:
                self._copy(key.data, key.fileobj)

    def _copy(self, each: Supervised, pipe: Any) -> None:
        piece = pipe.read(65536)
        if piece is None:
            return
        if not piece:
            self._selector.unregister(pipe)
            pipe.close()
            return
        if each.output is not None:
            each.output.write(piece)
            each.output.flush()
            if each.output.tell() > LARGEST_LOG:
                each.output.close()
                each.log_file.replace(each.log_file.with_suffix(".log.1"))
                each.output = each.log_file.open("ab")
        if self.echo is not None:
            *lines, each.rest = (each.rest + piece).split(b"\n")
            for line in lines:
                self.echo(each.name, line.decode("utf-8", "replace"))

    def _restart_dead(self) -> None:
        now = time.monotonic()
        for each in self.processes.values():
            if each.process is not None and each.process.poll() is not None:
                code, pid = each.process.returncode, each.process.pid
                self._bury(each)
                if self.died is not None:
                    self.died(pid)
                steady = now - each.started_at > STEADY_AFTER_S
                each.wait_s = (
                    FIRST_WAIT_S if steady or not each.wait_s else min(2 * each.wait_s, LONGEST_WAIT_S)
                )
                each.start_at = now + each.wait_s
                self._say(each, f"ended with {code}, starts again in {each.wait_s:g} s")
            if each.process is None and now >= each.start_at:
                self._start(each)

    def _bury(self, each: Supervised) -> None:
        """End what a dead process left of its group, and keep the rest of what it said."""
        process, each.process = each.process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGKILL)
        if process.stdout is not None and not process.stdout.closed:
            self._copy(each, process.stdout)
            if not process.stdout.closed:
                self._selector.unregister(process.stdout)
                process.stdout.close()
        if each.output is not None:
            each.output.close()
            each.output = None

    def _end_all(self) -> None:
        """End what takes work in before what works it off, within the grace; then kill."""
        until = time.monotonic() + self.grace_s
        workers = [each for each in self.processes.values() if "worker" in each.argv]
        intake = [each for each in self.processes.values() if each not in workers]
        for stage in (intake, workers):
            for each in stage:
                if each.process is not None and each.process.poll() is None:
                    each.process.terminate()
            while time.monotonic() < until and any(
                each.process and each.process.poll() is None for each in stage
            ):
                self._look(0.05)
            for each in stage:
                if each.process is not None and each.process.poll() is None:
                    self._say(each, "did not end in time and is killed")
                    _signal_group(each.process.pid, signal.SIGKILL)
                    each.process.wait()
                self._bury(each)
        self._selector.close()  # the pipe stays open: stop() may still be called

    def _say(self, each: Supervised, text: str) -> None:
        log.info("A supervised process changed", process=each.name, change=text)
        if self.echo is not None:
            self.echo(each.name, text)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return
