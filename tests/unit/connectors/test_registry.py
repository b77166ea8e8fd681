"""The registry: names to connectors, and mistakes that say what to write instead."""

from __future__ import annotations

import pytest

from sync_workers.connectors import registry
from sync_workers.connectors.contract import SystemSettings
from sync_workers.errors import PermanentError, SettingsError


def test_a_configured_system_becomes_its_connector() -> None:
    connector = registry.build(SystemSettings("shop", "plain", "http://127.0.0.1:9"), {})
    assert (connector.system, connector.platform) == ("shop", "plain")


def test_an_unknown_platform_names_those_there_are() -> None:
    with pytest.raises(SettingsError) as caught:
        registry.build(SystemSettings("crm", "hubspott", "http://127.0.0.1:9"), {})
    assert "systems.crm" in caught.value.message
    assert "hubspot" in caught.value.mend


def test_a_base_url_that_is_no_address_is_refused() -> None:
    with pytest.raises(PermanentError):
        registry.build(SystemSettings("shop", "plain", "shop.example"), {})


def test_missing_credentials_name_the_options() -> None:
    with pytest.raises(SettingsError) as caught:
        registry.build(SystemSettings("crm", "hubspot", "https://api.example"), {})
    assert "token" in caught.value.mend
