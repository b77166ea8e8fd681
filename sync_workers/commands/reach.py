"""Whether the servers answer, and a port is free: each finding with what would mend it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kombu.connection import Connection
from redis.exceptions import RedisError

from sync_workers import logs
from sync_workers.connectors.contract import Finding
from sync_workers.errors import SyncError
from sync_workers.ledger.migrate import pending
from sync_workers.services import connect_redis, read_services
from sync_workers.settings import Settings

CONNECT_S = 3.0


@dataclass
class Section:
    """One part of the house and what was found there."""

    title: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return all(finding.ok for finding in self.findings)


def check_servers(settings: Settings) -> Section:
    """Look at the ledger's database, its migrations, and the broker."""
    section = Section("Servers")
    running = read_services(settings.home)
    database = settings.database_url or running.get("database_url")
    broker = settings.broker_url or running.get("broker_url")
    section.findings += check_database(database) if database else [_embedded("PostgreSQL", settings)]
    section.findings += check_broker(broker) if broker else [_embedded("broker", settings)]
    return section


def check_database(url: str) -> list[Finding]:
    """Look whether the database answers and has every migration."""
    try:
        missing = pending(url)
    except SyncError as error:
        return [finding_of(error)]
    steps = f"{len(missing)} migration{'s' if len(missing) > 1 else ''} missing: {', '.join(missing)}"
    return [
        Finding(f"PostgreSQL answers at {place_of(url)}", True),
        Finding(steps if missing else "the ledger has every migration", not missing,
                "run 'sync-workers migrate'" if missing else ""),
    ]  # fmt: skip


def check_broker(url: str) -> list[Finding]:
    """Look whether the broker answers."""
    mend = "see that it runs and SYNC_BROKER_URL points to it"
    try:
        client = connect_redis(url)
        if client is not None:
            with client:
                client.ping()
        else:
            with Connection(url, connect_timeout=CONNECT_S) as connection:  # type: ignore[no-untyped-call]
                connection.ensure_connection(max_retries=1, timeout=CONNECT_S)
    except (RedisError, OSError) as error:
        said = logs.masked(str(error))
        return [Finding(f"the broker at {place_of(url)} does not answer: {said}", False, mend)]
    return [Finding(f"the broker answers at {place_of(url)}", True)]


def check_port(host: str, port: int, variable: str) -> Finding:
    """Look whether a process of ours could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(f"{host}:{port} cannot be listened on: {error.strerror}", False,
                           f"end what holds it, or set {variable} to another")  # fmt: skip
    return Finding(f"{host}:{port} is free", True)


def finding_of(error: SyncError) -> Finding:
    """Return an error as what a person reads of it."""
    return Finding(logs.masked(error.message), False, error.mend)


def _embedded(name: str, settings: Settings) -> Finding:
    return Finding(f"{name}: 'sync-workers up' starts an embedded one below {settings.home}", True)


def place_of(url: str) -> str:
    """Return host and port of an address, which may hold a password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
