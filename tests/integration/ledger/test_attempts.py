"""Protocol section 4, W1 and W2: nothing goes out without an attempt under a lease that is surely ours."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sync_workers.ledger import records
from sync_workers.ledger.attempts import (
    LostLease,
    Opened,
    Replan,
    Taken,
    create_gate,
    open_attempts,
    record_shadow,
)
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.statements import Tx
from tests.integration.ledger.steps import (
    CALL_S,
    MARGIN_S,
    VERSIONS,
    arrive,
    claim,
    claim_new,
    done,
    end,
    lapse,
    load,
    open_all,
    open_one,
    opening,
    pid_of,
    rows,
    value,
    wait_until_blocked,
)


def test_an_attempt_is_sure_only_after_lease_linger_and_margin(ledger: Ledger) -> None:
    held = claim_new(ledger)

    opened = open_one(ledger, held, linger_s=90.0)

    assert opened.sure_at == opened.lease_until + timedelta(seconds=90 + MARGIN_S)
    assert rows(ledger, "SELECT id, status, fence, key, sure_at FROM attempts") == [
        (opened.attempt_id, "open", held.fence, "crm-order-1", opened.sure_at)
    ]


def test_answers_come_in_the_order_of_the_openings(ledger: Ledger) -> None:
    one, two, three = claim(ledger, [each.record_id for each in arrive(ledger, "1", "2", "3")])
    lapse(ledger, [two.id])

    answers = open_all(ledger, opening(three), opening(two), opening(one), opening(one, system="shop"))

    assert [type(answer) for answer in answers] == [Opened, LostLease, Opened, Opened]
    ids = [answer.attempt_id for answer in answers if isinstance(answer, Opened)]
    assert rows(ledger, "SELECT id, record_id, system FROM attempts ORDER BY id") == sorted(
        [(ids[0], three.id, "erp"), (ids[1], one.id, "erp"), (ids[2], one.id, "shop")]
    )


def test_a_worker_whose_record_was_taken_opens_nothing(ledger: Ledger) -> None:
    frozen = claim_new(ledger)
    lapse(ledger, [frozen.id])
    claim(ledger, [frozen.id], owner="another")

    assert open_all(ledger, opening(frozen)) == [LostLease()]
    assert value(ledger, "SELECT count(*) FROM attempts") == 0


def test_a_lease_too_short_for_the_call_opens_nothing(ledger: Ledger) -> None:
    [arrived] = arrive(ledger, "1")
    [held] = claim(ledger, [arrived.record_id], lease_s=CALL_S + MARGIN_S - 1)

    assert open_all(ledger, opening(held)) == [LostLease()]


def test_a_released_record_opens_nothing(ledger: Ledger) -> None:
    held = claim_new(ledger)
    ledger.run(lambda tx: records.release(tx, [held]))

    assert open_all(ledger, opening(held)) == [LostLease()]


def test_no_claim_can_come_between_the_check_and_the_commit(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    """Without the row lock a claim could commit in between and not see the attempt (W1)."""
    frozen = claim_new(ledger)
    with ledger.transaction() as tx:
        [opened] = open_attempts(
            tx, [opening(frozen)], call_s=CALL_S, margin_s=MARGIN_S, modes={}, versions=VERSIONS
        )
        assert isinstance(opened, Opened)
        # Its lease ends while the transaction is still open: the taker passes over the locked row.
        assert claim(another_ledger(), [frozen.id], owner="another") == []
    lapse(ledger, [frozen.id])
    [taker] = claim(ledger, [frozen.id], owner="another")

    [attempt] = load(ledger, taker)[0].attempts
    assert attempt.id == opened.attempt_id


def test_an_opening_that_waited_for_a_claim_finds_its_lease_gone(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    frozen = claim_new(ledger)
    lapse(ledger, [frozen.id])
    writer = another_ledger()
    pids: list[int] = []

    def late() -> list[object]:
        def work(tx: Tx) -> list[object]:
            pids.append(pid_of(tx))
            return list(
                open_attempts(tx, [opening(frozen)], call_s=-100, margin_s=0, modes={}, versions=VERSIONS)
            )

        return writer.run(work)

    with ledger.transaction() as tx, ThreadPoolExecutor(1) as pool:
        [taker] = records.claim(tx, [frozen.id], owner="another", lease_s=120, versions=VERSIONS)
        waiting = pool.submit(late)
        while not pids:
            pass
        wait_until_blocked(another_ledger(), pids[0])
        tx.commit()
        assert waiting.result() == [LostLease()]
    assert load(ledger, taker)[0].attempts == []


def test_a_flow_that_was_switched_since_the_plan_is_planned_again(ledger: Ledger) -> None:
    held = claim_new(ledger)
    with ledger.transaction() as tx:
        tx.execute("INSERT INTO modes (kind, system, mode, who) VALUES ('order', 'erp', 'off', 'me')")

    [answer] = open_all(ledger, opening(held))

    assert isinstance(answer, Replan)
    assert "from live to off" in answer.reason
    assert isinstance(open_all(ledger, opening(held), modes={("order", "erp"): "off"})[0], Opened)


def test_a_mapping_that_was_switched_since_the_plan_is_planned_again(ledger: Ledger) -> None:
    held = claim_new(ledger)
    with ledger.transaction() as tx:
        tx.execute("INSERT INTO mapping_versions (kind, version, digest, who) VALUES ('order', 2, 'x', 'me')")

    [answer] = open_all(ledger, opening(held))

    assert isinstance(answer, Replan)
    assert value(ledger, "SELECT count(*) FROM attempts") == 0


def test_an_opening_waits_for_a_switch_that_is_under_way_and_then_heeds_it(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    held = claim_new(ledger)
    writer = another_ledger()
    pids: list[int] = []

    def work(tx: Tx) -> list[object]:
        pids.append(pid_of(tx))
        return list(
            open_attempts(tx, [opening(held)], call_s=CALL_S, margin_s=MARGIN_S, modes={}, versions=VERSIONS)
        )

    with ledger.transaction() as tx, ThreadPoolExecutor(1) as pool:
        tx.execute("SELECT pg_advisory_xact_lock(hashtext('order/erp'))")
        tx.execute("INSERT INTO modes (kind, system, mode, who) VALUES ('order', 'erp', 'off', 'me')")
        waiting = pool.submit(lambda: writer.run(work))
        while not pids:
            pass
        wait_until_blocked(another_ledger(), pids[0])
        tx.commit()
        assert [type(answer) for answer in waiting.result()] == [Replan]


def test_older_attempts_that_were_decided_close_with_the_opening(ledger: Ledger) -> None:
    held = claim_new(ledger)
    older = open_one(ledger, held)

    newer = open_one(ledger, held, decided=((older.attempt_id, "absent", "looked: not there"),))

    assert rows(ledger, "SELECT id, status, note FROM attempts ORDER BY id") == [
        (older.attempt_id, "absent", "looked: not there"),
        (newer.attempt_id, "open", None),
    ]


def test_a_natural_key_is_reserved_by_the_first_and_refused_to_the_second(ledger: Ledger) -> None:
    one, two = claim(ledger, [each.record_id for each in arrive(ledger, "1", "2", kind="customer")])

    answers = open_all(
        ledger,
        opening(one, identities=(("tax_id", "DE1"),)),
        opening(two, identities=(("email", "a@b"), ("tax_id", "DE1"))),
    )

    assert isinstance(answers[0], Opened)
    assert answers[1] == Taken("tax_id", "DE1", one.id)
    assert rows(ledger, "SELECT name, record_id FROM identities") == [("tax_id", one.id)]
    assert isinstance(open_all(ledger, opening(one, identities=(("tax_id", "DE1"),)))[0], Opened)
    with ledger.transaction() as tx:
        assert records.taken(tx, "customer", "tax_id", "DE1") == one.id
        assert records.taken(tx, "customer", "email", "a@b") is None


def test_the_same_customer_typed_into_both_systems_at_one_moment_is_reserved_once(
    ledger: Ledger, another_ledger: Callable[[], Ledger]
) -> None:
    [one] = claim(ledger, [arrive(ledger, "1", kind="customer")[0].record_id])
    [two] = claim(ledger, [arrive(ledger, "9", kind="customer", system="erp")[0].record_id])
    makers = [another_ledger(), another_ledger()]

    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda pair: open_all(
                    pair[0], opening(pair[1], identities=(("email", "a@b"), ("tax_id", "1")))
                )[0],
                zip(makers, (one, two), strict=True),
            )
        )

    assert sorted(type(answer).__name__ for answer in answers) == ["Opened", "Taken"]


def test_an_unknown_record_gets_no_counterpart_while_a_create_of_ours_may_have_made_it(
    ledger: Ledger,
) -> None:
    maker = claim_new(ledger)
    opened = open_one(ledger, maker)
    foreign = claim_new(ledger, "55", system="erp")
    seen_at = load(ledger, foreign)[0].refs["erp"].first_seen_at

    with ledger.transaction() as tx:
        assert not create_gate(tx, "erp", "order", seen_at, foreign.id)
        assert create_gate(tx, "shop", "order", seen_at, foreign.id)
        assert create_gate(tx, "erp", "order", seen_at, maker.id)
        assert records.open_creates(tx, "erp", "order") == {"crm-order-1"}
    open_one(ledger, maker, op="update", decided=((opened.attempt_id, "absent", ""),))
    with ledger.transaction() as tx:
        assert create_gate(tx, "erp", "order", seen_at, foreign.id)


def test_a_shadow_is_kept_once_however_often_it_is_planned(ledger: Ledger) -> None:
    held = claim_new(ledger)

    def shadow(fields: dict[str, object]) -> bool:
        return ledger.run(lambda tx: record_shadow(tx, held, "erp", "order", "create", "", "k", 1, fields))

    assert [shadow({"a": 1}), shadow({"a": 1}), shadow({"a": 2}), shadow({"a": 1})] == [
        True,
        False,
        True,
        True,
    ]
    end(ledger, done(held))
    assert load(ledger, *claim(ledger, [arrive(ledger, "1")[0].record_id]))[0].attempts == []
