"""How often a field was written to and fro in one system: what tells a ping-pong (protocol G6)."""

from __future__ import annotations

from sync_workers.domain.alternation import Turn, name_of, turns_in
from sync_workers.domain.values import decode
from sync_workers.ledger.statements import Tx


def turns(tx: Tx, record_id: int, field: str, system: str) -> list[Turn]:
    """Return our writes of one field, or of one item of a list (``lines[7].quantity``), in the last hour."""
    name = name_of(field)
    rows = tx.rows(
        "SELECT started_at, fields -> %s FROM attempts WHERE record_id = %s AND system = %s AND fields ? %s"
        " AND status IN ('open', 'done') AND started_at > clock_timestamp() - interval '1 hour'"
        " ORDER BY started_at",
        (name, record_id, system, name),
    )
    written: list[Turn] = []
    for at, change in rows:
        pair = decode({"before": change["before"], "after": change["after"]})
        written += turns_in(field, at, pair["before"], pair["after"])
    return written
