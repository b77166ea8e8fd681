"""``mapping`` and ``plan``: what a sheet says, whether it fits, and what the next one would change."""

from __future__ import annotations

import json
from pathlib import Path

from sync_workers.ledger import modes
from sync_workers.ledger.connection import Ledger
from sync_workers.sandbox import plain
from tests.integration.commands_up.project import add_sheet, run
from tests.world import make_runtime


def test_docs_writes_a_page_for_every_version(environ: dict[str, str], config: Path, tmp_path: Path) -> None:
    add_sheet(config, 2, "po_text")
    assert run("mapping", "docs", "--out", "pages", environ=environ, cwd=tmp_path).returncode == 0
    assert "po_text" in (tmp_path / "pages" / "order" / "v2.rst").read_text(encoding="utf-8")
    assert "order/v1" in (tmp_path / "pages" / "index.rst").read_text(encoding="utf-8")


def test_check_finds_a_path_that_no_system_has(
    environ: dict[str, str], crm: plain.PlainServer, erp: plain.PlainServer, tmp_path: Path
) -> None:
    crm.put("order", {"po_number": "PO-1"})
    erp.put("order", {"reference": "r", "other": "x"})
    done = run("mapping", "check", "--json", environ=environ, cwd=tmp_path)
    assert done.returncode == 1
    assert any("po is not in erp" in each["what"] for each in json.loads(done.stdout)["problems"])
    assert run("mapping", "check", "--offline", environ=environ, cwd=tmp_path).returncode == 0


def test_activate_switches_a_kind_and_refuses_a_version_without_a_sheet(
    on_servers: dict[str, str], config: Path, tmp_path: Path
) -> None:
    run("migrate", environ=on_servers, cwd=tmp_path)
    assert run("mapping", "activate", "order", "7", environ=on_servers, cwd=tmp_path).returncode == 2
    add_sheet(config, 2, "po_text")
    done = run("mapping", "activate", "order", "2", "--why", "a new field", environ=on_servers, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ledger = Ledger(on_servers["SYNC_DATABASE_URL"])
    with ledger.transaction() as tx:
        assert modes.active(tx) == {"order": 2}
        (row,) = tx.rows("SELECT action, why FROM audit")
    ledger.dispose()
    assert row == ("mapping", "a new field")


def test_plan_shows_what_a_version_would_write_and_writes_nothing(
    on_servers: dict[str, str], config: Path, crm: plain.PlainServer, erp: plain.PlainServer, tmp_path: Path
) -> None:
    from sync_workers.engine import drain
    from sync_workers.ledger import inbox

    run("migrate", environ=on_servers, cwd=tmp_path)
    order = crm.put("order", {"po_number": "PO-9"})
    runtime = make_runtime(on_servers)
    arrival = inbox.Arrival("crm", "order", order, "webhook")
    (arrived,) = runtime.ledger.run(lambda tx: inbox.record_arrivals(tx, [arrival]))
    drain(runtime, [arrived.record_id])
    runtime.dispose()
    assert len(erp.store.all("order")) == 1
    add_sheet(config, 2, "po_text")
    same = run("plan", "order", "1", environ=on_servers, cwd=tmp_path)
    assert same.returncode == 0, same.stdout + same.stderr
    done = run("plan", "order", "2", "--json", environ=on_servers, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    ((write,),) = [each["writes"] for each in json.loads(done.stdout)["changes"]]
    assert (write["system"], write["fields"]["po_number"]["after"]) == ("erp", "PO-9")
    assert "po_text" not in erp.store.all("order")[0].fields
    assert "po_number" in run("plan", "order", "2", environ=on_servers, cwd=tmp_path).stdout
