"""The demo's company: the starter sheets, with its boxes in orders and in stock."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sync_workers.commands.demo.configuration import HOUSES, TIERS, UNITS, property_of, write_configuration
from sync_workers.domain.converters import Spot
from sync_workers.domain.mapping import Sheet
from sync_workers.mappings import check, load_sheets

VALUES = dict.fromkeys(("crm_url", "public_url", "erp_url", "database", "user", "warehouse"), "x")


@pytest.fixture(params=[(), (TIERS, HOUSES)], ids=["as on the day", "with all that a story needs"])
def sheets(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Sheet]:
    write_configuration(tmp_path, request.param, **VALUES)
    return {kind: versions[1] for kind, versions in load_sheets(tmp_path / "mappings").items()}


def test_every_sheet_is_sound(sheets: dict[str, Sheet]) -> None:
    assert {kind: check(sheet, {}) for kind, sheet in sheets.items()} == {kind: [] for kind in sheets}


@pytest.mark.parametrize(("unit", "boxes"), [("box of 12", "20"), ("box of 100", "2")])
def test_what_is_available_is_shown_in_whole_boxes_too(sheets: dict[str, Sheet], unit: str, boxes: str) -> None:
    assert unit in {word for word, _, _ in UNITS}
    (rule,) = [rule for rule in sheets["stock"].fields
               if "crm" in rule.places and rule.places["crm"].path == f"properties.{property_of(unit)}"]
    assert rule.places["erp"].path == "available"
    assert str(rule.places["crm"].converter.write(Decimal("251"), Spot("stock", rule.name, "crm"))) == boxes
