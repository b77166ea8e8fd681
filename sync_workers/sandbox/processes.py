"""Server processes of this machine: started once, shared by who needs them, stopped by the last.

Knows processes, ports, locks and secret files; what is served belongs to the modules that start it.

Several programs may use one server (two test runs, or `up` beside a test run). Each holds a shared
lock on the folder's ``users`` file, which the kernel gives back whatever kills its holder, and the
one that finds itself alone when it leaves stops the server. A server whose users were all killed
goes on running; the next start finds it and takes it over.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from sync_workers.errors import SettingsError, SyncError

LOOK_AGAIN_S = 0.05
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
FREE_WITHIN_S = 5.0
LOG_LINES_SHOWN = 15


class ServiceError(SyncError):
    """A server did not start, or did not stop; the message carries the end of its log."""


@dataclass(frozen=True)
class Running:
    """One process, told from a later one with the same number by the time it began."""

    pid: int
    began: float

    @classmethod
    def of(cls, pid: int) -> Running | None:
        """Return the process, or None when there is none or it only waits to be reaped."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None

    @property
    def is_alive(self) -> bool:
        return Running.of(self.pid) == self

    def end(self, signals: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal in turn, waiting its seconds, until the process is gone."""
        for number, seconds in signals:
            if not self.is_alive:
                return
            os.kill(self.pid, number)
            if wait_until(lambda: not self.is_alive, seconds):
                return
        if self.is_alive:
            raise ServiceError(f"process {self.pid} does not end", mend=f"look at it with 'ps -p {self.pid}'")


POLITELY = ((signal.SIGTERM, STOP_WITHIN_S), (signal.SIGKILL, 5.0))


@dataclass
class Service:
    """A server that runs. ``stop()`` may be called twice, and leaves it running for its other users."""

    name: str
    url: str = field(repr=False)
    pid: int
    _stop: Callable[[], None] = field(repr=False)
    _stopped: bool = field(default=False, repr=False)

    def stop(self) -> None:
        if not self._stopped:
            self._stop()
            self._stopped = True


class Place:
    """The folder of one server: what it remembers between runs, and who uses it now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        self._users: IO[str] | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other program from starting or stopping this server meanwhile."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def join(self) -> None:
        """Count this program among the users. Call it ``alone``."""
        if self._users is None:
            self._users = (self.folder / "users").open("w")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Stop counting this program, and tell whether it was the last. Call it ``alone``."""
        if self._users is None:
            return False
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last = True
        except BlockingIOError:
            last = False
        self._users.close()
        self._users = None
        return last

    def recall(self) -> dict[str, Any]:
        """Return what was remembered; empty when nothing was, or when a crash cut it short."""
        try:
            remembered = json.loads((self.folder / "server.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return remembered if isinstance(remembered, dict) else {}

    def remember(self, **facts: Any) -> None:
        """Add facts to what is remembered, whole or not at all."""
        draft = self.folder / "server.json.new"
        draft.write_text(json.dumps(self.recall() | facts), encoding="utf-8")
        draft.replace(self.folder / "server.json")

    def running(self) -> Running | None:
        """Return the remembered server, when it is still the same process and alive."""
        known = self.recall()
        if "pid" not in known:
            return None
        running = Running(known["pid"], known.get("began", 0.0))
        return running if running.is_alive else None

    def end(self, signals: Sequence[tuple[signal.Signals, float]]) -> None:
        """End the server that runs now, which is another than we started where somebody had to restart it."""
        running = self.running()
        if running:
            running.end(signals)

    def secret(self, name: str = "password") -> str:
        """Return the random secret of this folder, made when absent and readable by its owner alone."""
        return keep_secret(self.folder / name)

    def port(self) -> int:
        """Return the port used last when it is free again, else a free one.

        The kernel shows a killed server as gone a moment before the last of its threads lets go of the
        port, and whoever used it would look for the next one there in vain: so a moment is waited.
        """
        last = self.recall().get("port")
        if last is not None:
            wait_until(lambda: is_free(last), FREE_WITHIN_S)
        return choose_port(last)

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start ``argv`` in a session of its own, so that Ctrl-C reaches us and not the server."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        _children[process.pid] = process
        running = Running.of(process.pid)
        if running is None:
            raise self.failure(f"{argv[0]} ended at once")
        return running

    def await_ready(
        self, running: Running, is_ready: Callable[[], bool], within_s: float = START_WITHIN_S
    ) -> None:
        """Wait until the server answers. ServiceError when it ends or stays silent, which also ends it."""
        if not wait_until(lambda: is_ready() or not running.is_alive, within_s):
            running.end(POLITELY)
            raise self.failure(f"no answer after {within_s:.0f} s")
        if not running.is_alive:
            raise self.failure("it ended while starting")

    def failure(self, said: str) -> ServiceError:
        """Return the error to raise, with the end of the server's log."""
        log = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        shown = "\n".join(log.splitlines()[-LOG_LINES_SHOWN:])
        return ServiceError(
            f"the server in {self.folder} did not start: {said}\n{shown}".rstrip(),
            mend=f"see {self.log}; removing {self.folder} starts afresh and loses its data",
        )


_children: dict[int, subprocess.Popen[bytes]] = {}


def reap() -> None:
    """Collect what our ended servers left, so that nobody takes a dead one for a living one."""
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            del _children[pid]


def wait_until(is_so: Callable[[], bool], seconds: float, *, every_s: float = LOOK_AGAIN_S) -> bool:
    """Ask until it is so, or the time is over; tell which."""
    ends = time.monotonic() + seconds
    while True:
        reap()
        if is_so():
            return True
        if time.monotonic() > ends:
            return False
        time.sleep(every_s)


def choose_port(wanted: int | None = None) -> int:
    """Return ``wanted`` when nothing listens there, else a free port of 127.0.0.1."""
    for port in (wanted or 0, 0):
        found = _bind(port)
        if found is not None:
            return found
    raise ServiceError("no port of 127.0.0.1 is free", mend="end what holds them: 'ss -ltnp' lists it")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1 now."""
    return _bind(port) is not None


def _bind(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def keep_secret(file: Path) -> str:
    """Return the secret in ``file``; a new random one, mode 0600, when it does not exist."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = file.read_text(encoding="ascii").strip()
        if not found:
            raise SettingsError(f"{file} is empty", mend="remove it and the data that it protects") from None
        return found
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        made = secrets.token_urlsafe(24)
        opened.write(made)
    return made
