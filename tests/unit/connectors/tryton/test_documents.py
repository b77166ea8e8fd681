"""How rows lead to records, versions to stamps, and a telling of all records from page to page."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sync_workers.connectors.contract import Cursor, Notice, Page
from sync_workers.connectors.tryton.changes import owners
from sync_workers.connectors.tryton.documents import of_model, text
from sync_workers.connectors.tryton.origins import Origin, followed, order_of
from sync_workers.connectors.tryton.prices import Scope
from sync_workers.connectors.tryton.records import EVERY
from sync_workers.connectors.tryton.telling import Telling
from sync_workers.connectors.tryton.versions import stamps_in, version_of, version_showing
from sync_workers.errors import SettingsError

STAMPS = {"account.invoice,1": "1795473790.672755"}
AT, LATER = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "parent", "expected"),
    [
        pytest.param({"id": 4}, "id", ("4",), id="the record itself"),
        pytest.param({"invoice": 7}, "invoice", ("7",), id="a link"),
        pytest.param({"invoice": None}, "invoice", (), id="no link"),
        pytest.param({"products": [2, 3]}, "products", ("2", "3"), id="several"),
        pytest.param({"shipment": "stock.shipment.out,5"}, "shipment", ("5",), id="a reference"),
        pytest.param(
            {"invoice_lines": [{"id": 1, "invoice": 8}, {"id": 2, "invoice": None}]},
            "invoice_lines.invoice", ("8",), id="through other records",
        ),
        pytest.param({"move": {"id": 9}}, "move", ("9",), id="a nested link"),
        pytest.param({"id": 4}, EVERY, (EVERY,), id="all records"),
    ],
)  # fmt: skip
def test_a_changed_row_leads_to_its_records(row, parent, expected):
    assert owners(row, parent) == expected


def test_a_version_covers_what_is_shown_and_still_tells_the_stamps():
    shown = version_showing(STAMPS, {"price": Decimal(1)})
    assert shown != version_showing(STAMPS, {"price": Decimal(2)})
    assert stamps_in(shown) == version_of(STAMPS)
    assert stamps_in(version_of(STAMPS)) == version_of(STAMPS)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param({"12", "7", "101"}, "7, 12, 101", id="numbers in their order"),
        pytest.param({None, ""}, None, id="nothing"),
        pytest.param({"INV2026-00010", "INV2026-00002"}, "INV2026-00002, INV2026-00010", id="prefixed"),
    ],
)
def test_what_people_read_as_a_list(parts, expected):
    assert text(parts) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("sale.line,7", 7), ("sale.line,-1", None), ("account.invoice.line,7", None), (None, None), ("", None)],
)
def test_a_reference_has_an_id_of_one_model(reference, expected):
    assert of_model(reference, "sale.line") == expected


def test_a_credit_of_a_credit_leads_to_the_sale_line():
    credited = {
        "account.invoice.line,2": {"origin": "account.invoice.line,1"},
        "account.invoice.line,1": {"origin": "sale.line,5"},
    }
    assert followed("account.invoice.line,2", credited) == "sale.line,5"
    assert followed("sale.line,9", credited) == "sale.line,9"
    assert followed(None, credited) == ""


def test_a_document_of_several_orders_belongs_to_the_oldest():
    orders = [Origin(order, 1, None, None) for order in (9, 4, 6)]
    assert order_of(orders) == orders[1]
    assert order_of([]) is None


class Parts:
    """A kind with so many records, numbered from 1."""

    name = "part"

    def __init__(self, number: int) -> None:
        self.number = number

    def ids_after(self, after, limit, within):
        return list(range(after + 1, self.number + 1))[:limit]


@pytest.mark.parametrize("number", [0, 3, 4, 8, 9])
def test_a_telling_names_every_record_once_and_then_moves_the_position(monkeypatch, number):
    monkeypatch.setattr("sync_workers.connectors.tryton.telling.PAGE", 4)
    kind, start = Parts(number), Cursor(AT, "2:7")
    news = [Notice("part", "2"), Notice("part", "77")]
    telling: Telling | None = Telling(start, Page((), Cursor(LATER, "")))
    named: list[str] = []
    while telling is not None:
        page = telling.page(kind, news, None)
        named += [notice.external_id for notice in page.notices]
        telling = Telling.read(page.cursor)
        assert telling is None or (page.more and telling.start == start)
    assert page.cursor == Cursor(LATER, "")
    assert set(named) == {str(one) for one in range(1, number + 1)} | {"2", "77"}
    assert named[: number // 4 * 4] == [str(one) for one in range(1, number // 4 * 4 + 1)]


@pytest.mark.parametrize("cursor", [Cursor(), Cursor(AT, ""), Cursor(AT, "2:7")])
def test_a_plain_position_is_no_telling(cursor):
    assert Telling.read(cursor) is None


def test_prices_are_named_as_the_settings_name_them():
    table = {"lists": ["Gold", "Gold"], "currencies": ["USD"], "quantities": [1, 2.5, 100, 12.0]}
    assert Scope.read("erp", table).keys() == [f"Gold/USD/{number}" for number in ("1", "2.5", "100", "12")]
    assert Scope.read("erp", {"lists": ["Gold"], "currencies": ["USD"]}).keys() == ["Gold/USD/1"]
    assert Scope.read("erp", None).keys() == []


@pytest.mark.parametrize("quantities", [[], [True], ["12"], 12, [-1]])
def test_a_quantity_that_is_none_is_named(quantities):
    with pytest.raises(SettingsError, match=r"systems.erp.prices.quantities"):
        Scope.read("erp", {"lists": ["Gold"], "currencies": ["USD"], "quantities": quantities})
