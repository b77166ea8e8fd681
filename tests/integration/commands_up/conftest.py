"""Two plain systems that run, and the environment of a project on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_workers.sandbox import plain
from sync_workers.sandbox.processes import choose_port
from tests.integration.commands_up.project import SECRET, environment, write_project


@pytest.fixture
def crm() -> Iterator[plain.PlainServer]:
    server = plain.start(seed=1)
    yield server
    server.stop()


@pytest.fixture
def erp() -> Iterator[plain.PlainServer]:
    server = plain.start(seed=2)
    yield server
    server.stop()


@pytest.fixture
def config(tmp_path: Path, crm: plain.PlainServer, erp: plain.PlainServer) -> Path:
    return write_project(tmp_path, crm.url, erp.url)


@pytest.fixture
def environ(tmp_path: Path, config: Path) -> dict[str, str]:
    """Return the environment of the project, on embedded servers that nobody has started."""
    return environment(
        SYNC_CONFIG=str(config),
        SYNC_HOME=str(tmp_path / "home"),
        SYNC_WEB_BIND=f"127.0.0.1:{choose_port()}",
        FLOWER_PORT=str(choose_port()),
        CRM_SECRET=SECRET,
        ERP_TOKEN="token-of-the-erp",
    )


@pytest.fixture
def on_servers(environ: dict[str, str], database_url: str, broker_url: str) -> dict[str, str]:
    """Return the environment of the project on the tests' own servers."""
    return {**environ, "SYNC_DATABASE_URL": database_url, "SYNC_BROKER_URL": broker_url}
