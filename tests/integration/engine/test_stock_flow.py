"""The stock sweep goes page by page, polls go on meanwhile, and nobody's older figures win."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_workers.errors import TransientError
from sync_workers.flows import polling, stock
from sync_workers.flows.reconcile import is_too_early
from sync_workers.ledger import inbox
from sync_workers.runtime import Runtime
from tests.world import World, make_world

SHEETS = Path(__file__).resolve().parents[2] / "data" / "stock"


class Between:
    """A real connector; ``act`` happens when its ``page``-th page of figures has been read and not staged yet."""

    def __init__(self, connector: Any, page: int, act: Callable[[], Any]) -> None:
        self._connector, self._page, self._act = connector, page, act
        self._read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def read_many(self, kind: str, external_ids: Sequence[str]) -> Any:
        found = self._connector.read_many(kind, external_ids)
        self._read += 1
        if self._read == self._page:
            self._act()
        return found


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mappings").symlink_to(SHEETS)
    with make_world(tmp_path, database_url, erp={"page": 2, "overlap_s": 60}) as made:
        yield made


def part(world: World, on_hand: Any = 5, **more: Any) -> str:
    return world.erp.put("stock", {"code": "BRG", "on_hand": on_hand, "allocated": 0, "available": on_hand, **more})


def count(world: World, external_id: str, on_hand: int) -> None:
    world.erp.edit("stock", external_id, {"on_hand": on_hand, "available": on_hand})


def interrupted(world: World, page: int, act: Callable[[], Any]) -> Runtime:
    erp = Between(world.runtime.connectors["erp"], page, act)
    return replace(world.runtime, connectors={**world.runtime.connectors, "erp": erp})


def levels(world: World) -> dict[str, Decimal]:
    return dict(world.rows("SELECT external_id, on_hand FROM stock_levels"))


def events(world: World) -> int:
    return world.rows("SELECT count(*) FROM events WHERE kind = 'stock'")[0][0]


def test_a_sweep_brings_every_part_once_and_a_second_one_brings_nothing(world: World) -> None:
    ids = [part(world, number) for number in range(5)]
    assert len(stock.sweep(world.runtime, "erp")) == 5
    assert levels(world) == {external_id: number for number, external_id in enumerate(ids)}
    assert stock.sweep(world.runtime, "erp") == []
    assert events(world) == 5


def test_what_a_poll_brings_while_a_sweep_is_at_that_page_stays(world: World) -> None:
    """The sweep has read 5; then goods arrive, and the poll that sees them is quicker."""
    ids = [part(world) for _ in range(5)]
    stock.sweep(world.runtime, "erp")

    def poll() -> None:
        count(world, ids[2], 50)
        assert polling.poll(world.runtime, "erp", "stock").raised == 1

    assert stock.sweep(interrupted(world, 2, poll), "erp") == []
    assert levels(world)[ids[2]] == 50


def test_a_poll_that_is_overtaken_by_a_whole_sweep_does_not_undo_it(world: World) -> None:
    """The poll has read 4 and is held up; the count is corrected to what was known, and a sweep sees that."""
    ids = [part(world) for _ in range(5)]
    stock.sweep(world.runtime, "erp")
    count(world, ids[0], 4)

    def sweep() -> None:
        count(world, ids[0], 5)
        assert stock.sweep(world.runtime, "erp") == []

    assert polling.poll(interrupted(world, 1, sweep), "erp", "stock").raised == 0
    assert levels(world)[ids[0]] == 5


def test_a_sweep_whose_system_goes_away_keeps_the_pages_it_had(world: World) -> None:
    for _ in range(5):
        part(world)

    def go_away() -> None:
        raise TransientError("the ERP went away")

    with pytest.raises(TransientError):
        stock.sweep(interrupted(world, 2, go_away), "erp")
    assert len(levels(world)) == 2
    assert len(stock.sweep(world.runtime, "erp")) == 3


@pytest.mark.parametrize("impossible", ["a dozen", None, "NaN"])
def test_a_figure_that_is_no_number_is_told_until_a_whole_sweep_was_without(world: World, impossible: Any) -> None:
    ids = [part(world), part(world, impossible), part(world), part(world)]
    assert len(stock.sweep(world.runtime, "erp")) == 3
    standing = "SELECT body FROM alerts WHERE incident = 'stock readings:erp' AND closed_at IS NULL"
    assert f"{ids[1]}: on_hand is" in world.rows(standing)[0][0]
    count(world, ids[1], 7)
    assert len(stock.sweep(world.runtime, "erp")) == 1
    assert world.rows(standing) == []


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        ({"on_order": 3}, {"on_order": 4}, 1),
        ({"on_order": 3}, {"on_order": 3.0}, 0),
        ({"on_order_date": "2026-03-01"}, {"on_order_date": "2026-03-02"}, 1),
        ({"warehouses": [{"name": "West", "available": 1}]}, {"warehouses": [{"name": "West", "available": 2}]}, 1),
    ],
)
def test_a_change_of_any_figure_that_a_sheet_may_use_is_news(
    world: World, before: dict[str, Any], after: dict[str, Any], news: int
) -> None:
    external_id = part(world, **before)
    stock.sweep(world.runtime, "erp")
    world.erp.edit("stock", external_id, after)
    assert len(stock.sweep(world.runtime, "erp")) == news


def test_stock_is_looked_at_while_its_parts_are_loaded(world: World) -> None:
    """A part that has never moved is in no poll of its stock: only the sweep tells of it."""
    world.erp.put("part", {"code": "P-1"})
    polling.poll(world.runtime, "erp", "part")
    assert is_too_early(world.runtime, "erp", "part")
    assert is_too_early(world.runtime, "crm", "part")
    assert not is_too_early(world.runtime, "erp", "stock")
    world.settle()
    assert not is_too_early(world.runtime, "erp", "part")


def share_one_object(world: World) -> None:
    """Let stock be a facet of the part, as on real platforms: the same object under the same id."""
    for server in (world.crm, world.erp):
        kinds = server.store._kinds
        kinds["stock"] = kinds.setdefault("part", {})


def test_stock_that_came_before_its_part_was_linked_looks_again_when_it_is(world: World) -> None:
    """The CRM tells of a product before we have noted that we made it: its stock then stands beside nothing."""
    share_one_object(world)
    world.erp.put("part", {"code": "P-1", "available": 7})
    told = polling.poll(world.runtime, "erp", "part").due
    product = world.crm.put("part", {"sku": "P-1"})
    early = world.tell("crm", "stock", product)
    world.work(early)
    assert world.rows("SELECT note FROM events WHERE record_id = %s", early) == [("its part lives in crm alone",)]

    world.work(*(one.id for one in told))
    sources = world.rows("SELECT source, note FROM events WHERE record_id = %s ORDER BY id", early)
    assert sources[-1] == ("dependency", "what it stands beside is linked now")
    world.settle()
    assert world.crm.fields("part", product)["available"] == 7


def test_two_rows_of_one_stock_become_one_though_both_are_due_at_one_moment(world: World) -> None:
    """The ERP's row waits for the part, the CRM's stood beside nothing; then the part is linked."""
    share_one_object(world)
    made = world.erp.put("part", {"code": "P-1", "available": 7})
    told = polling.poll(world.runtime, "erp", "part").due
    product = world.crm.put("part", {"sku": "P-1"})
    rows = [world.tell("crm", "stock", product), world.tell("erp", "stock", made)]
    assert rows[0] != rows[1]
    world.work(rows[0])
    world.rows("UPDATE records SET waits_for = %s, due_at = NULL WHERE id = %s RETURNING id", told[0].id, rows[1])
    world.work(told[0].id)
    for record in rows:
        world.runtime.ledger.run(lambda tx, record=record: inbox.touch(tx, [record], "person", "now"))  # type: ignore[misc]

    world.settle()
    assert world.crm.fields("part", product)["available"] == 7
    assert world.rows("SELECT count(*) FROM records WHERE kind = 'stock' AND state <> 'merged'") == [(1,)]
    [(runs,)] = world.rows("SELECT max(fence) FROM records WHERE kind = 'stock'")
    assert runs < 8, "they met again and again"
