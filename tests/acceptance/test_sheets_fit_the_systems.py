"""The sheets that everybody starts from, against what the two systems really have."""

from __future__ import annotations

import pytest

from sync_workers.mappings import check, load_sheets
from tests.acceptance.distributor import SHEETS, Distributor

pytestmark = pytest.mark.tryton


@pytest.mark.parametrize("kind", ["customer", "part", "stock", "order"])
def test_a_starter_sheet_fits_hubspot_and_tryton(distributor: Distributor, kind: str) -> None:
    sheet = load_sheets(SHEETS)[kind][1]
    metadata = {name: connector.describe(kind) for name, connector in distributor.runtime.connectors.items()}
    assert [str(problem) for problem in check(sheet, metadata)] == []


def test_doctor_finds_nothing_to_mend_in_either_system(distributor: Distributor) -> None:
    sheets = distributor.runtime.sheets
    for name, connector in distributor.runtime.connectors.items():
        paths = {kind: sheet.paths(name) for kind, sheet in sheets.items()}
        assert [finding for finding in connector.examine(paths) if not finding.ok] == []
