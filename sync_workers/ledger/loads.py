"""A first load: all that the first poll of a kind has asked for, while some of it still waits to be done."""

from __future__ import annotations

from collections.abc import Collection

from sync_workers.ledger.statements import Tx

# What was asked for long ago and still waits is no load but trouble, and says so by itself.
LOADING = """
SELECT EXISTS (
    SELECT FROM records r
     WHERE r.kind = ANY(%s::text[]) AND r.state = 'open' AND r.due_at <= clock_timestamp()
       AND EXISTS (SELECT FROM events e WHERE e.record_id = r.id AND e.settled_at IS NULL AND e.source = 'reconcile'
                      AND e.received_at > clock_timestamp() - interval '1 hour'))
"""


def is_loading(tx: Tx, kinds: Collection[str]) -> bool:
    """Say whether records of these kinds that were asked for in bulk are still to be worked on."""
    return bool(tx.rows(LOADING, (list(kinds),))[0][0])
