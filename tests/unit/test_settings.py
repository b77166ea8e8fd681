"""What the environment and systems.toml may say, and how a mistake is told."""

from pathlib import Path

import pytest

from sync_workers.errors import SettingsError
from sync_workers.settings import Settings

GOOD = """
[systems.crm]
platform = "hubspot"
base_url = "https://api.example.com/"
token = "env:CRM_TOKEN"
webhook_secret = "env:CRM_SECRET"
app_id = 54321
won_stages = ["closedwon"]

[systems.crm.limits]
requests = 100
window_s = 10
in_flight = 8

[systems.crm.poll]
order = 30

[systems.erp]
platform = "tryton"
base_url = "http://127.0.0.1:8069"
database = "parts"
user = "sync"
password = "env:ERP_PASSWORD"
"""
ENVIRONMENT = {"CRM_TOKEN": "pat-token-1", "CRM_SECRET": "hook-secret-1", "ERP_PASSWORD": "erp-pass-1"}


def load(tmp_path: Path, text: str = GOOD, **environ: str) -> Settings:
    (tmp_path / "systems.toml").write_text(text, encoding="utf-8")
    return Settings.load({**ENVIRONMENT, "SYNC_CONFIG": str(tmp_path), **environ})


def mistake(tmp_path: Path, text: str = GOOD, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **environ)
    assert caught.value.mend, "a mistake must say what would mend it"
    return caught.value.message


def test_a_system_is_read_with_its_limits_its_polls_and_its_platforms_own_options(tmp_path: Path) -> None:
    crm = load(tmp_path).systems["crm"]
    assert (crm.platform, crm.base_url, crm.webhook_secret) == (
        "hubspot",
        "https://api.example.com",
        "hook-secret-1",
    )
    assert crm.options == {"token": "pat-token-1", "app_id": 54321, "won_stages": ["closedwon"]}
    assert (crm.limits.requests, crm.limits.window_s, crm.limits.in_flight) == (100, 10.0, 8)
    assert crm.poll_s == {"order": 30.0}


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.home == Path(".sync")
    assert settings.web_bind == ("127.0.0.1", 8000)
    assert settings.database_url is None
    assert settings.broker_url is None


def test_no_secret_is_in_the_text_of_settings(tmp_path: Path) -> None:
    settings = load(
        tmp_path, SYNC_DATABASE_URL="postgresql://u:dbpass99@h/d", SYNC_ALERT_URLS="slack://aaa/bbb/ccc"
    )
    shown = repr(settings) + repr(settings.systems) + str(settings.systems["crm"])
    for secret in ("pat-token-1", "hook-secret-1", "erp-pass-1", "dbpass99", "slack://"):
        assert secret not in shown
        assert secret in settings.secrets or secret == "slack://"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        pytest.param('platform = "hubspot"', "", "systems.crm.platform", id="no platform"),
        pytest.param(
            "requests = 100", "requests = 0", "systems.crm.limits.requests is 0", id="a limit of nothing"
        ),
        pytest.param(
            "requests = 100", "request = 100", "systems.crm.limits.request is 100", id="a limit misspelt"
        ),
        pytest.param("order = 30", "order = -1", "systems.crm.poll.order is -1", id="a poll in the past"),
        pytest.param("https://api", "ftp://api", "systems.crm.base_url is 'ftp://api", id="no http"),
        pytest.param("[systems.erp]", "[systems.ERP]", "systems.ERP", id="a name in capitals"),
        pytest.param("[systems.erp]", "[system.erp]", "system is not known", id="a table misspelt"),
        pytest.param(
            "env:ERP_PASSWORD", "env:NOT_SET", "environment has no NOT_SET", id="a variable that is not set"
        ),
        pytest.param("base_url =", "base_url", "systems.toml cannot be read", id="no TOML"),
        pytest.param('"env:CRM_SECRET"', '"short"', "systems.crm.webhook_secret", id="a secret that is none"),
    ],
)
def test_a_mistake_names_the_file_the_key_and_the_value(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    said = mistake(tmp_path, GOOD.replace(old, new))
    assert named in said
    assert "systems.toml" in said


def test_a_mistake_in_a_secret_does_not_show_it(tmp_path: Path) -> None:
    assert "short" not in mistake(tmp_path, GOOD.replace('"env:CRM_SECRET"', '"short"'))
    assert "pass77" not in mistake(tmp_path, SYNC_DATABASE_URL="mysql://u:pass77@h/d")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"systems\.toml does not exist") as caught:
        Settings.load({"SYNC_CONFIG": str(tmp_path / "nowhere")})
    assert "init" in caught.value.mend


@pytest.mark.parametrize("value", ["8000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", ":x"])
def test_an_address_to_bind_is_checked(tmp_path: Path, value: str) -> None:
    assert value in mistake(tmp_path, SYNC_WEB_BIND=value)


def test_an_ipv6_address_can_be_bound(tmp_path: Path) -> None:
    assert load(tmp_path, SYNC_WEB_BIND="[::1]:8080").web_bind == ("::1", 8080)
