"""A small configured project on a real ledger and a real broker: two plain systems, one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from sync_workers.ledger.migrate import migrate
from sync_workers.runtime import Runtime, open_runtime, use_runtime
from sync_workers.web.app import Site
from tests.integration.fleet.project import SHEET, SYSTEMS, signed


@pytest.fixture
def environ(tmp_path: Path, database_url: str, broker_url: str) -> dict[str, str]:
    """Return the environment of a project whose ledger is migrated."""
    config = tmp_path / "config"
    (config / "mappings" / "order").mkdir(parents=True)
    (config / "systems.toml").write_text(SYSTEMS, encoding="utf-8")
    (config / "mappings" / "order" / "v1.toml").write_text(SHEET, encoding="utf-8")
    migrate(database_url)
    return {
        "SYNC_CONFIG": str(config),
        "SYNC_HOME": str(tmp_path / "home"),
        "SYNC_DATABASE_URL": database_url,
        "SYNC_BROKER_URL": broker_url,
        "SYNC_WEB_BIND": "127.0.0.1:0",
    }


@pytest.fixture
def set_environ(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Give this process an environment, and Celery's application the broker that it names."""

    def set_(values: Mapping[str, str]) -> None:
        from sync_workers.fleet.app import app

        for name, value in values.items():
            if name != "SYNC_WEB_BIND":
                monkeypatch.setenv(name, value)
        app.forget_broker()

    return set_


@pytest.fixture
def runtime(environ: dict[str, str], set_environ: Callable[[Mapping[str, str]], None]) -> Iterator[Runtime]:
    """Return a runtime of the project, which is also this process's current one."""
    environ = {**environ, "SYNC_WEB_BIND": "127.0.0.1:8000"}
    set_environ(environ)
    opened = open_runtime(environ)
    use_runtime(opened)
    yield opened
    use_runtime(None)
    opened.dispose()


@pytest.fixture
def site(runtime: Runtime) -> Iterator[Site]:
    """Return the web application on the runtime."""
    made = Site(lambda: runtime)
    yield made
    made.close()


@pytest.fixture
def post(site: Site) -> Callable[..., TestResponse]:
    """Return a function that sends one signed delivery to the application in this process."""
    client = Client(site)

    def send(body: bytes, path: str = "/hooks/crm", **options: Any) -> TestResponse:
        proof = options.pop("proof", None)
        return client.post(path, data=body, headers=signed(body) if proof is None else proof, **options)

    return send
