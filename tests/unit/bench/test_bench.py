"""The parts of the bench that need no server: what is judged, what is sent, what is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sync_workers.connectors.contract import Request
from sync_workers.connectors.plain.payloads import load_events
from sync_workers.connectors.plain.signatures import verify
from sync_workers.domain.translate import read_native
from sync_workers.mappings import load_sheets
from tests.bench import deliveries, report
from tests.bench.figures import Bound, Figure, percentile, spread


@pytest.mark.parametrize(
    ("bound", "value", "expected"),
    [
        pytest.param(Bound(1.5, 2.5), 2.6, "aim reached", id="more is better, beyond the aim"),
        pytest.param(Bound(1.5, 2.5), 1.5, "reached", id="exactly what must be reached"),
        pytest.param(Bound(1.5, 2.5), 1.4, "MISSED", id="below what must be reached"),
        pytest.param(Bound(30, 15, at_least=False), 15, "aim reached", id="less is better, at the aim"),
        pytest.param(Bound(30, 15, at_least=False), 31, "MISSED", id="less is better, too much"),
    ],
)
def test_a_figure_is_judged_by_its_bounds(bound: Bound, value: float, expected: str) -> None:
    assert bound.verdict(value) == expected


def test_a_figure_is_the_median_of_its_rounds_and_shows_their_spread() -> None:
    figure = Figure("rate", "times", Bound(1, 2), [0.5, 9.0, 1.5])
    assert figure.value == 1.5
    assert figure.verdict == "reached"
    assert spread(figure.rounds) == "1.5 (0.5 to 9)"
    assert percentile([1, 2, 3, 4], 1.0) == 4


def test_the_delivery_is_genuine_and_its_order_fits_the_sheet_on_both_sides() -> None:
    content = deliveries.body(7)
    assert 1700 < len(content) < 2300
    head, _, sent = deliveries.request("/hooks/crm", content).partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    given = {name.lower(): value for name, _, value in lines}
    verify(deliveries.SECRET, Request("POST", "http://bench/hooks/crm", given, sent, datetime.now(UTC)))
    sheet = load_sheets(Path(deliveries.__file__).with_name("data") / "mappings")["order"][1]
    assert len(sheet.fields) + len(sheet.lists[0].fields) == 25
    [event] = load_events(json.loads(sent))
    values, _ = read_native(sheet, "crm", event["record"]["fields"], links=None, item_ids={})  # type: ignore[arg-type]
    filled = [name for name, value in values.items() if value is not None]
    assert len(filled) == 20  # all but the number, which the ERP gives
    assert len(values["lines"] or ()) == deliveries.LINES  # type: ignore[arg-type]


def test_the_page_names_each_figure_its_bounds_and_the_verdict_and_no_host() -> None:
    figure = Figure("events/s", "times", Bound(1.5, 2.5), [1.0, 1.2], {"ours": [100.0, 120.0]})
    text = report.page([figure], facts=report.machine(), peers={"flask": "3"}, notes=["one note"], profile="why")
    for part in ("events/s", "at least 1.5", "MISSED", "* ours: 110 (100 to 120)", "flask 3", "* one note", "why"):
        assert part in text
    assert "/" + "root" not in text
