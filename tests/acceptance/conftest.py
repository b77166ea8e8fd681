"""A world per test, and the receiver as the real server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis

from sync_workers.sandbox.services import Service, create_database, drop_database
from sync_workers.sandbox.tryton.server import TrytonServer
from tests.acceptance.distributor import Distributor, open_distributor
from tests.world import World, make_world


@pytest.fixture
def start_world(tmp_path: Path, database_url: str, broker_url: str) -> Iterator[Callable[..., World]]:
    """Return a function that starts a world; ``sheets`` names a folder of tests/data."""
    with ExitStack() as stack:
        def start(sheets: str = "", **options: Any) -> World:
            if sheets:
                (tmp_path / "config").mkdir()
                (tmp_path / "config" / "mappings").symlink_to(Path(__file__).parents[1] / "data" / sheets)
            return stack.enter_context(make_world(tmp_path, database_url, **{"broker_url": broker_url, **options}))

        yield start


@pytest.fixture
def world(start_world: Callable[..., World]) -> World:
    return start_world()


@pytest.fixture(scope="module")
def module_broker_url(broker: Service) -> Iterator[str]:
    """Return the URL of an empty database of the broker, as ``broker_url`` does for one test."""
    with redis.Redis.from_url(broker.url) as counter:
        number = int(counter.incr("tests:databases")) % 1023 + 1
    url = urlunsplit(urlsplit(broker.url)._replace(path=f"/{number}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="module")
def distributor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Service,
    module_broker_url: str, tryton: TrytonServer,
) -> Iterator[Distributor]:  # fmt: skip
    """Return a HubSpot account and a real ERP that know nothing of each other yet, for all tests of a module.

    A module's ``prepare(folder)`` changes the configuration before anything is opened, its ``ACCOUNT`` what the
    account's edition can do.
    """
    name = secrets.token_hex(6)
    ledger_url = create_database(postgres.url, f"test_{name}")
    database = tryton.fresh_database(f"erp_{name}")
    try:
        with open_distributor(
            tmp_path_factory.mktemp("distributor"), ledger_url, module_broker_url, tryton, database,
            prepare=getattr(request.module, "prepare", None), account=getattr(request.module, "ACCOUNT", None),
        ) as opened:
            yield opened
    finally:
        tryton.drop_database(database)
        drop_database(postgres.url, f"test_{name}")
