"""The composition root: what it reads, what it refuses, and when it takes up a new mapping version."""

from __future__ import annotations

import json
import stat
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from sync_workers.connectors.contract import ListChange
from sync_workers.errors import SettingsError
from sync_workers.ledger import modes
from sync_workers.runtime import REFRESH_S, Runtime, _current, current_runtime, open_ledger, open_runtime
from sync_workers.services import read_services, write_services
from tests.integration.fleet.project import SHEET


@pytest.fixture
def settled(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "SYNC_WEB_BIND": "127.0.0.1:8000"}


def test_the_embedded_servers_are_found_by_the_file_that_up_wrote(settled: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_services(home, database_url=settled["SYNC_DATABASE_URL"], broker_url=settled["SYNC_BROKER_URL"])
    assert stat.S_IMODE((home / "services.json").stat().st_mode) == 0o600
    assert read_services(home)["broker_url"] == settled["SYNC_BROKER_URL"]
    left = {name: value for name, value in settled.items() if not name.endswith("_URL")}
    ledger = open_ledger(left)
    with ledger.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM records") == [(0,)]
    ledger.dispose()


def test_without_a_server_anywhere_it_says_what_to_set(settled: dict[str, str]) -> None:
    left = {name: value for name, value in settled.items() if not name.endswith("_URL")}
    with pytest.raises(SettingsError, match="SYNC_DATABASE_URL is not set") as caught:
        open_ledger(left)
    assert "sync-workers up" in caught.value.mend


def test_a_next_version_changes_nothing_until_it_is_activated_and_then_is_taken_up(
    settled: dict[str, str], runtime: Runtime
) -> None:
    sheets = Path(settled["SYNC_CONFIG"]) / "mappings" / "order"
    (sheets / "v2.toml").write_text(SHEET.replace("version = 1", "version = 2"), encoding="utf-8")
    fresh = open_runtime(settled)
    assert fresh.sheets["order"].version == 1
    fresh.dispose()
    modes.activate(runtime.ledger, "order", 2, "digest", "ann", systems=["crm", "erp"])
    _current.looked_at -= REFRESH_S + 1
    assert current_runtime().sheets["order"].version == 2
    assert current_runtime().ledger is runtime.ledger
    assert runtime.sheets["order"].version == 1, "work under way keeps the sheet it began with"


def test_a_kind_whose_active_version_is_not_here_is_left_to_those_who_have_it(
    settled: dict[str, str], runtime: Runtime
) -> None:
    modes.activate(runtime.ledger, "order", 7, "digest", "ann", systems=["crm", "erp"])
    fresh = open_runtime(settled)
    assert fresh.sheets == {}
    assert set(fresh.stored) == {"order"}, "its deliveries are stored all the same"
    fresh.dispose()


def test_what_is_kept_of_a_request_holds_no_secret(runtime: Runtime) -> None:
    kept = runtime.redact({"fields": {"note": "hook-secret-of-crm", "amount": 5}})
    assert kept == {"fields": {"note": "***", "amount": 5}}


def test_what_is_kept_of_a_request_is_written_as_its_system_would_read_it(runtime: Runtime) -> None:
    edits = ListChange(add=(("1", {"price": Decimal("4.25"), "day": date(2026, 3, 2)}),))
    text = runtime.redact_text({"fields": {"größe": "hook-secret-of-crm", "big": 10**30, "lines": edits}})
    assert json.loads(text) == {"fields": {
        "größe": "***", "big": 10**30,
        "lines": {"add": [["1", {"price": "4.25", "day": "2026-03-02"}]], "change": [], "remove": []},
    }}


def test_a_runtime_shows_no_secret_of_its_own(runtime: Runtime) -> None:
    assert "hook-secret-of-crm" not in repr(runtime)
    assert (runtime.settings.database_url or "x") not in repr(runtime.settings)
