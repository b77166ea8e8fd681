"""Numbers that are read from texts are remembered, within bounds."""

from __future__ import annotations

from decimal import Decimal

from sync_workers.domain import amounts


def test_a_short_text_is_remembered_and_a_long_one_is_only_read() -> None:
    amounts._read_text.cache_clear()
    long = "9" * (amounts.SHORT_TEXT + 1)
    for _ in range(2):
        assert amounts.read_number("19.905", 2, "half_up") == Decimal("19.91")
        assert amounts.read_number("19.905", 2, "down") == Decimal("19.90")
        assert amounts.read_number(long, None, "half_up") == Decimal(long)
    known = amounts._read_text.cache_info()
    assert (known.currsize, known.hits) == (2, 2)
    assert known.maxsize == amounts.MOST_TEXTS
