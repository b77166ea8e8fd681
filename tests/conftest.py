"""Real servers for the tests: started once, shared by all sessions and workers, stopped by the last.

Their data stay in ``.sync-test`` beside this checkout (``SYNC_TEST_HOME`` overrides), so that a second
run starts in a second. Every test gets databases of its own, so runs side by side do no harm.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis

from sync_workers.sandbox.services import (
    Service,
    create_database,
    drop_database,
    start_broker,
    start_postgres,
)
from sync_workers.sandbox.tryton.server import TrytonServer, ensure_tryton

CHECKOUT = Path(__file__).resolve().parent.parent
ERPS = 2


def pytest_configure(config: pytest.Config) -> None:
    # SIGTERM would end pytest at once and leave the servers running; Ctrl-C already unwinds the fixtures
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", returncode=143))


@pytest.fixture(scope="session")
def services_home() -> Path:
    """Return the folder that keeps the servers' data between runs."""
    named = os.environ.get("SYNC_TEST_HOME")
    if named:
        return Path(named)
    usual = CHECKOUT / ".sync-test"
    # a checkout may be tested as root and as its owner; neither can use the other's files
    is_ours = not usual.exists() or usual.stat().st_uid == os.getuid()
    return usual if is_ours else CHECKOUT / f".sync-test-{os.getuid()}"


@pytest.fixture(scope="session")
def postgres(services_home: Path) -> Iterator[Service]:
    """Start the embedded PostgreSQL, without waiting for the disk."""
    service = start_postgres(services_home, durable=False)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def broker(services_home: Path) -> Iterator[Service]:
    """Start the embedded broker. Tests take ``broker_url``, which no other test uses."""
    service = start_broker(services_home)
    yield service
    service.stop()


@pytest.fixture
def database_url(postgres: Service) -> Iterator[str]:
    """Return the URL of an empty database that is dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    yield create_database(postgres.url, name)
    drop_database(postgres.url, name)


@pytest.fixture
def broker_url(broker: Service) -> Iterator[str]:
    """Return the URL of an empty database of the broker, emptied again after the test."""
    with redis.Redis.from_url(broker.url) as counter:
        # database 0 counts; 1023 others go round, far more than run at once
        number = int(counter.incr("tests:databases")) % 1023 + 1
    url = urlunsplit(urlsplit(broker.url)._replace(path=f"/{number}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def tryton(services_home: Path, postgres: Service) -> Iterator[TrytonServer]:
    """Start the real ERP. The first run installs and seeds it: some minutes on a slow machine.

    One for each two of the processes that share the tests: it is one process itself, and they waited for it.
    """
    cache = os.environ.get("SYNC_TRYTON_CACHE") or CHECKOUT / ".sync-cache"
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % ERPS
    server = ensure_tryton(services_home / f"erp{number}", postgres, cache, database=f"erp_{number}")
    yield server
    server.stop()


@pytest.fixture
def erp_database(tryton: TrytonServer) -> Iterator[str]:
    """Return the name of a freshly seeded database of the ERP that is dropped after the test."""
    name = tryton.fresh_database(f"erp_{secrets.token_hex(6)}")
    yield name
    tryton.drop_database(name)
