"""Somebody else writes to the record that we are writing: between our write and its read-back, and ever after."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.domain.alternation import TIMES
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World

MOST_TURNS = 12  # far beyond what the engine may do before it stops
Fields = dict[str, Any]


@contextmanager
def meanwhile(world: World, act: Callable[[str], Any], *, once: bool) -> Iterator[list[str]]:
    """Let ``act`` happen in the ERP right after each order that we write (or only the first), before it is read back.

    Gives a list that then holds the ids of the orders that were written.
    """
    connector = world.runtime.connectors["erp"]
    write, written = connector.write, list[str]()

    def write_and_wait(asked: NativeWrite) -> Native:
        stored = write(asked)
        if asked.kind != "order":
            return stored
        written.append(stored.id)
        if not once or len(written) == 1:
            act(stored.id)
        found = connector.read(asked.kind, stored.id)
        assert found is not None
        return found

    with patch.object(connector, "write", write_and_wait):
        yield written


def linked_order(world: World) -> tuple[str, str, int]:
    deal = world.place_order()
    record = world.tell("crm", "order", deal)
    world.work(record)
    [(sale,)] = world.rows("SELECT external_id FROM refs WHERE system = 'erp' AND kind = 'order'")
    return deal, sale, record


@pytest.mark.parametrize("is_new", [True, False], ids=["while it is created", "while it is updated"])
def test_an_edit_between_our_write_and_its_read_back_is_planned_anew(is_new: bool, world: World) -> None:
    deal = world.place_order(po_number="PO-2") if is_new else linked_order(world)[0]
    if not is_new:
        world.crm.edit("order", deal, {"po_number": "PO-2"})
    record = world.tell("crm", "order", deal)

    with meanwhile(world, lambda sale: world.erp.edit("order", sale, {"po": "typed by a clerk"}), once=True) as written:
        drained = world.work(record)

    assert drained.counts == {"applied": 1}
    assert len(written) == 2, "written, and put back once"
    assert [order["po"] for order in world.orders()] == ["PO-2"]
    assert world.rows("SELECT field, system, lost FROM overrules") == [("po_number", "erp", "typed by a clerk")]
    world.tell("crm", "order", deal)
    world.settle()
    assert len(written) == 2
    assert_all_laws_hold(world.runtime)


def test_what_the_target_goes_on_to_between_our_write_and_its_read_back_reaches_the_others(world: World) -> None:
    deal, sale, record = linked_order(world)
    world.crm.edit("order", deal, {"po_number": "PO-2", "notes": "mind the gate"})
    world.tell("crm", "order", deal)

    def go_on(sale: str) -> None:
        world.erp.edit("order", sale, {"number": "SO-7", "comment": "left already"})

    with meanwhile(world, go_on, once=True):
        drained = world.work(record)
        world.settle()

    assert drained.counts == {"applied": 1}
    shown = world.crm.fields("order", deal)
    assert (shown["erp_number"], shown["notes"], shown["po_number"]) == ("SO-7", "left already", "PO-2")
    assert world.erp.fields("order", sale)["comment"] == "left already"
    assert_all_laws_hold(world.runtime)


def another_quantity(fields: Fields) -> Fields:
    return {"lines": [{**line, "quantity": "400"} for line in fields["lines"]]}


def a_line_less(fields: Fields) -> Fields:
    return {"lines": [line for line in fields["lines"] if line["part"] != "00417"]}


def a_line_more(fields: Fields) -> Fields:
    """An automation does not know its own line again: it has another key each time."""
    return {"lines": [*fields["lines"], {"key": secrets.token_hex(4), "part": "NUT", "quantity": "1"}]}


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        pytest.param(lambda fields: {"po": "rewritten"}, "po_number", id="a field"),
        pytest.param(another_quantity, "lines", id="a field of the lines"),
        pytest.param(a_line_less, "lines", id="a line that is taken out"),
        pytest.param(a_line_more, "lines", id="a line that is added"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "a moment later"])
def test_an_automation_that_rewrites_what_we_own_is_stopped(
    typed: Callable[[Fields], Fields], field: str, at_once: bool, world: World
) -> None:
    """Nothing goes on for ever (protocol G3, G6): whoever rewrites as often as we write ends with a person."""
    _, sale, record = linked_order(world)

    def rewrite(sale: str) -> None:
        world.erp.edit("order", sale, typed(world.erp.fields("order", sale)))

    with meanwhile(world, rewrite if at_once else lambda sale: None, once=False) as written:
        for _ in range(MOST_TURNS):
            rewrite(sale)
            world.tell("erp", "order", sale)
            world.work(record)

    [(state, reason)] = world.rows("SELECT state, coalesce(hold_reason, '') FROM records WHERE kind = 'order'")
    told = world.rows("SELECT message FROM dead_letters WHERE state = 'open'")
    assert state in ("held", "dead"), "it goes on for ever"
    assert field in (reason or told[0][0])
    assert len(written) <= TIMES
