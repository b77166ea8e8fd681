"""Fields that are computed from others: the same values make the same text, wherever they were kept meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync_workers.domain.registry import DERIVATIONS
from sync_workers.domain.values import decode, encode


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("31.40", "31.40"), ("31.4", "31.40"), ("32.00", "32"), ("-7.85", "-7.85"), ("10.342", "10.342"),
     ("10.340", "10.34"), ("1500", "1500"), ("1E+3", "1000")],
)  # fmt: skip
def test_contents_read_the_same_from_the_system_and_from_the_ledger(amount: str, shown: str) -> None:
    """Else 'prove' finds an invoice out of step with the lines that it was written from."""
    lines = {"1": {"quantity": Decimal("4.0"), "unit": "u", "part": "BRG-6206-2RS", "amount": Decimal(amount)}}
    kept = decode(encode({"lines": lines}))["lines"]
    assert DERIVATIONS["contents"]([lines]) == DERIVATIONS["contents"]([kept]) == f"4 u BRG-6206-2RS: {shown}"
