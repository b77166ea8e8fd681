"""Order to cash in figures, for ``status``: what held records are worth, and how fast invoices follow shipments.

Read from what refs hold, so nothing on the path of a record pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync_workers.ledger.statements import Tx

# One ref of each held record that shows the amount: they all show the same.
HELD = """
SELECT code, currency, count(*), coalesce(sum(amount), 0)::text FROM (
    SELECT DISTINCT ON (r.id) r.hold_code AS code, f.held ->> 'currency' AS currency,
           (f.held -> %(worth)s ->> '$decimal')::numeric AS amount
      FROM records r LEFT JOIN refs f ON f.record_id = r.id AND f.alias_of IS NULL
            AND f.held -> %(worth)s IS NOT NULL
     WHERE r.state = 'held' AND r.kind = %(kind)s
     ORDER BY r.id, amount DESC NULLS LAST) AS each
 GROUP BY 1, 2 ORDER BY 1, 2
"""
LAG = """
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY lag), max(lag) FROM (
    SELECT extract(epoch FROM posted_at - shipped_at)::float8 AS lag FROM (
        SELECT (held -> 'posted_at' ->> '$at')::timestamptz AS posted_at,
               (held -> 'shipped_at' ->> '$at')::timestamptz AS shipped_at
          FROM refs WHERE kind = 'invoice' AND alias_of IS NULL AND held -> 'posted_at' IS NOT NULL) AS both_known
     WHERE posted_at > clock_timestamp() - make_interval(secs => %s) AND shipped_at IS NOT NULL) AS lags
"""
DAY_S = 86_400.0


def held_worth(tx: Tx, worth: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return held records with their value, by kind, reason and currency; ``worth`` names each kind's money field."""
    return [
        {"kind": kind, "code": code, "currency": currency, "count": count, "amount": amount}
        for kind, name in sorted(worth.items())
        for code, currency, count, amount in tx.rows(HELD, {"kind": kind, "worth": name})
    ]


def invoice_lag(tx: Tx, within_s: float = DAY_S) -> dict[str, Any]:
    """Return count, median and worst of the seconds from shipment to invoice, for what was invoiced ``within_s``."""
    count, median, worst = tx.rows(LAG, (within_s,))[0]
    return {"count": count, "median_s": median, "worst_s": worst}
