"""``up`` on embedded servers, from nothing to a working fleet and back to nothing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sync_workers.sandbox import plain
from sync_workers.sandbox.processes import wait_until
from tests.integration.commands_up.project import SECRET, environment, run, start, using

READY_WITHIN_S = 90


def is_ready(environ: dict[str, str]) -> bool:
    try:
        return requests.get(f"http://{environ['SYNC_WEB_BIND']}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=90)[0]


@pytest.mark.slow
def test_up_carries_an_order_and_leaves_nothing_running(
    environ: dict[str, str], tmp_path: Path, crm: plain.PlainServer, erp: plain.PlainServer
) -> None:
    process = start("up", environ=environ, cwd=tmp_path)
    try:
        assert wait_until(lambda: is_ready(environ) or process.poll() is not None, READY_WITHIN_S)
        assert process.poll() is None
        crm.hooks.url, crm.hooks.secret = f"http://{environ['SYNC_WEB_BIND']}/hooks/crm", SECRET
        crm.put("order", {"po_number": "PO-77"})
        assert wait_until(lambda: len(erp.store.all("order")) == 1, 60)
        assert erp.store.all("order")[0].fields["po"] == "PO-77"
        assert requests.get(f"http://127.0.0.1:{environ['FLOWER_PORT']}/", timeout=10).status_code == 401
        # it sees what happens from the moment that it is there
        assert wait_until(lambda: "sync.sweep" in names_in_flower(environ, tmp_path / "home"), 60)
        crm.edit("order", erp.store.all("order")[0].fields["reference"].removeprefix("crm-order-"), {"po_number": "PO"})
        assert wait_until(lambda: "sync.drain" in names_in_flower(environ, tmp_path / "home"), 60)
        assert run("status", environ=environ, cwd=tmp_path).returncode == 0
        metrics = requests.get(f"http://{environ['SYNC_WEB_BIND']}/metrics", timeout=10).text
        assert 'sync_deliveries_total{outcome="accepted",system="crm"}' in metrics, "the receiver counted it"
        assert 'sync_wakeups_total{queue="live"}' in metrics
        assert "flower_" not in metrics, "Flower's figures are Flower's: those of a dead one would stay for ever"
        services = tmp_path / "home" / "services.json"
        assert services.stat().st_mode & 0o777 == 0o600
        second = run("up", environ=environ, cwd=tmp_path)
        assert second.returncode == 2
    finally:
        said = stop(process)
    assert process.returncode == 0, said
    for word in ("receiver", "health", "console", "metrics", "flower.password", "console.password"):
        assert word in said
    assert using(tmp_path / "home") == []
    assert not services.exists()


def names_in_flower(environ: dict[str, str], home: Path) -> set[str]:
    """Return the names of the tasks that Flower shows to who has the password."""
    login = ("sync", (home / "flower.password").read_text(encoding="ascii").strip())
    reply = requests.get(f"http://127.0.0.1:{environ['FLOWER_PORT']}/api/tasks", auth=login, timeout=10)
    assert reply.ok
    return {task["name"] for task in reply.json().values()}


@contextmanager
def ready(environ: dict[str, str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run ``up`` until it is ready, and stop it when the block ends."""
    process = start("up", "--quiet", environ=environ, cwd=cwd)
    try:
        assert wait_until(lambda: is_ready(environ) or process.poll() is not None, READY_WITHIN_S)
        yield process
    finally:
        said = stop(process)
    assert process.returncode == 0, said


@pytest.mark.slow
def test_up_keeps_its_data_between_runs(
    environ: dict[str, str], tmp_path: Path, crm: plain.PlainServer, erp: plain.PlainServer
) -> None:
    crm.hooks.url, crm.hooks.secret = f"http://{environ['SYNC_WEB_BIND']}/hooks/crm", SECRET
    with ready(environ, tmp_path):
        deal = crm.put("order", {"po_number": "PO-1"})
        assert wait_until(lambda: len(erp.store.all("order")) == 1, 60)
        assert wait_until(crm.hooks.wait_until_sent, 60)
    with ready(environ, tmp_path):
        crm.edit("order", deal, {"po_number": "PO-2"})
        assert wait_until(lambda: [each.fields["po"] for each in erp.store.all("order")] == ["PO-2"], 60)
        told = json.loads(run("explain", "order", deal, "--json", environ=environ, cwd=tmp_path).stdout)
    assert [attempt["op"] for attempt in told["attempts"]] == ["create", "update"], "it remembers the first run"
    assert using(tmp_path / "home") == []


@pytest.mark.slow
def test_up_uses_the_servers_that_are_named_and_starts_none_of_its_own(
    on_servers: dict[str, str], tmp_path: Path
) -> None:
    with ready(on_servers, tmp_path):
        assert json.loads(run("status", "--json", environ=on_servers, cwd=tmp_path).stdout)["events"]["received"] == 0
    for embedded in ("postgres", "broker", "services.json"):
        assert not (tmp_path / "home" / embedded).exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["Starting the servers", "order follows", "receiver", "worker |"])
def test_ctrl_c_while_starting_leaves_nothing_running(
    environ: dict[str, str], tmp_path: Path, moment: str
) -> None:
    process = start("up", environ=environ | {"PYTHONUNBUFFERED": "1"}, cwd=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # people press it twice
    process.communicate(timeout=90)
    assert using(tmp_path / "home") == []


def test_everything_that_is_missing_is_named_at_once(environ: dict[str, str], tmp_path: Path, config: Path) -> None:
    (config / "mappings" / "order" / "v2.toml").write_text("kind = 'order'", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        lacking = {name: value for name, value in environ.items() if name not in ("CRM_SECRET", "ERP_TOKEN")}
        done = run("up", environ=lacking | {"SYNC_WEB_BIND": bind}, cwd=tmp_path)
    assert done.returncode == 2
    for word in ("CRM_SECRET", "ERP_TOKEN", bind, "order/v2.toml"):
        assert word in done.stdout
    assert using(tmp_path / "home") == []


def test_servers_that_do_not_answer_are_all_named(environ: dict[str, str], tmp_path: Path) -> None:
    nowhere = {"SYNC_DATABASE_URL": "postgresql://sync:hidden-word@127.0.0.1:1/sync",
               "SYNC_BROKER_URL": "redis://:hidden-word@127.0.0.1:1/0"}
    done = run("up", environ=environ | nowhere, cwd=tmp_path)
    assert done.returncode == 2
    assert "SYNC_DATABASE_URL" in done.stderr
    assert "SYNC_BROKER_URL" in done.stderr
    assert "hidden-word" not in done.stdout + done.stderr


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = run("up", environ=environment(SYNC_HOME=str(tmp_path / "home")), cwd=tmp_path)
    assert done.returncode == 2
    assert "sync-workers init" in done.stdout
