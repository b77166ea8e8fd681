"""What is kept how long: rows stay, payloads go, and nothing that still has work in it is touched."""

from __future__ import annotations

from datetime import date

import pytest

from sync_workers.ledger.retention import Policy, clean

AGE = "interval '40 days'"


def test_payloads_of_settled_events_are_emptied_and_their_rows_stay(desk):
    old, waiting, young = (desk.arrive(name, payload={"name": "Ann"}) for name in ("1", "2", "3"))
    desk.done(desk.claim(old))
    desk.done(desk.claim(young))
    desk.sql(f"UPDATE events SET received_at = received_at - {AGE} WHERE record_id IN (%s, %s)", old, waiting)
    assert clean(desk.ledger).payloads == 1
    kept = dict(desk.sql("SELECT record_id, payload IS NOT NULL FROM events"))
    assert kept == {old: False, waiting: True, young: True}


def test_old_calls_lose_what_they_carried_but_still_say_that_they_were(desk):
    desk.apply("1")
    desk.sql("UPDATE attempts SET started_at = started_at - interval '500 days'")
    assert clean(desk.ledger).calls == 1
    assert desk.sql("SELECT status, request, fields <> '{}' FROM attempts") == [("done", {"emptied": True}, True)]
    assert clean(desk.ledger).calls == 0


def test_delivery_keys_outlive_any_sender(desk):
    with pytest.raises(ValueError, match="14 days"):
        Policy(delivery_days=7)
    desk.arrive("1", key="old")
    desk.arrive("1", key="new")
    desk.sql(f"UPDATE deliveries SET received_at = received_at - {AGE} WHERE key = 'old'")
    assert clean(desk.ledger).deliveries == 1
    assert desk.sql("SELECT key FROM deliveries") == [("new",)]


def test_an_old_month_goes_only_when_nothing_in_it_waits(desk):
    for month in ("2024_01", "2024_02"):
        first = month.replace("_", "-") + "-01"
        desk.sql(f"CREATE TABLE events_{month} PARTITION OF events FOR VALUES FROM ('{first}')"
                 f" TO ('{first}'::date + interval '1 month')".replace(
                     f"('{first}'::date + interval '1 month')",
                     "('2024-02-01')" if month == "2024_01" else "('2024-03-01')"))
    done, waiting = desk.arrive("1"), desk.arrive("2")
    desk.done(desk.claim(done))
    desk.sql("UPDATE events SET received_at = '2024-01-15' WHERE record_id = %s", done)
    desk.sql("UPDATE events SET received_at = '2024-02-15' WHERE record_id = %s", waiting)
    cleaned = clean(desk.ledger, Policy(months=12), today=date(2026, 3, 1))
    assert (cleaned.dropped, cleaned.kept) == (["events_2024_01"], ["events_2024_02"])
    assert desk.sql("SELECT record_id FROM events") == [(waiting,)]


def test_months_to_come_are_made_and_a_second_round_finds_nothing_to_do(desk):
    desk.apply("1")
    clean(desk.ledger)
    again = clean(desk.ledger)
    assert (again.payloads, again.calls, again.deliveries, again.dropped, again.made) == (0, 0, 0, [], [])
