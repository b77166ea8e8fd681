"""What users of such integrations complain about, each as the promise that it does not happen here."""

from __future__ import annotations

import json
import signal
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_workers.domain.values import encode
from sync_workers.engine import drain
from sync_workers.flows.polling import poll
from sync_workers.flows.reconcile import reconcile
from sync_workers.ledger import cursors, doorstep, records
from sync_workers.sandbox.plain.rules import Record
from sync_workers.sandbox.services import Service, start_broker
from tests.crash.workers import kill_in_the_middle_of_its_call, start_worker
from tests.fleets import delivery, is_quiet, running, send_hooks_to, wait_for
from tests.integration.engine.laws import assert_all_laws_hold
from tests.integration.fleet.test_receiver import closed
from tests.world import World, make_runtime

ROOT = Path(__file__).resolve().parents[2]
STARTER = tomllib.loads((ROOT / "config" / "systems.toml").read_text(encoding="utf-8"))
POLLED_EVERY_S = STARTER["systems"]["erp"]["poll"]["stock"]
QUICKER = {"lease_s": 2.0, "call_s": 0.4, "margin_s": 0.1}


def writes_to(server: Any) -> list[Any]:
    return [call for call in server.log if call.method != "GET"]


def test_one_order_event_delivered_fifty_times_in_parallel_makes_one_erp_order(
    start_world: Callable[..., World], tmp_path: Path
) -> None:
    """Complaint 1: the same source order becomes two or three."""
    world = start_world(erp={"variant": "T2"}, **QUICKER)
    world.erp.rules("order", unique=())
    with running(world.environ, tmp_path / "fleet", "web") as fleet:
        for number in range(4):
            deal = world.place_order(po_number=f"PO-{number}")
            body = delivery("order", deal, key=f"event-{number}")
            with ThreadPoolExecutor(50) as pool:
                answers = list(pool.map(lambda _, body=body: fleet.post("crm", body)[0], range(50)))
            assert answers == [202] * 50
            doorstep.sort_out(world.ledger)  # no worker runs that would
            [(record,)] = world.rows("SELECT id FROM records WHERE origin_id = %s", deal)
            if number % 2:
                kill_in_the_middle_of_its_call(world, record, **QUICKER)
            with ThreadPoolExecutor(5) as pool:
                list(pool.map(lambda _, record=record: drain(world.runtime, [record]), range(5)))
            world.settle()

    assert len(world.orders()) == 4
    assert len({order["reference"] for order in world.orders()}) == 4
    assert world.rows("SELECT seen - 1 FROM deliveries ORDER BY key") == [(49,)] * 4
    assert world.rows("SELECT count(*) FROM events WHERE source = 'webhook'") == [(4,)]
    assert_all_laws_hold(world.runtime)


def test_an_order_that_was_committed_before_the_connection_dropped_is_found_and_not_created_again(
    start_world: Callable[..., World]
) -> None:
    """Complaint 2: the local rollback made the retry create another."""
    world = start_world(erp={"variant": "T2"}, **QUICKER)
    world.erp.rules("order", unique=())
    world.erp.fault("drop", kind="order", op="create")

    world.work(world.tell("crm", "order", world.place_order()))
    world.settle()

    assert len(world.orders()) == 1
    creates = [call for call in world.erp.log if call.op == "create"]
    assert len(creates) == 1
    looks = [call for call in world.erp.log if call.op == "list" and call.at > creates[0].at]
    assert looks, "it looked by its key before anything else"
    assert world.rows("SELECT status, note FROM attempts WHERE op = 'create'") == [("done", "found, not created")]
    assert_all_laws_hold(world.runtime)


def test_twenty_orders_at_once_for_one_new_customer_make_one_customer(world: World) -> None:
    """Complaint 3: two jobs race on the same partner."""
    company = world.crm.put("customer", {"name": "Nordlicht GmbH"})
    ids = [world.tell("crm", "order", world.place_order(company=company, po_number=f"PO-{n}")) for n in range(20)]
    world.erp.delay_s = 0.02
    runtimes = [make_runtime(world.environ, worker=f"worker {number}") for number in range(5)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: drain(runtimes[number % 5], [ids[number]]), range(20)))
    for runtime in runtimes:
        runtime.dispose()
    world.erp.delay_s = 0.0
    world.settle()

    [customer] = world.erp.store.all("customer")
    assert [order["party"] for order in world.orders()] == [customer.id] * 20
    assert world.rows("SELECT count(*), max(failures) FROM records WHERE state = 'open'") == [(21, 0)]
    assert world.rows("SELECT id FROM dead_letters") == []
    assert_all_laws_hold(world.runtime)


def test_a_change_is_written_once_its_echo_ends_as_own_echo_and_clears_no_error(
    world: World, tmp_path: Path
) -> None:
    """Complaint 4: writing a back-reference fires a hook that re-imports and erases the error."""
    with running(world.environ, tmp_path / "fleet", "web") as fleet:
        send_hooks_to(world, fleet)

        def rest() -> None:
            while True:
                assert world.crm.hooks.wait_until_sent(20)
                assert world.erp.hooks.wait_until_sent(20)
                world.settle()
                if is_quiet(world):
                    return

        deal = world.place_order(notes="a")
        rest()
        [sale] = world.erp.store.all("order")
        for change in (lambda: world.crm.edit("order", deal, {"notes": "b"}),
                       lambda: world.erp.edit("order", sale.id, {"number": "SO-1"})):
            world.crm.log.clear()
            world.erp.log.clear()
            change()
            rest()
            assert len(writes_to(world.crm)) <= 1
            assert len(writes_to(world.erp)) <= 1
            assert len(writes_to(world.crm)) + len(writes_to(world.erp)) == 1
        told = world.rows("SELECT system, outcome, note FROM events WHERE echo ORDER BY id")
        assert len(told) == 3
        assert all((outcome, note) == ("unchanged", "own echo") for _, outcome, note in told), told

        world.erp.rules("order", refused={"status": ["nonsense"]})
        world.crm.edit("order", deal, {"status": "nonsense"})
        rest()
        standing = world.rows("SELECT id, message, attempts, state FROM dead_letters")
        assert [row[3] for row in standing] == ["open"]
        for system, record_id in (("erp", sale.id), ("crm", deal)):
            echo = delivery("order", record_id, key=f"late-{system}", by="sync-workers")
            assert fleet.post(system, echo)[0] == 202
        rest()
        assert world.rows("SELECT id, message, attempts, state FROM dead_letters") == standing


def stock_world(start_world: Callable[..., World], count: int, **options: Any) -> World:
    """Start a world whose systems share ``count`` parts with stock, linked and in step."""
    world = start_world(sheets="stock", crm={"batch": 100}, erp={"variant": "T2", "batch": 500}, **options)
    for system, server in (("erp", world.erp), ("crm", world.crm)):
        now = server.store.clock() - 3600
        for kind in ("part", "stock"):
            records = {}
            for number in range(count):
                figures = {"available": "7"} if system == "crm" else {
                    "on_hand": "9", "allocated": "2", "available": "7", "code": f"P-{number}"}
                fields = {"sku" if system == "crm" else "code": f"P-{number}"} if kind == "part" else figures
                name = f"{system}-{number:06d}"
                records[name] = Record(kind, name, fields, 1, now, now, "person")
            server.store._kinds[kind] = records
            server.store._sorted_ids[kind] = sorted(records)
    world.rows(
        "WITH made AS (INSERT INTO records (kind, origin_system, origin_id, mapping_version)"
        " SELECT kind, 'erp', 'erp-' || lpad(n::text, 6, '0'), 1 FROM generate_series(0, %s - 1) AS n,"
        " (VALUES ('part'), ('stock')) AS k (kind) RETURNING id, kind, origin_id)"
        " INSERT INTO refs (record_id, system, kind, external_id, version, sent, held)"
        " SELECT id, s.system, kind, replace(origin_id, 'erp', s.system), '1',"
        " CASE WHEN kind = 'stock' THEN v.held ELSE '{}' END, CASE WHEN kind = 'stock' THEN v.held ELSE '{}' END"
        " FROM made, (VALUES ('erp'), ('crm')) AS s (system), (VALUES (%s::jsonb)) AS v (held) RETURNING 1",
        count, json.dumps(encode({"available": Decimal(7)})))
    return world


def bring_in_step(world: World) -> None:
    """Let one full sweep see that nothing differs, as each night, and polls stand where they usually do."""
    found = reconcile(world.runtime, "erp", "stock")
    at = datetime.fromtimestamp(world.erp.store.clock() - 1800, UTC).isoformat()
    assert world.ledger.run(lambda tx: cursors.advance(
        tx, "erp", "stock", cursors.position(tx, "erp", "stock"), {"at": at, "id": None}))
    world.rows("UPDATE events SET settled_at = clock_timestamp(), outcome = 'unchanged' RETURNING 1")
    world.rows("UPDATE records SET settled = asked, due_at = NULL RETURNING 1")
    assert found.due


def test_one_poison_item_of_two_hundred_and_fifty_stops_no_other(start_world: Callable[..., World]) -> None:
    """Complaint 7: one un-adjustable item fails a batch of hundreds."""
    world = stock_world(start_world, 250)
    bring_in_step(world)
    world.crm.rules("stock", refused={"available": ["13", 13]})
    for number in range(250):
        world.erp.edit("stock", f"erp-{number:06d}", {"available": "13" if number == 77 else "5"})
    world.crm.log.clear()

    polled = poll(world.runtime, "erp", "stock")
    world.work(*[one.id for one in polled.due])

    assert sum(record.fields["available"] in (5, "5") for record in world.crm.store.all("stock")) == 249
    assert len([call for call in world.crm.log if call.op == "batch"]) <= 6
    [(origin, message)] = world.rows(
        "SELECT origin_id, message FROM dead_letters JOIN records r ON r.id = record_id")
    assert origin == "erp-000077"
    assert "may not be" in message
    outcomes = world.rows("SELECT outcome, count(*) FROM events WHERE id > (SELECT max(id) - 250 FROM events)"
                          " GROUP BY 1 ORDER BY 1")
    assert outcomes == [("applied", 249), ("dead", 1)]


@pytest.mark.parametrize("run", ["poll", "full run"])
def test_with_fifty_thousand_items_and_twenty_changed_at_most_twenty_are_written(
    run: str, start_world: Callable[..., World]
) -> None:
    """Complaint 8: a full stock run takes hours when a few items changed."""
    world = stock_world(start_world, 50_000)
    bring_in_step(world)
    for number in range(0, 50_000, 2_500):
        world.erp.edit("stock", f"erp-{number:06d}", {"available": "4"})
    world.crm.log.clear()
    world.erp.log.clear()
    look = {"poll": poll, "full run": reconcile}[run]
    began = time.monotonic()

    found = look(world.runtime, "erp", "stock")
    world.work(*[one.id for one in found.due])

    took_s = time.monotonic() - began
    assert len(found.due) == 20
    assert world.crm.store.counts["stock.update"] == 20
    assert len(writes_to(world.crm)) <= 20
    assert sum(record.fields["available"] in (4, "4") for record in world.crm.store.all("stock")) == 20
    assert took_s < POLLED_EVERY_S, "the run ends inside one poll interval"
    again = look(world.runtime, "erp", "stock")
    assert (again.due, writes_to(world.crm)[20:]) == ([], [])


@pytest.mark.parametrize("step", ["claim", "read", "gate", "open", "call", "answer", "settle", "settled"])
def test_a_killed_worker_leaves_nothing_running_beyond_its_lease_and_spoils_nothing_finished(
    step: str, start_world: Callable[..., World]
) -> None:
    """Complaint 13: jobs stuck "started" after a crash block the queue."""
    world = start_world(**QUICKER)
    finished = [world.tell("crm", "order", world.place_order(po_number=f"done {number}")) for number in range(3)]
    world.work(*finished)
    before = world.rows("SELECT id, outcome, settled_at FROM events ORDER BY id")
    stuck = [world.tell("crm", "order", world.place_order(po_number=f"open {number}")) for number in range(3)]

    assert start_worker(world, step, *finished, *stuck, **QUICKER).wait(60) == -signal.SIGKILL
    world.rows("SELECT pg_sleep(%s)", QUICKER["lease_s"])
    assert world.rows("SELECT id FROM records WHERE lease_until > clock_timestamp()") == [], "it still runs"
    with world.ledger.transaction() as tx:
        offered = {record_id for record_id, *_ in records.due(tx, limit=10)}
    assert offered == {row[0] for row in world.rows("SELECT id FROM records WHERE settled < asked")}
    assert offered == (set() if step == "settled" else set(stuck)), "free for the next worker at once"
    world.settle()

    assert world.rows("SELECT id, outcome, settled_at FROM events ORDER BY id")[:3] == before
    told = world.rows("SELECT owner, state, failures, lapses FROM records WHERE id = ANY(%s)", finished)
    assert told == [(None, "open", 0, 0)] * 3, "what was finished is no crash"
    assert world.rows("SELECT id FROM records WHERE owner IS NOT NULL OR state <> 'open'") == []
    assert world.rows("SELECT outcome FROM events WHERE record_id = ANY(%s)", stuck) == [("applied",)] * 3
    assert len(world.orders()) == 6
    assert_all_laws_hold(world.runtime)


def test_a_delivery_is_promised_only_when_stored_whatever_server_is_down(
    start_world: Callable[..., World], tmp_path: Path, postgres: Service
) -> None:
    """Complaint 14: answered 200 but the event was never stored."""
    broker = start_broker(tmp_path / "broker")
    try:
        world = start_world(broker_url=broker.url)
        deals = [world.place_order(po_number=f"PO-{number}") for number in range(3)]
        with running(world.environ, tmp_path / "fleet", "web", "worker", "beat") as fleet:
            wait_for(lambda: world.rows("SELECT worker FROM heartbeats"))
            with closed(postgres, world.ledger):
                status, told = fleet.post("crm", delivery("order", deals[0], key="1"))
                assert status == 503
                assert int(told["Retry-After"] if "Retry-After" in told else told["retry-after"]) > 0
            wait_for(lambda: fleet.post("crm", delivery("order", deals[0], key="1"))[0] == 202)

            broker.stop()
            assert fleet.post("crm", delivery("order", deals[1], key="2"))[0] == 202
            assert fleet.post("crm", delivery("order", deals[2], key="3"))[0] == 202
            assert world.rows("SELECT count(*) FROM deliveries") == [(3,)]
            broker = start_broker(tmp_path / "broker")
            wait_for(lambda: len(world.orders()) == 3, 90)
            wait_for(lambda: not world.rows("SELECT id FROM events WHERE settled_at IS NULL"))
        assert {row[0] for row in world.rows("SELECT outcome FROM events")} == {"applied"}
        assert_all_laws_hold(world.runtime)
    finally:
        broker.stop()


def test_no_row_is_lost_at_the_cursors_edge(
    start_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complaint 15: incremental pulls lose records; equal stamps, a skewed clock, a zone of its own, late commits."""
    india = timezone(timedelta(hours=5, minutes=30))
    real = Record.dump

    def in_local_time(record: Record) -> dict[str, Any]:
        return {**real(record), "changed_at": datetime.fromtimestamp(record.changed_at, india).isoformat()}

    monkeypatch.setattr(Record, "dump", in_local_time)
    world = start_world(crm={"page": 3, "overlap_s": 2})
    clock = [datetime(2026, 3, 1, tzinfo=UTC).timestamp() - 7 * 3600]  # months away from ours
    world.crm.store.clock = lambda: clock[0]
    world.crm.rules("customer", stamp_s=1.0)
    made: list[str] = []

    def put(stamp: float) -> None:
        name = world.crm.put("customer", {"name": f"customer {len(made)}"})
        world.crm.store.get("customer", name).changed_at = stamp
        made.append(name)

    for _ in range(8):
        for _ in range(5):  # more than a page within one stamp
            put(float(int(clock[0])))
        poll(world.runtime, "crm", "customer")
        boundary = float(int(clock[0]))
        put(boundary)  # at the stamp that was just read
        clock[0] += 1.5
        put(boundary)  # committed late, its stamp behind what was read
        put(clock[0])
        poll(world.runtime, "crm", "customer")
        clock[0] += 0.5
    clock[0] += 5
    poll(world.runtime, "crm", "customer")
    world.settle(seconds=60)

    found = reconcile(world.runtime, "crm", "customer")
    assert (found.read, found.unknown, found.changed, found.gone) == (len(made), 0, 0, 0)
    assert len(world.erp.store.all("customer")) == len(made)


