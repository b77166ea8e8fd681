"""Every command of the README, run as it is written there: on orders that went through and one that did not, and
from an empty folder to a fleet that carries a deal of a HubSpot account into a real Tryton.

``make check`` and ``make test`` are run by ``.ci/run``, ``make demo`` by ``test_demo``.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from sync_workers.alerts import send_due
from sync_workers.ledger.alerts import Outbox
from sync_workers.sandbox import hubspot
from sync_workers.sandbox.plain.rules import Record
from sync_workers.sandbox.processes import choose_port
from sync_workers.sandbox.tryton.catalogue import MAIN_WAREHOUSE
from sync_workers.sandbox.tryton.seed import CLERK
from sync_workers.sandbox.tryton.server import TrytonServer
from tests.fleets import wait_for
from tests.integration.commands_up.project import environment, using
from tests.integration.ledger_reports.test_alerts import Mailbox
from tests.world import World, make_order

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.rst").read_text(encoding="utf-8")
SHOWN = re.findall(r"^    sync-workers (.+?)(?:  +#.*)?$", README, re.M)
ON_WORK = ("dead list", "dead show", "dead requeue", "status", "explain", "events", "prove")
SYNC_WORKERS = Path(sys.executable).with_name("sync-workers")
BAD = [{"sku": "NO-SUCH-PART", "quantity": "1", "price": "4.25"}]


def of_the_readme(*beginnings: str) -> list[str]:
    return [line for line in SHOWN if line.startswith(beginnings)]


def run(line: str, environ: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SYNC_WORKERS, *shlex.split(line)], env=environ, cwd=cwd, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


def test_the_commands_about_work_say_what_they_promise(world: World, mailbox: Mailbox, tmp_path: Path) -> None:
    """The README's example is order 9001 and letter 7: so these are here."""
    world.erp.rules("order", refused={"lines.part": ["NO-SUCH-PART"]})
    now = world.crm.store.clock()
    world.crm.store._kinds["order"] = {"9001": Record("order", "9001", make_order(), 1, now, now, "person")}
    stopped = world.place_order(lines=BAD)
    world.rows("SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), 6)")
    world.work(world.tell("crm", "order", "9001"), world.tell("crm", "order", stopped))
    assert send_due(Outbox(world.ledger), [mailbox.url]).sent == 1
    environ = environment(**world.environ)
    said: dict[str, tuple[int, str]] = {}

    for line in of_the_readme(*ON_WORK):
        if line.startswith("dead requeue"):
            world.erp.rules("order", refused={})
        done = run(line, environ, tmp_path)
        assert "Traceback" not in done.stderr
        said[line] = (done.returncode, done.stdout)
        world.settle()

    first = {line.split()[0] + " " + line.split()[1] if line.startswith("dead") else line.split()[0]: told
             for line, told in said.items()}
    assert first["dead list"][0] == 1, "there is something to see to"
    assert "NO-SUCH-PART" in first["dead list"][1]
    assert first["dead show"][0] == first["dead requeue"][0] == 0
    assert stopped in first["dead show"][1]
    assert first["status"][0] == 0, "the requeue healed it"
    assert first["explain"][0] == 0
    assert "attempt" in first["explain"][1]
    assert first["events"][0] == 0
    assert "9001" in first["events"][1]
    assert first["prove"][0] == 0
    assert "All laws hold" in first["prove"][1]
    assert len(world.orders()) == 2
    for line in of_the_readme("status", "explain", "events", "prove", "dead list"):
        assert json.loads(run(f"{line} --json", environ, tmp_path).stdout) is not None
        assert run(f"{line} --nonsense", environ, tmp_path).returncode == 2


@pytest.fixture
def account() -> Iterator[hubspot.Simulator]:
    simulator = hubspot.start(burst=100_000, search_per_s=100_000, webhook_retry_scale=0.002)
    yield simulator
    simulator.stop()


@pytest.fixture
def own_systems(
    tmp_path: Path, account: hubspot.Simulator, tryton: TrytonServer, erp_database: str
) -> Callable[[], dict[str, str]]:
    """Return a function that fills in what ``init`` left to fill in, and gives the environment for it."""
    known = account.account.settings
    port = choose_port()

    def fill_in() -> dict[str, str]:
        file = tmp_path / "config" / "systems.toml"
        text = file.read_text(encoding="utf-8")
        for before, after in (
            ('"https://api.hubapi.com"', json.dumps(account.url)), ('"http://localhost:8000"', json.dumps(tryton.url)),
            ('#public_url = "https://sync.example.com/hooks/crm"', f'public_url = "http://127.0.0.1:{port}/hooks/crm"'),
            ("#developer_key", "developer_key"), ('#warehouse = "Main"', f"warehouse = {json.dumps(MAIN_WAREHOUSE)}"),
        ):
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        file.write_text(text, encoding="utf-8")
        named = {line.split("=")[0].strip("# ") for line in (tmp_path / "config" / "environment.example").read_text(
            encoding="utf-8").splitlines() if "=" in line}
        given = {
            "CRM_TOKEN": known.token, "CRM_WEBHOOK_SECRET": known.client_secret, "CRM_APP_ID": str(known.app_id),
            "CRM_DEVELOPER_KEY": known.developer_key, "ERP_DATABASE": erp_database, "ERP_USER": tryton.user,
            "ERP_PASSWORD": tryton.password,
        }
        assert set(given) <= named, "init has written down what to set"
        return environment(SYNC_WEB_BIND=f"127.0.0.1:{port}", FLOWER_PORT=str(choose_port()), **given)

    return fill_in


@pytest.mark.tryton
@pytest.mark.slow
def test_the_commands_about_ones_own_systems_lead_from_nothing_to_an_order_in_the_erp(
    tmp_path: Path, account: hubspot.Simulator, tryton: TrytonServer, erp_database: str,
    own_systems: Callable[[], dict[str, str]],
) -> None:
    codes: dict[str, int] = {}
    environ: dict[str, str] = {}
    for line in [line for line in SHOWN if not line.startswith((*ON_WORK, "up"))]:
        done = run(line, environ or environment(), tmp_path)
        assert "Traceback" not in done.stderr
        codes[line] = done.returncode
        environ = environ or own_systems()
    assert codes == {
        "init --crm hubspot --erp tryton": 0, "doctor": 1, "doctor --fix": 0, "mapping check": 0, "mapping docs": 0,
    }
    assert run("doctor", environ, tmp_path).returncode == 0, "what it found is mended"

    up = subprocess.Popen(
        [SYNC_WORKERS, "up"], env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(up.stdout or ()), daemon=True)
    reader.start()
    try:
        wait_for(lambda: is_ready(environ), 90, "it never got ready")
        deal = win_a_deal(account)
        with closing(tryton.login(CLERK, erp_database)) as clerk:
            wait_for(lambda: clerk.find("sale.sale", [["reference", "=", f"crm-order-{deal}"]]), 90)
        wait_for(lambda: account.account.person().see("deals", deal)["properties"].get("erp_order_number"), 60)
        for line in of_the_readme("status", "events", "prove"):
            done = run(line, environ, tmp_path)
            assert done.returncode == 0, done.stdout
        assert run(f"explain order {deal}", environ, tmp_path).returncode == 0
    finally:
        up.send_signal(2)
        up.wait(90)
        reader.join(10)
    assert up.returncode == 0, "".join(said)
    assert using(tmp_path / ".sync") == []


def is_ready(environ: dict[str, str]) -> bool:
    try:
        return requests.get(f"http://{environ['SYNC_WEB_BIND']}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def win_a_deal(account: hubspot.Simulator) -> str:
    rep = account.account.person(7)
    company = rep.create("companies", {
        "name": f"Newcomer {secrets.token_hex(3)}", "phone": "+1 312 555 0199", "address": "18 Harbor Street",
        "zip": "53202", "city": "Milwaukee", "country": "United States",
    })  # fmt: skip
    line = rep.create("line_items", {"name": "A bearing", "hs_sku": "BRG-6204-2RS", "quantity": "2", "price": "6.73",
                                     "unit": "piece"})  # fmt: skip
    deal = rep.create("deals", {
        "dealname": "A deal", "pipeline": "default", "dealstage": "contractsent", "deal_currency_code": "USD",
        "po_number": "PO-1",
    }, [("companies", str(company["id"])), ("line_items", str(line["id"]))])  # fmt: skip
    rep.move(str(deal["id"]), "closedwon")
    return str(deal["id"])


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    elsewhere = {"test": ".ci/run", "check": ".ci/run", "demo": "tests/acceptance/test_demo.py",
                 "bench": "tests/acceptance/test_make.py"}  # fmt: skip
    for target in set(re.findall(r"make ([a-z]+)", README)):
        assert f"make {target}" in (ROOT / elsewhere[target]).read_text(encoding="utf-8")
    assert {line.split()[0] for line in SHOWN} == {
        "dead", "init", "doctor", "up", "mapping", "status", "explain", "events", "prove",
    }
