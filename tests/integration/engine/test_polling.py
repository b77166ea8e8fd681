"""What a poll's overlap brings again is not read again, and never taken for known before it is in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sync_workers.connectors.contract import Cursor, Page
from sync_workers.flows import polling
from sync_workers.ledger.connection import LedgerDown
from sync_workers.runtime import Runtime
from tests.world import World, make_world

SHEETS = Path(__file__).resolve().parents[2] / "data" / "stock"


class Signing:
    """A real connector whose notices tell no version but a sign of the change, as Tryton's do; counts what is read."""

    def __init__(self, connector: Any) -> None:
        self._connector = connector
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def changes(self, kind: str, cursor: Cursor) -> Page:
        page: Page = self._connector.changes(kind, cursor)
        signed = [replace(one, version=None, signs=frozenset({f"{one.external_id}:{one.version}"}))
                  for one in page.notices]
        return replace(page, notices=signed)

    def read_many(self, kind: str, external_ids: Sequence[str]) -> Any:
        self.asked += external_ids
        return self._connector.read_many(kind, external_ids)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mappings").symlink_to(SHEETS)
    with make_world(tmp_path, database_url, erp={"overlap_s": 60}) as made:
        yield made


def signing(world: World) -> tuple[Runtime, Signing]:
    erp = Signing(world.runtime.connectors["erp"])
    return replace(world.runtime, connectors={**world.runtime.connectors, "erp": erp}, polled={}), erp


def test_what_the_overlap_brings_again_is_not_read_again_until_it_changes(world: World) -> None:
    runtime, erp = signing(world)
    made = [world.erp.put("part", {"code": f"P-{number}"}) for number in range(5)]
    assert polling.poll(runtime, "erp", "part").raised == 5
    world.settle()
    again = polling.poll(runtime, "erp", "part")
    assert (again.seen, again.raised, erp.asked) == (5, 0, [])
    world.erp.edit("part", made[3], {"code": "P-3a"})
    assert polling.poll(runtime, "erp", "part").raised == 1
    assert erp.asked == [made[3]]


def test_another_process_reads_once_what_it_has_not_polled_itself(world: World) -> None:
    runtime, _ = signing(world)
    world.erp.put("part", {"code": "P-1"})
    polling.poll(runtime, "erp", "part")
    world.settle()
    other, erp = signing(world)
    assert [polling.poll(other, "erp", "part").raised for _ in range(2)] == [0, 0]
    assert len(erp.asked) == 1


def test_what_the_ledger_did_not_take_is_news_with_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = signing(world)
    world.erp.put("part", {"code": "P-1"})
    with monkeypatch.context() as broken:
        def fail(*_: object) -> None:
            raise LedgerDown("away")

        broken.setattr(polling, "_take", fail)
        with pytest.raises(LedgerDown):
            polling.poll(runtime, "erp", "part")
    assert polling.poll(runtime, "erp", "part").raised == 1
