"""A migrated ledger per test, cloned from a template that is migrated once per session."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.sandbox.services import Service, create_database, drop_database


@pytest.fixture(scope="session")
def template(postgres: Service) -> Iterator[str]:
    name = f"template_{secrets.token_hex(6)}"
    migrate(create_database(postgres.url, name))
    yield name
    drop_database(postgres.url, name)


@pytest.fixture
def ledger_url(postgres: Service, template: str) -> Iterator[str]:
    name = f"ledger_{secrets.token_hex(6)}"
    connection = psycopg2.connect(postgres.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.close()
    yield urlunsplit(urlsplit(postgres.url)._replace(path=f"/{name}"))
    drop_database(postgres.url, name)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    yield opened
    opened.dispose()


@pytest.fixture
def another_ledger(ledger_url: str) -> Iterator[Callable[[], Ledger]]:
    """Return a maker of further pools: other processes, as far as the database can tell."""
    opened: list[Ledger] = []

    def make() -> Ledger:
        opened.append(Ledger(ledger_url))
        return opened[-1]

    yield make
    for each in opened:
        each.dispose()
