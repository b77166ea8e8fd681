"""Bringing the ledger's schema up to date with Alembic, which only this module and its callers load.

Safe to call from several processes at once and on a ledger that is up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, exc, text
from sqlalchemy.pool import NullPool

from sync_workers.ledger.connection import CONNECT_S, Ledger, LedgerDown, driver_url
from sync_workers.ledger.partitions import LOCK, ensure_partitions


def migrate(url: str) -> None:
    """Apply all revisions that are missing and make the partitions of the coming months."""
    with _connection(url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()
    ledger = Ledger(url, pool_size=1)
    try:
        ledger.run(ensure_partitions)
    finally:
        ledger.dispose()


def pending(url: str) -> list[str]:
    """Return the revisions that the ledger lacks, oldest first; empty when it is up to date."""
    script = ScriptDirectory.from_config(_config())
    with _connection(url) as connection:
        applied = MigrationContext.configure(connection).get_current_heads()
    done = {each.revision for head in applied for each in script.iterate_revisions(head, "base")}
    return [each.revision for each in reversed(list(script.walk_revisions())) if each.revision not in done]


def _config() -> Config:
    config = Config(str(resources.files("sync_workers.ledger") / "migrations" / "alembic.ini"))
    config.attributes["configure_logger"] = False
    return config


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_S, "application_name": "sync-workers migrate"}
    engine = create_engine(driver_url(url), poolclass=NullPool, connect_args=arguments)
    try:
        with engine.connect() as connection:
            yield connection
    except exc.OperationalError as error:
        raise LedgerDown(f"the ledger's database does not answer: {str(error.orig).strip().splitlines()[0]}",
                         mend="see that PostgreSQL runs and SYNC_DATABASE_URL points to it") from error
    finally:
        engine.dispose()
