"""What an order is refused or held for, and in what words: parts, currencies and closed periods."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sync_workers.connectors.tryton.lookups import no_currency, no_part
from sync_workers.connectors.tryton.posting import closed_period


def part(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "code": "00417", "active": True, "salable": True, "replaced_by": None} | changes


@pytest.mark.parametrize(
    ("same", "live", "message", "mend"),
    [
        pytest.param([], 0, "part 00417: Tryton has no such part", "add the part there", id="unknown"),
        pytest.param([part(), part(id=2)], 2, "part 00417: 2 active parts", "another code", id="twice"),
        pytest.param(
            [part(active=False, replaced_by={"code": "RC41/1R"})], 0,
            "part 00417: was replaced in Tryton by RC41/1R", "order RC41/1R instead", id="superseded",
        ),
        pytest.param(
            [part(salable=False, replaced_by={"code": "RC41/1R"})], 0,
            "part 00417: was replaced in Tryton by RC41/1R", "order RC41/1R instead", id="superseded, on the shelf",
        ),
        pytest.param([part(active=False)], 0, "part 00417: is switched off in Tryton", "switch it", id="switched off"),
        pytest.param([part(salable=False)], 0, "part 00417: is not marked as salable", "switch it", id="not salable"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_ordered_says_why_and_names_its_replacement(
    same: list[dict[str, Any]], live: int, message: str, mend: str
) -> None:
    refusal = no_part("00417", same, live)
    assert refusal.message.startswith(message)
    assert mend in refusal.mend
    assert refusal.field == "product.code"


@pytest.mark.parametrize(
    ("live", "is_own", "message"),
    [
        ([], False, "Tryton has no currency 'KWD'"),
        ([{"id": 1, "rate": Decimal(1)}, {"id": 2, "rate": Decimal(1)}], False, "2 currencies are called 'KWD'"),
        ([{"id": 1, "rate": None}], False, "Tryton has no exchange rate for the currency 'KWD'"),
        ([{"id": 1, "rate": None}], True, None),
        ([{"id": 1, "rate": Decimal("0.3075")}], False, None),
    ],
)
def test_a_currency_needs_one_row_and_a_rate_unless_it_is_the_companys_own(
    live: list[dict[str, Any]], is_own: bool, message: str | None
) -> None:
    refusal = no_currency("KWD", live, is_own=is_own)
    assert (refusal.message if refusal else None) == message
    assert refusal is None or "KWD" in refusal.mend


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([], ("there is no period for 2026-11-27", "add a fiscal year with a period for 2026-11-27")),
        ([{"name": "2026-11", "state": "closed"}], ("the period 2026-11 is closed", "open the period 2026-11")),
        ([{"name": "2026-11", "state": "locked"}], ("the period 2026-11 is locked", "open the period 2026-11")),
        ([{"name": "2026-11", "state": "open"}], None),
    ],
)
def test_a_day_is_booked_in_an_open_period_only(
    periods: list[dict[str, Any]], expected: tuple[str, str] | None
) -> None:
    assert closed_period(date(2026, 11, 27), periods) == expected
