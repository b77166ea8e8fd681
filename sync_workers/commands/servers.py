"""What the fleet stands on: its PostgreSQL and its broker, and that nothing of it outlives us.

Where an address is configured the server is somebody else's and only looked at; otherwise an embedded
one is started below SYNC_HOME, its data kept between runs, its address left for other commands.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from sync_workers.commands.reach import check_broker, check_database
from sync_workers.connectors.contract import Finding
from sync_workers.errors import SettingsError, SyncError
from sync_workers.sandbox.services import Member, Service, ServiceGroup, start_broker, start_postgres
from sync_workers.sandbox.tryton.server import TrytonServer
from sync_workers.services import SERVICES_FILE, write_services
from sync_workers.settings import Settings

END_WITHIN_S = 15.0


@dataclass(frozen=True)
class Servers:
    """Where they listen. ``postgres`` and ``broker`` are None where the server is not ours."""

    database_url: str
    broker_url: str
    postgres: Service | None = None
    broker: Service | None = None

    @property
    def embedded(self) -> tuple[Service, ...]:
        return tuple(service for service in (self.postgres, self.broker) if service is not None)


class Household(ServiceGroup):
    """A group that knows the servers in it which other programs may share, and so may outlive us."""

    def __init__(self) -> None:
        super().__init__()
        self.shareable: set[int] = set()

    def add(self, member: Member) -> Member:
        if isinstance(member, Service | TrytonServer):
            self.shareable.add(member.pid)
        return super().add(member)

    def hang_up(self, number: int, frame: FrameType | None) -> None:
        """End as with SIGTERM when the terminal closes."""
        self._interrupt(number, frame)


@contextmanager
def nothing_left() -> Iterator[Household]:
    """Give a group of servers; when the block ends, for whatever reason, no process of ours is left.

    A signal may come while a server is being started, before the group knows of it: what is then
    still our child is ended too. Signals that come meanwhile are not heard.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _not_now) for number in numbers}
    household = Household()
    try:
        with household:
            if signal.SIGHUP in before:
                signal.signal(signal.SIGHUP, household.hang_up)
            yield household
    finally:
        for number in numbers:
            signal.signal(number, _not_now)
        try:
            household.stop()
        finally:
            # a server that was stopped in order and still runs is in use by another program
            end_children(household.shareable)
            for number, handler in before.items():
                signal.signal(number, handler)


def start_servers(settings: Settings, group: Household) -> Servers:
    """Return the servers of these settings, embedded ones started. SettingsError names all that do not answer."""
    wrong: list[Finding] = []
    if settings.database_url:
        answers = check_database(settings.database_url)
        wrong += [finding for finding in answers[:1] if not finding.ok]
    if settings.broker_url:
        wrong += [finding for finding in check_broker(settings.broker_url) if not finding.ok]
    started: dict[str, Service] = {}
    for name, start, url in (
        ("postgres", start_postgres, settings.database_url),
        ("broker", start_broker, settings.broker_url),
    ):
        if url:
            continue
        try:
            started[name] = group.add(start(settings.home))
        except SyncError as error:
            wrong.append(Finding(error.message, False, error.mend))
    if wrong:
        raise SettingsError(
            "\n".join(finding.what for finding in wrong), mend="; ".join(finding.mend for finding in wrong)
        )
    postgres, broker = started.get("postgres"), started.get("broker")
    if started:
        # an address that is configured stays out of the file: it may change with the environment
        write_services(
            settings.home,
            database_url=postgres.url if postgres else "",
            broker_url=broker.url if broker else "",
        )
        group.add(_Forget(settings.home / SERVICES_FILE))
    return Servers(
        database_url=settings.database_url or (postgres.url if postgres else ""),
        broker_url=settings.broker_url or (broker.url if broker else ""),
        postgres=postgres,
        broker=broker,
    )


@dataclass
class _Forget:
    """Takes back the word where the servers listen, before they stop."""

    file: Path

    def stop(self) -> None:
        self.file.unlink(missing_ok=True)


@contextmanager
def only_one(home: Path, what: str) -> Iterator[None]:
    """Keep a second ``what`` (up, demo) off this folder. SettingsError when one runs."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{what}.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SettingsError(
                f"'sync-workers {what}' already runs on {home} (process {lock.read().strip() or 'unknown'})",
                mend="end that one, or give this one a SYNC_HOME of its own",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def end_children(but: set[int]) -> None:
    """End every process that we started and that still runs, but for servers that other programs use."""
    found = [child for child in psutil.Process().children(recursive=True) if not _belongs_to(child, but)]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):  # PostgreSQL: fast, then smart shutdown
        for child in found:
            _send(child, number)
        _, found = psutil.wait_procs(found, timeout=END_WITHIN_S / 3)
        if not found:
            return


def _belongs_to(child: psutil.Process, pids: set[int]) -> bool:
    try:
        return child.pid in pids or any(parent.pid in pids for parent in child.parents())
    except psutil.NoSuchProcess:
        return False


def _send(child: psutil.Process, number: signal.Signals) -> None:
    try:
        child.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _not_now(*_: object) -> None:
    """Servers are being stopped, or are not started yet."""
