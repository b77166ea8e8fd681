"""CRM, ERP and shop kept in step by one engine, whichever of two gives birth (L2, L3, L4 for N systems)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_workers.engine import drain
from sync_workers.ledger import inbox
from sync_workers.ledger.migrate import migrate
from sync_workers.sandbox import plain
from tests.integration.engine.laws import assert_all_laws_hold, hurry_until_quiet
from tests.world import SECRET, World, make_runtime

SHEETS = Path(__file__).resolve().parents[2] / "data" / "three"
NAMES = ("crm", "erp", "shop")


class Three(World):
    """A world with a third server."""

    shop: plain.PlainServer

    def server(self, name: str) -> plain.PlainServer:
        found: plain.PlainServer = getattr(self, name)
        return found

    def fields(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        return {name: [record.fields for record in self.server(name).store.all(kind)] for name in NAMES}

    def writes(self) -> int:
        return sum(call.method != "GET" for name in NAMES for call in self.server(name).log)


@pytest.fixture
def three(tmp_path: Path, database_url: str) -> Iterator[Three]:
    migrate(database_url)
    servers = {name: plain.start(seed=number) for number, name in enumerate(NAMES)}
    config = tmp_path / "config"
    config.mkdir()
    (config / "mappings").symlink_to(SHEETS)
    variants = {"crm": "T2", "erp": "T1", "shop": "T2"}
    (config / "systems.toml").write_text("\n".join(
        f'[systems.{name}]\nplatform = "plain"\nbase_url = "{server.url}"\nwebhook_secret = "{SECRET}"\n'
        f'counts_versions = true\nbatch = 1\nvariant = "{variants[name]}"\n' for name, server in servers.items()))
    for kind in ("customer", "order"):
        servers["erp"].rules(kind, unique=("reference",))
    environ = {"SYNC_CONFIG": str(config), "SYNC_HOME": str(tmp_path / "home"), "SYNC_DATABASE_URL": database_url,
               "SYNC_BROKER_URL": "redis://127.0.0.1:1/0"}
    runtime = make_runtime(environ, circuit_threshold=3)
    world = Three(runtime, environ, servers["crm"], servers["erp"])
    world.shop = servers["shop"]
    yield world
    runtime.dispose()
    for server in servers.values():
        server.stop()


@pytest.mark.parametrize(("origin", "name", "phone", "buyer", "po", "lines", "sku", "pieces"), [
    ("crm", "name", "phone", "company", "po_number", "lines", "sku", "quantity"),
    ("shop", "title", "tel", "buyer", "po", "items", "article", "pieces"),
])
def test_an_order_born_in_one_system_stands_once_in_the_two_others(
    origin: str, name: str, phone: str, buyer: str, po: str, lines: str, sku: str, pieces: str, three: Three
) -> None:
    born = three.server(origin)
    customer = born.put("customer", {name: "Nordlicht GmbH", phone: "1"})
    order = born.put("order", {buyer: customer, po: "PO-1", lines: [
        {"key": "a", sku: "BRG-6204", pieces: "10"}, {"key": "b", sku: "00417", pieces: "2"}]})

    three.work(three.tell(origin, "order", order))
    three.settle()

    assert {system: len(found) for system, found in three.fields("order").items()} == dict.fromkeys(NAMES, 1)
    assert {system: len(found) for system, found in three.fields("customer").items()} == dict.fromkeys(NAMES, 1)
    shown = three.fields("order")
    ordered = [("BRG-6204", 10), ("00417", 2)]
    assert [(line["part"], float(line["quantity"])) for line in shown["erp"][0]["lines"]] == ordered
    assert [(line["article"], float(line["pieces"])) for line in shown["shop"][0]["items"]] == ordered
    parties = {system: three.server(system).store.all("customer")[0].id for system in NAMES}
    assert (shown["crm"][0]["company"], shown["erp"][0]["party"], shown["shop"][0]["buyer"]) == tuple(
        parties[system] for system in NAMES)
    assert_all_laws_hold(three.runtime)


def test_reports_of_our_own_creates_from_all_sides_change_nothing(three: Three) -> None:
    three.work(three.tell("crm", "customer", three.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})))
    before = three.writes()

    for system in NAMES:
        three.tell(system, "customer", three.server(system).store.all("customer")[0].id)
    three.settle()

    assert three.writes() == before
    assert three.rows("SELECT count(*) FROM records") == [(1,)]


def test_a_shared_field_and_an_owned_one_follow_their_rules_on_all_three_sides(three: Three) -> None:
    three.work(three.tell("crm", "customer", three.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})))
    ids = {system: three.server(system).store.all("customer")[0].id for system in NAMES}

    three.shop.edit("customer", ids["shop"], {"tel": "2", "credit": "999"})
    three.erp.edit("customer", ids["erp"], {"credit_limit": "500", "name": "Südlicht"})
    for system in NAMES:
        three.tell(system, "customer", ids[system])
    three.settle()

    shown = {system: fields[0] for system, fields in three.fields("customer").items()}
    assert (shown["crm"]["phone"], shown["erp"]["phone"], shown["shop"]["tel"]) == ("2", "2", "2")
    assert [float(shown[system][path]) for system, path in
            (("crm", "credit_limit"), ("erp", "credit_limit"), ("shop", "credit"))] == [500, 500, 500]
    assert (shown["erp"]["name"], shown["shop"]["title"]) == ("Nordlicht GmbH", "Nordlicht GmbH")
    overruled = three.rows("SELECT field, system, winner FROM overrules ORDER BY field, system")
    assert overruled == [("credit_limit", "shop", "erp"), ("name", "erp", "crm")]
    assert_all_laws_hold(three.runtime)


def test_one_system_down_holds_up_no_record_that_the_others_share(three: Three) -> None:
    three.work(three.tell("crm", "customer", three.crm.put("customer", {"name": "Nordlicht GmbH", "phone": "1"})))
    three.erp.refuse()
    ids = [three.tell("shop", "customer", three.shop.put("customer", {"title": f"Shopper {n}"})) for n in range(5)]
    three.work(*ids)
    assert three.rows("SELECT max(failures) FROM records WHERE id = ANY(%s)", ids)[0][0] <= 1
    assert three.rows("SELECT id FROM dead_letters") == []

    three.erp.accept()
    three.rows("UPDATE circuits SET probe_at = clock_timestamp() RETURNING system")
    hurry_until_quiet(three)

    assert {system: len(found) for system, found in three.fields("customer").items()} == dict.fromkeys(NAMES, 6)
    assert_all_laws_hold(three.runtime)


def test_answers_lost_on_two_sides_of_one_create_leave_one_of_each(three: Three) -> None:
    for system in ("erp", "shop"):
        three.server(system).fault("drop", kind="order", op="create")
    order = three.crm.put("order", {"po_number": "PO-1", "lines": [{"key": "a", "sku": "A", "quantity": "1"}]})

    drain(three.runtime, [three.ledger.run(lambda tx: inbox.record_arrivals(
        tx, [inbox.Arrival("crm", "order", order, "webhook")]))[0].record_id])
    three.settle(seconds=40)

    assert {system: len(found) for system, found in three.fields("order").items()} == dict.fromkeys(NAMES, 1)
    assert_all_laws_hold(three.runtime)
