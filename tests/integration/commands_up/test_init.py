"""What ``init`` writes, and that it is what stands in the repository."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sync_workers.commands.init import render, sheets
from sync_workers.connectors.registry import PLATFORMS
from sync_workers.mappings import check, load_sheets
from sync_workers.settings import load_systems
from tests.integration.commands_up.project import environment, run

CHECKOUT = Path(__file__).resolve().parents[3]
SECRETS = {
    "CRM_TOKEN": "pat-na1-example", "CRM_WEBHOOK_SECRET": "an-app-secret", "CRM_APP_ID": "54321",
    "ERP_DATABASE": "erp", "ERP_USER": "sync", "ERP_PASSWORD": "a-password",
}


def test_init_writes_a_configuration_that_needs_only_its_secrets(tmp_path: Path) -> None:
    done = run("init", "--crm", "hubspot", "--erp", "tryton", environ=environment(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    systems = load_systems(tmp_path / "config" / "systems.toml", SECRETS)
    assert (systems["crm"].platform, systems["erp"].platform) == ("hubspot", "tryton")
    assert systems["crm"].options["app_id"] == "54321"
    assert systems["erp"].options["database"] == "erp"
    assert set(systems["erp"].poll_s) >= {"stock", "order", "customer", "part"}
    assert systems["crm"].limits.requests


def test_the_environment_example_names_every_variable_that_the_systems_take(tmp_path: Path) -> None:
    pages = render({"crm": "hubspot", "erp": "tryton", "shop": "plain"})
    wanted = {part.split('"')[0] for part in pages["systems.toml"].split("env:")[1:] if part[:1].isupper()}
    wanted.discard("NAME")
    named = {line.lstrip("#").partition("=")[0] for line in pages["environment.example"].splitlines()}
    assert wanted
    assert wanted <= named


def test_init_overwrites_nothing_unless_told(tmp_path: Path) -> None:
    command = ("init", "--crm", "hubspot", "--erp", "tryton")
    run(*command, environ=environment(), cwd=tmp_path)
    file = tmp_path / "config" / "systems.toml"
    file.write_text("# mine\n", encoding="utf-8")
    refused = run(*command, environ=environment(), cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert file.read_text(encoding="utf-8") == "# mine\n"
    assert run(*command, "--force", environ=environment(), cwd=tmp_path).returncode == 0
    assert file.read_text(encoding="utf-8") != "# mine\n"


def test_the_starter_sheets_have_a_rule_and_a_reason_for_every_field(tmp_path: Path) -> None:
    for name, text in sheets().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    loaded = load_sheets(tmp_path / "mappings", ("crm", "erp"))
    assert set(loaded) >= {"customer", "part", "stock", "order"}
    assert [str(problem) for versions in loaded.values() for problem in check(versions[1], {})] == []


def test_what_is_packaged_and_what_stands_in_the_repository_are_the_same() -> None:
    for name, text in render({"crm": "hubspot", "erp": "tryton"}).items():
        assert (CHECKOUT / "config" / name).read_text(encoding="utf-8") == text, f"config/{name}: run init --force"
    packaged = CHECKOUT / "sync_workers" / "commands" / "starter" / "Procfile"
    assert packaged.read_text(encoding="utf-8") == (CHECKOUT / "Procfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_every_platform_has_a_starter(platform: str) -> None:
    document = tomllib.loads(render({"crm": platform, "erp": platform})["systems.toml"])
    assert document["systems"]["crm"]["platform"] == platform
