"""Storing where a record lives: refs by system, older ids as aliases (protocol S5, R3, R5).

Two rows that turn out to be one thing are joined by ``merging``; this module only says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sync_workers.domain.values import JsonText
from sync_workers.ledger.columns import as_columns, as_documents
from sync_workers.ledger.merging import Merge, merge_rows
from sync_workers.ledger.statements import Prepared, Tx
from sync_workers.ledger.texts import as_facts


@dataclass(frozen=True)
class RefState:
    """A ref as it is to be stored, whole. ``gone``: the system does not show it; ``drop``: forget it.

    ``sent``, ``held`` and ``item_ids`` are JSON data or JSON text; ``sent`` None: the same as ``held``.
    """

    system: str
    kind: str
    external_id: str
    version: str | None
    sent: Mapping[str, Any] | JsonText | None
    held: Mapping[str, Any] | JsonText
    item_ids: Mapping[str, Any] | JsonText
    gone: bool = False
    drop: bool = False


class Trouble(Enum):
    """Why a ref could not be stored: nothing of that record may be settled on it."""

    BUSY = "the other record is at work"
    CLASH = "both records have counterparts"
    JOINED = "this record became part of the other"


@dataclass(frozen=True)
class Finding:
    """A ref that another record had: which, and what to do about it."""

    trouble: Trouble
    other: int
    text: str


# Where each ref stands is asked row by row: a join would read all refs there are, as long as the ledger is young and
# PostgreSQL guesses that one in two hundred is no alias.
_NEW = """
WITH new AS MATERIALIZED (
    SELECT n.*, (SELECT f.ctid FROM refs f
                  WHERE f.record_id = n.record_id AND f.system = n.system AND f.alias_of IS NULL
                    AND f.kind = n.kind AND f.external_id = n.external_id) AS place
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[],
                  string_to_array(%s, chr(30), ''), string_to_array(%s, chr(30), ''), string_to_array(%s, chr(30), ''))
        AS n (record_id, system, kind, external_id, version, gone, sent, held, item_ids))
"""
_UPDATE = """
UPDATE refs f SET version = new.version, sent = new.sent::json, held = new.held::json,
       item_ids = new.item_ids::json,
       gone_since = CASE WHEN new.gone THEN coalesce(f.gone_since, clock_timestamp()) END
  FROM new WHERE f.ctid = new.place
RETURNING f.record_id, f.system
"""
UPDATE = Prepared(f"{_NEW} {_UPDATE}")
STORE = Prepared(f"""{_NEW},
updated AS ({_UPDATE}),
inserted AS (
    INSERT INTO refs (record_id, system, kind, external_id, version, sent, held, item_ids, gone_since)
    SELECT record_id, system, kind, external_id, version, sent::json, held::json, item_ids::json,
           CASE WHEN gone THEN clock_timestamp() END
      FROM new WHERE place IS NULL
     ORDER BY system, kind, external_id
    ON CONFLICT DO NOTHING RETURNING record_id, system)
SELECT record_id, system FROM updated UNION ALL SELECT record_id, system FROM inserted
""")  # noqa: S608 -- built once, of constants
DROP = """
DELETE FROM refs f USING unnest(%s::bigint[], %s::text[]) AS gone (record_id, system)
 WHERE f.record_id = gone.record_id AND f.system = gone.system
"""


def store(tx: Tx, wanted: Sequence[tuple[int, RefState]]) -> tuple[dict[int, Finding], bool]:
    """Store refs of records whose rows are locked; return those of which another record had the id.

    The findings' refs are not stored, and their records' other news must wait as well. The second
    answer is whether any record was joined with another: then counters read before are out of date.
    """
    drops = [(record_id, state.system) for record_id, state in wanted if state.drop]
    if drops:
        tx.execute(DROP, as_columns(drops))
    rows = {(record_id, state.system): state for record_id, state in wanted if not state.drop}
    if rows:
        for record_id, system in tx.rows(STORE, _parameters([(key[0], state) for key, state in rows.items()])):
            del rows[record_id, system]
    findings: dict[int, Finding] = {}
    for (record_id, _), state in rows.items():
        if record_id not in findings:
            finding = _contested(tx, record_id, state)
            if finding is not None:
                findings[record_id] = finding
    return findings, bool(rows)


def _contested(tx: Tx, record_id: int, state: RefState) -> Finding | None:
    """Store a ref whose place is taken: by our own older id, or by another record."""
    holder = tx.execute(
        "SELECT record_id FROM refs WHERE system = %s AND kind = %s AND external_id = %s",
        (state.system, state.kind, state.external_id),
    ).fetchone()
    mine = tx.execute(
        "SELECT id FROM refs WHERE record_id = %s AND system = %s AND alias_of IS NULL",
        (record_id, state.system),
    ).fetchone()
    if holder is not None and holder[0] != record_id:
        other = int(holder[0])
        if mine is None:  # R3: what we made or found is what the other row was made for
            outcome = merge_rows(tx, record_id, other)
        else:  # R5: the system merged our row into the other one, which therefore survives
            outcome = merge_rows(tx, other, record_id, same_in={state.system}, ours=True)
        text = f"{state.system} {state.kind} {state.external_id} also belongs to record {other}"
        if outcome is Merge.BUSY:
            return Finding(Trouble.BUSY, other, text)
        if outcome is Merge.CLASH:
            return Finding(Trouble.CLASH, other, text)
        if mine is not None:
            return Finding(Trouble.JOINED, other, text)
    if mine is not None:
        repoint(tx, record_id, state.system, state.kind, state.external_id)
    tx.execute(UPDATE, _parameters([(record_id, state)]))
    return None


def repoint(tx: Tx, record_id: int, system: str, kind: str, external_id: str) -> None:
    """Give a record's ref another id of the same system; the old one stays as its alias."""
    tx.execute(
        "DELETE FROM refs WHERE record_id = %s AND system = %s AND kind = %s AND external_id = %s"
        " AND alias_of IS NOT NULL", (record_id, system, kind, external_id),
    )
    row = tx.execute(
        "SELECT id, external_id FROM refs WHERE record_id = %s AND system = %s AND alias_of IS NULL",
        (record_id, system),
    ).fetchone()
    if row is None or row[1] == external_id:
        return
    tx.execute("UPDATE refs SET external_id = %s, gone_since = NULL WHERE id = %s", (external_id, row[0]))
    add_alias(tx, record_id, system, kind, row[1])


def add_alias(tx: Tx, record_id: int, system: str, kind: str, external_id: str) -> None:
    """Let an older id lead to a record's present ref in that system. Known already: nothing."""
    tx.execute(
        "INSERT INTO refs (record_id, system, kind, external_id, alias_of)"
        " SELECT record_id, system, kind, %s, id FROM refs"
        "  WHERE record_id = %s AND system = %s AND kind = %s AND alias_of IS NULL ON CONFLICT DO NOTHING",
        (external_id, record_id, system, kind),
    )


def _parameters(states: Sequence[tuple[int, RefState]]) -> list[Any]:
    rows = [(record_id, one.system, one.kind, one.external_id, one.version, one.gone) for record_id, one in states]
    documents = ([as_facts(one.sent), as_facts(one.held), as_facts(one.item_ids)] for _, one in states)
    return [*as_columns(rows), *map(as_documents, as_columns(documents))]
