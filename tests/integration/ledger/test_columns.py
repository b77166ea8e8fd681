"""Whole columns as one parameter: what goes in comes out, whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sync_workers.ledger.births import FIND_OR_CREATE
from sync_workers.ledger.columns import as_array, as_document, as_documents
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.texts import as_json
from tests.integration.ledger.steps import arrive, rows, value

TEXTS = ["plain", "", "NULL", None, "a,b", '"', "\\", '\\"', "{x}", "'", "é\n\t", " ", "%s", "\x1e", "NULL "]


def test_an_array_of_texts_arrives_as_it_was(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        assert tx.rows("SELECT t FROM unnest(%s::text[]) AS t", (as_array(TEXTS),)) == [(one,) for one in TEXTS]
        assert tx.rows("SELECT %s::bigint[], %s::bool[], %s::text[]",
                       (as_array([2**62, None, -1]), as_array([True, False]), as_array([]))) == [
            ([2**62, None, -1], [True, False], [])
        ]


@pytest.mark.parametrize("records", [
    pytest.param([{"a": one} for one in TEXTS], id="texts"),
    pytest.param([None], id="none"),
    pytest.param([None, {"a": 1}, None], id="some"),
    pytest.param([{}, {"a": {"b": [1, 2.5, True, None, 12345678901234567890123]}}], id="nested, and a long integer"),
])
def test_documents_arrive_as_they_were(ledger: Ledger, records: list[Any]) -> None:
    sql = "SELECT d::jsonb FROM unnest(%s::int[], string_to_array(%s, chr(30), '')) AS x (n, d) ORDER BY n"
    texts = as_documents(map(as_document, records))
    with ledger.transaction() as tx:
        assert tx.rows(sql, (as_array(range(len(records))), texts)) == [(one,) for one in records]


@pytest.mark.parametrize("record", [{"é": "ü\x00"}, {"a": 10**30}, {"a": "\ud800"}, {"a": [0.1, 1e300]}])
def test_a_document_says_what_the_standard_library_says(record: Any) -> None:
    assert json.loads(as_document(record) or "") == json.loads(as_json(record) or "") == record


@pytest.fixture
def by_key(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url, by_key=True)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("pool", ["ledger", "by_key"])
def test_only_a_pool_by_key_plans_an_index_for_an_empty_table(pool: str, request: pytest.FixtureRequest) -> None:
    opened: Ledger = request.getfixturevalue(pool)
    with opened.transaction() as tx:
        tx.execute("ANALYZE refs")
        plan = "\n".join(row[0] for row in tx.rows("EXPLAIN " + FIND_OR_CREATE, ["{a}", "{b}", "{c}", "{1}"]))
    assert ("Seq Scan on refs" not in plan) is (pool == "by_key")


def test_a_record_is_born_due_and_asked_for_as_often_as_it_was_told_of(ledger: Ledger) -> None:
    """One write instead of two; whoever sees the row at all sees it due (A1)."""
    arrive(ledger, "1", "2", "1", source="poll")
    arrive(ledger, "3", "3", "3", payload={"a": 1})

    assert rows(ledger, "SELECT origin_id, asked, due_at <= clock_timestamp() FROM records ORDER BY 1") == [
        ("1", 2, True), ("2", 1, True), ("3", 1, True)
    ]
    assert value(ledger, "SELECT count(*) FROM records r JOIN events e ON e.record_id = r.id AND e.gen > r.asked") == 0
    assert value(ledger, "SELECT count(DISTINCT xmin::text) FROM records") == 2


def test_a_repeat_of_a_known_key_for_another_place_asks_for_nothing(ledger: Ledger) -> None:
    arrive(ledger, "1", key="k")
    [again] = arrive(ledger, "2", key="k")

    assert (again.event_id, again.gen, again.due) == (None, None, False)
    assert rows(ledger, "SELECT asked, due_at FROM records WHERE origin_id = '2'") == [(0, None)]
