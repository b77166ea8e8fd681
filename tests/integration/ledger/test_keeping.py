"""Protocol S5, D2, W11: what a run keeps as it goes, and who it wakes by linking."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sync_workers.ledger.connection import Ledger, Unstorable
from sync_workers.ledger.inbox import touch
from sync_workers.ledger.settle import (
    Closing,
    ErrorInfo,
    Flush,
    OverruleRow,
    Settlement,
    flush,
    late_answer,
    settle,
)
from sync_workers.ledger.statements import Tx
from tests.integration.ledger.steps import (
    claim,
    claim_new,
    column_of,
    done,
    end,
    is_due,
    lapse,
    load,
    open_one,
    park,
    pid_of,
    ref,
    retry,
    rows,
    value,
    wait_until_blocked,
)


def test_a_late_answer_is_kept_on_its_attempt_and_makes_the_record_due(ledger: Ledger) -> None:
    frozen = claim_new(ledger)
    opened = open_one(ledger, frozen)
    lapse(ledger, [frozen.id])
    [taker] = claim(ledger, [frozen.id], owner="another")

    def leave(tx: Tx) -> None:
        late_answer(tx, opened.attempt_id, {"id": "E1"})
        touch(tx, [frozen.id], "late answer", None)

    ledger.run(leave)
    end(ledger, done(taker))

    assert value(ledger, "SELECT late_answer FROM attempts") == {"id": "E1"}
    assert is_due(ledger, frozen.id)


def test_a_link_made_between_check_and_park_is_seen(ledger: Ledger) -> None:
    """Check, then park: linked in between, it would never be woken (D2)."""
    dependency = claim_new(ledger, "C", kind="customer")
    waiter = claim_new(ledger, "1")
    end(ledger, done(dependency, refs=[ref("E-C", kind="customer")], linked=True))

    end(ledger, park(waiter, dependency.id))

    assert is_due(ledger, waiter.id)
    assert column_of(ledger, waiter.id, "waits_for") is None


def test_a_link_in_another_system_does_not_end_the_wait(ledger: Ledger) -> None:
    dependency = claim_new(ledger, "C", kind="customer")
    waiter = claim_new(ledger, "1")
    end(ledger, done(dependency, refs=[ref("S-C", "shop", kind="customer")], linked=True))

    end(ledger, park(waiter, dependency.id, waits_in="erp"))

    assert not is_due(ledger, waiter.id)
    assert column_of(ledger, waiter.id, "waits_for") == dependency.id


def test_parking_waits_for_the_linking_transaction(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    dependency = claim_new(ledger, "C", kind="customer")
    waiter = claim_new(ledger, "1")
    parker = another_ledger()
    pids: list[int] = []

    def work(tx: Tx) -> set[int]:
        pids.append(pid_of(tx))
        return settle(tx, [park(waiter, dependency.id, waits_in="erp")])

    with ledger.transaction() as tx, ThreadPoolExecutor(1) as pool:
        settle(tx, [done(dependency, refs=[ref("E-C", kind="customer")], linked=True)])
        waiting = pool.submit(lambda: parker.run(work))
        while not pids:
            pass
        wait_until_blocked(another_ledger(), pids[0])
        tx.commit()
        waiting.result()

    assert is_due(ledger, waiter.id)


def test_linking_wakes_who_waits_with_news_of_its_own(ledger: Ledger) -> None:
    dependency = claim_new(ledger, "C", kind="customer")
    waiter = claim_new(ledger, "1")
    end(ledger, park(waiter, dependency.id))
    assert not is_due(ledger, waiter.id)

    end(ledger, done(dependency, refs=[ref("E-C", kind="customer")], linked=True))

    assert is_due(ledger, waiter.id)
    assert column_of(ledger, waiter.id, "asked") == 2
    [again] = claim(ledger, [waiter.id])
    assert (again.failures, again.gen) == (0, 2)


def test_each_write_settles_its_own_ref_while_the_run_goes_on(ledger: Ledger) -> None:
    """S5: the second write fails, and the first one's base is kept all the same."""
    held = claim_new(ledger)
    opened = open_one(ledger, held, system="crm", op="update")
    news = Flush(
        held,
        [ref("1", "crm", held={"a": 2}, sent={"a": 2}, version="8")],
        [Closing(opened.attempt_id, "done", {"ok": True}, 12.5, "as sent")],
    )

    assert ledger.run(lambda tx: flush(tx, [news])) == {held.id}
    end(ledger, retry(held, 0.0, counts=True))

    [again] = claim(ledger, [held.id])
    [work] = load(ledger, again)
    assert (work.refs["crm"].held, work.refs["crm"].version, work.attempts) == ({"a": 2}, "8", [])
    assert rows(ledger, "SELECT status, response, took_ms, note FROM attempts") == [
        ("done", {"ok": True}, 12.5, "as sent")
    ]


def test_a_ref_is_stored_changed_marked_gone_and_dropped(ledger: Ledger) -> None:
    held = claim_new(ledger)

    def store(*states: Any) -> dict[str, Any]:
        ledger.run(lambda tx: flush(tx, [Flush(held, states)]))
        return load(ledger, held)[0].refs

    assert store(ref("E1", item_ids={"lines": {"a": "7"}}))["erp"].item_ids == {"lines": {"a": "7"}}
    assert store(ref("E1", version="2", held={"x": 1}))["erp"].version == "2"
    gone = store(ref("E1", gone=True))["erp"].gone_since
    assert gone is not None
    assert store(ref("E1", gone=True))["erp"].gone_since == gone
    assert store(ref("E1"))["erp"].gone_since is None
    repointed = store(ref("E2"))["erp"]
    assert (repointed.external_id, repointed.aliases) == ("E2", ("E1",))
    back = store(ref("E1"))["erp"]
    assert (back.external_id, back.aliases) == ("E1", ("E2",))
    assert set(store(ref("E1", drop=True))) == {"crm"}


def test_overrules_are_kept_with_the_settlement(ledger: Ledger) -> None:
    held = claim_new(ledger)
    end(
        ledger,
        done(held, overrules=[OverruleRow("price", "crm", {"$decimal": "9"}, "erp", None, "owner", 3)]),
    )

    assert rows(ledger, "SELECT field, system, lost, winner, won, rule, mapping_version FROM overrules") == [
        ("price", "crm", {"$decimal": "9"}, "erp", None, "owner", 3)
    ]


def test_errors_and_answers_with_odd_characters_are_kept_readable(ledger: Ledger) -> None:
    held = claim_new(ledger)
    opened = open_one(ledger, held)
    odd = Closing(opened.attempt_id, "refused", {"text": "a\x00b\ud800", "n": float("nan")}, 1.0, "\x00")

    end(
        ledger,
        Settlement(
            held,
            "dead",
            error=ErrorInfo("Bug", "a\x00b", "\ud800", "f\x00", "t\x00"),
            closings=[odd],
            note="\x00",
        ),
    )

    assert value(ledger, "SELECT message FROM dead_letters") == "a\ufffdb"
    assert value(ledger, "SELECT response FROM attempts") == {"text": "a\ufffdb?", "n": "nan"}


@pytest.mark.parametrize("facts", [{"name": "a\x00b"}, {"a\x00b": "name"}, {"name": "\\\x00"}, {"name": "\ud800"}])
def test_facts_that_cannot_be_stored_are_refused_and_never_altered(facts: dict[str, str], ledger: Ledger) -> None:
    held = claim_new(ledger)

    with pytest.raises(Unstorable):
        end(ledger, done(held, refs=[ref("E1", held=facts)]))

    assert column_of(ledger, held.id, "owner") == "worker"


def test_what_only_looks_like_a_nul_is_a_fact_like_any_other(ledger: Ledger) -> None:
    held = claim_new(ledger)
    end(ledger, done(held, refs=[ref("E1", held={"name": "a\\u0000b"})]))
    assert value(ledger, "SELECT held ->> 'name' FROM refs WHERE system = 'erp'") == "a\\u0000b"
