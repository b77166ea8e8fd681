"""The demo's company: the starter sheets, with its boxes in orders and in stock."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from sync_workers.commands.demo.configuration import (
    HOUSES,
    PRICES,
    TIERS,
    UNITS,
    price_property,
    property_of,
    write_configuration,
)
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


def test_the_catalogue_of_the_story_has_prices_per_tier_currency_and_quantity_and_the_day_has_none(
    tmp_path: Path
) -> None:
    tiers, currencies, quantities = (list(dict.fromkeys(column)) for column in zip(*PRICES, strict=True))
    assert min(map(len, (tiers, currencies, quantities))) > 1
    for needs, promised in (((), {}), ((TIERS,), {price_property(*each): each for each in PRICES})):
        folder = tmp_path / "-".join(["day", *needs])
        write_configuration(folder, needs, **VALUES)
        sheet = load_sheets(folder / "mappings")["part"][1]
        places = {rule.name: (rule.owner, rule.places["crm"].path, rule.places["erp"].path)
                  for rule in sheet.fields if rule.name.startswith("price_")}  # fmt: skip
        assert places == {name: ("erp", f"properties.{name}", f"prices[key={'/'.join(map(str, of))}].price")
                          for name, of in promised.items()}  # fmt: skip
        scope = tomllib.loads((folder / "systems.toml").read_text(encoding="utf-8"))["systems"]["erp"].get("prices")
        assert scope == ({"lists": tiers, "currencies": currencies, "quantities": quantities} if promised else None)
