"""Hot statements are prepared once per connection: how psycopg2's placeholders become PostgreSQL's."""

from __future__ import annotations

import pytest

from sync_workers.ledger.statements import Prepared


@pytest.mark.parametrize(
    ("sql", "body", "arguments"),
    [
        pytest.param("SELECT 1", "SELECT 1", "", id="no parameter"),
        pytest.param("SELECT %s, %s", "SELECT $1, $2", " (%s, %s)", id="each position is a parameter of its own"),
        pytest.param(
            "SELECT %(a)s, %(b)s, %(a)s", "SELECT $1, $2, $1", " (%(a)s, %(b)s)", id="a name is passed once"
        ),
        pytest.param("SELECT %s LIKE 'a%%'", "SELECT $1 LIKE 'a%'", " (%s)", id="an escaped percent sign"),
    ],
)
def test_placeholders_are_numbered(sql: str, body: str, arguments: str) -> None:
    made = Prepared(sql)

    assert made.preparation == f"PREPARE {made.name} AS {body}"
    assert made.call == f"EXECUTE {made.name}{arguments}"


def test_every_statement_has_a_name_of_its_own() -> None:
    assert Prepared("SELECT 1").name != Prepared("SELECT 1").name
