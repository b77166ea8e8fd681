"""What ``doctor`` finds, how it says it, and what ``--fix`` creates in a HubSpot account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sync_workers.commands.init import sheets
from sync_workers.sandbox import hubspot, plain
from tests.integration.commands_up.project import environment, run

HOOK = "https://sync.example.com/hooks/crm"


@pytest.fixture
def account() -> Iterator[hubspot.Simulator]:
    simulator = hubspot.start(burst=10_000, search_per_s=10_000)
    yield simulator
    simulator.stop()


@pytest.fixture
def hubspot_environ(tmp_path: Path, account: hubspot.Simulator, erp: plain.PlainServer) -> dict[str, str]:
    """Return the environment of a project with the starter sheets of a HubSpot account."""
    config = tmp_path / "config"
    for name, text in sheets().items():
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        (config / name).write_text(text, encoding="utf-8")
    settings = account.account.settings
    (config / "systems.toml").write_text(
        f"""
        [systems.crm]
        platform = "hubspot"
        base_url = "{account.url}"
        token = "env:CRM_TOKEN"
        webhook_secret = "{settings.client_secret}"
        app_id = {settings.app_id}
        developer_key = "{settings.developer_key}"
        public_url = "{HOOK}"
        [systems.erp]
        platform = "plain"
        base_url = "{erp.url}"
        """,
        encoding="utf-8",
    )
    return environment(SYNC_CONFIG=str(config), SYNC_HOME=str(tmp_path / "home"), CRM_TOKEN=settings.token)


def properties(account: hubspot.Simulator, kind: str) -> dict[str, dict[str, object]]:
    headers = {"Authorization": f"Bearer {account.account.settings.token}"}
    reply = requests.get(f"{account.url}/crm/v3/properties/{kind}", headers=headers, timeout=10)
    return {each["name"]: each for each in reply.json()["results"]}


def test_fix_shows_what_it_creates_and_creates_it_once(
    hubspot_environ: dict[str, str], account: hubspot.Simulator, tmp_path: Path
) -> None:
    before = run("doctor", environ=hubspot_environ, cwd=tmp_path)
    assert before.returncode == 1
    assert "properties.sync_reference" in before.stdout
    assert "doctor --fix" in before.stdout
    assert "sync_reference" not in properties(account, "companies")
    fixed = run("doctor", "--fix", environ=hubspot_environ, cwd=tmp_path)
    assert "To be created:" in fixed.stdout
    assert properties(account, "companies")["sync_reference"]["hasUniqueValue"] is True
    assert properties(account, "products")["stock_on_hand"]["type"] == "number"
    assert properties(account, "products")["stock_expected_on"]["type"] == "date"
    again = run("doctor", "--fix", "--json", environ=hubspot_environ, cwd=tmp_path)
    document = json.loads(again.stdout)
    assert document["fixes"] == []
    (crm,) = [section for section in document["sections"] if section["title"] == "crm"]
    assert crm["well"]


def test_doctor_says_what_keeps_each_flow_from_doubling(
    hubspot_environ: dict[str, str], tmp_path: Path
) -> None:
    document = json.loads(run("doctor", "--json", environ=hubspot_environ, cwd=tmp_path).stdout)
    variants = {(flow["kind"], flow["system"]): flow["variant"] for flow in document["flows"]}
    assert variants["customer", "crm"] == "T1"
    assert variants["part", "crm"] == "T3"


def test_a_refused_token_and_a_system_that_is_away_are_both_found(
    hubspot_environ: dict[str, str], erp: plain.PlainServer, tmp_path: Path
) -> None:
    erp.stop()
    done = run("doctor", environ=hubspot_environ | {"CRM_TOKEN": "pat-na1-of-another"}, cwd=tmp_path)
    assert done.returncode == 1
    wrong = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("✗")}
    assert wrong >= {"crm", "erp"}
    assert "pat-na1-of-another" not in done.stdout


def test_doctor_names_missing_migrations_and_finds_none_after_migrate(
    on_servers: dict[str, str], tmp_path: Path
) -> None:
    assert "sync-workers migrate" in run("doctor", environ=on_servers, cwd=tmp_path).stdout
    assert run("migrate", "--check", environ=on_servers, cwd=tmp_path).returncode == 1
    assert run("migrate", environ=on_servers, cwd=tmp_path).returncode == 0
    assert run("migrate", environ=on_servers, cwd=tmp_path).returncode == 0
    assert run("migrate", "--check", environ=on_servers, cwd=tmp_path).returncode == 0
    document = json.loads(run("doctor", "--json", environ=on_servers, cwd=tmp_path).stdout)
    (servers,) = [section for section in document["sections"] if section["title"] == "Servers"]
    assert servers["well"]
