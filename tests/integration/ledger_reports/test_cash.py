"""Order to cash in figures: how fast invoices follow their shipments within a day, and what held orders are worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.domain.values import encode
from sync_workers.ledger import cash
from sync_workers.ledger.texts import as_json

HOUR, DAY = 3_600.0, 86_400.0
NONE = {"count": 0, "median_s": None, "worst_s": None}


def show(desk: Any, record_id: int, **values: Any) -> None:
    """Let the ERP show these values of a record."""
    desk.sql("UPDATE refs SET held = %s::jsonb WHERE record_id = %s", as_json(encode(values)), record_id)


@pytest.mark.parametrize(
    ("invoices", "expected"),
    [
        pytest.param([], NONE, id="none"),
        pytest.param([(HOUR, 4.0)], {"count": 1, "median_s": 4.0, "worst_s": 4.0}, id="one"),
        pytest.param([(HOUR, 9.0), (HOUR, 1.0), (2 * HOUR, 4.0)], {"count": 3, "median_s": 4.0, "worst_s": 9.0},
                     id="the one in the middle, not the mean"),
        pytest.param([(HOUR, 1.0), (HOUR, 4.0)], {"count": 2, "median_s": 2.5, "worst_s": 4.0}, id="between the two"),
        pytest.param([(DAY - HOUR, 3.0), (DAY + HOUR, 900.0)], {"count": 1, "median_s": 3.0, "worst_s": 3.0},
                     id="yesterday's count no more"),
        pytest.param([(HOUR, 2 * DAY)], {"count": 1, "median_s": 2 * DAY, "worst_s": 2 * DAY},
                     id="posted today for what left the day before yesterday"),
        pytest.param([(HOUR, None)], NONE, id="of what never left nothing is measured"),
        pytest.param([(None, None)], NONE, id="a draft has no instant yet"),
    ],
)  # fmt: skip
def test_the_time_from_shipment_to_invoice(desk, invoices, expected):
    now = datetime.now(UTC)
    for number, (ago_s, lag_s) in enumerate(invoices):
        posted = None if ago_s is None else now - timedelta(seconds=ago_s)
        shipped = None if lag_s is None or posted is None else posted - timedelta(seconds=lag_s)
        instants = {"posted_at": posted, "shipped_at": shipped}
        show(desk, desk.arrive(f"{number}", kind="invoice", system="erp"),
             **{name: at for name, at in instants.items() if at is not None})  # fmt: skip
    found = desk.ledger.run(cash.invoice_lag)
    assert found["count"] == expected["count"]
    assert (found["median_s"], found["worst_s"]) == (
        pytest.approx(expected["median_s"]), pytest.approx(expected["worst_s"]))


def test_what_held_orders_are_worth_by_reason_and_currency(desk):
    held = [("credit_hold", "USD", "100.10"), ("credit_hold", "USD", "0.90"), ("credit_hold", "JPY", "5406"),
            ("totals_differ", "USD", "7.00")]  # fmt: skip
    for number, (code, currency, total) in enumerate(held):
        record_id = desk.arrive(f"{number}", system="erp")
        desk.hold(record_id, code, "a reason")
        show(desk, record_id, currency=currency, total=Decimal(total))
    show(desk, desk.arrive("9", system="erp"), currency="USD", total=Decimal(1_000_000))  # held by nobody
    rows = desk.ledger.run(lambda tx: cash.held_worth(tx, {"order": "total"}))
    assert {(row["kind"], row["code"], row["currency"], row["count"], Decimal(row["amount"])) for row in rows} == {
        ("order", "credit_hold", "USD", 2, Decimal(101)), ("order", "credit_hold", "JPY", 1, Decimal(5406)),
        ("order", "totals_differ", "USD", 1, Decimal(7)),
    }  # fmt: skip
