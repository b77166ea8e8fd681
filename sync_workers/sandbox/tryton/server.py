"""The ERP as the demo and the tests use it: one call to have it, one to get a fresh database.

    with ServiceGroup() as group:
        postgres = group.add(start_postgres(home))
        erp = group.add(ensure_tryton(home, postgres))
        clerk = erp.login("clerk")

The first run installs Tryton and seeds it, which takes a minute or two; later runs take seconds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sync_workers.sandbox.databases import database_exists, drop_database
from sync_workers.sandbox.processes import POLITELY, Place, Service
from sync_workers.sandbox.tryton.installation import alone_in, cache_folder, install
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.seed import SYNC
from sync_workers.sandbox.tryton.snapshot import copy_template, ensure_template, passwords
from sync_workers.sandbox.tryton.trytond import is_answering, open_database, spawn

DATABASE = "erp"


@dataclass
class TrytonServer:
    """A trytond that runs. ``database`` keeps its data between runs; fresh ones are made beside it."""

    url: str
    database: str
    user: str
    passwords: dict[str, str] = field(repr=False)
    pid: int
    template: str
    _postgres_url: str = field(repr=False)
    _place: Place = field(repr=False)
    _stopped: bool = field(default=False, repr=False)

    @property
    def password(self) -> str:
        """Return the password of ``user``, the sync layer's own login."""
        return self.passwords[self.user]

    def login(self, user: str | None = None, database: str | None = None) -> Rpc:
        """Log in as ``sync`` (the default), ``clerk`` or ``admin``."""
        name = user or self.user
        return Rpc(self.url, database or self.database, name, self.passwords[name])

    def fresh_database(self, name: str) -> str:
        """Make ``name`` a seeded database nobody has touched, and return it.

        Takes about a second, and 17 MB of the server's memory until it stops. The name of a database that
        this server has served must not be used again before it restarts: its caches would be of the old one.
        """
        copy_template(self._postgres_url, self.template, name)
        open_database(self.url, name)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database made here; absent is fine."""
        drop_database(self._postgres_url, name)

    def stop(self) -> None:
        """Stop the server unless another program uses it; twice is harmless."""
        if self._stopped:
            return
        with self._place.alone():
            if self._place.leave():
                self._place.end(POLITELY)
        self._stopped = True


def ensure_tryton(
    home: Path | str, postgres: Service, cache: Path | str | None = None, *, database: str = DATABASE
) -> TrytonServer:
    """Install, seed and start what is missing, and return the server with ``database`` open."""
    url = postgres.url
    kept = cache_folder(cache)
    with alone_in(kept):
        python = install(kept)
        template = ensure_template(kept, python, url, datetime.now(UTC).date())
    place = Place(Path(home) / "tryton")
    with place.alone():
        if not database_exists(url, database):
            copy_template(url, template, database)
        # a server of other versions, or of a PostgreSQL that has moved, is of no use to anybody
        made_of = hashlib.sha256(f"{python} {url}".encode()).hexdigest()
        running = place.running()
        if running and place.recall().get("made_of") != made_of:
            running.end(POLITELY)
            running = None
        place.join()
        try:
            address = f"http://127.0.0.1:{place.recall().get('port')}"
            if running is None or not is_answering(address):
                if running:
                    running.end(POLITELY)
                started = spawn(place, python, url)
                place.remember(made_of=made_of)
                address, running = started.url, started.running
            open_database(address, database)
        except BaseException:
            place.leave()
            raise
    return TrytonServer(
        url=address,
        database=database,
        user=SYNC,
        passwords=passwords(kept),
        pid=running.pid,
        template=template,
        _postgres_url=url,
        _place=place,
    )
