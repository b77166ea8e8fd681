"""What a note says beside a write: what came about at a place that is noted, after what was put back."""

from __future__ import annotations

import pytest

from sync_workers.domain.mapping import Sheet
from sync_workers.domain.merge import merge
from sync_workers.domain.notes import note_of
from sync_workers.domain.records import Change, Overrule, Ref, Value, View
from sync_workers.errors import SettingsError
from tests.unit.domain.stores import make_sheet


def sheet(**place: object) -> Sheet:
    return make_sheet([
        {"name": "open_parcels", "owner": "erp", "crm": {"path": "parcels", **place},
         "erp": {"path": "parcels", "read_only": True}},
        {"name": "state", "owner": "erp", "crm": "state", "erp": {"path": "state", "read_only": True}},
    ])  # fmt: skip


NOTED = sheet(note=True)
LATE = Overrule("po", "crm", "9", "erp", "7", "locked, state is done", locked=True)
PUT_BACK = ("This change came too late and was taken back:\npo: 9 was put back to 7 (locked, state is done in erp).\n"
            "If it is needed all the same, ask for it in erp.")  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, "1, left", "Open parcels: 1, left"),
        ("1, left", "1, left\n2, left", "Open parcels: 2, left"),
        ("1, packed", "1, left", "Open parcels: 1, left"),
        ("1, left\n2, left", "2, left", ""),
        ("1, left", None, ""),
        (None, "1, left\n2, left", "Open parcels: 1, left\nOpen parcels: 2, left"),
    ],
)
def test_each_line_that_is_new_is_told(before: Value, after: Value, said: str) -> None:
    assert note_of(NOTED, "crm", {"open_parcels": Change(before, after, "owner erp")}, []) == said


@pytest.mark.parametrize(
    ("place", "system", "changes", "overrules", "said"),
    [
        ({"note": True}, "erp", {"open_parcels": Change(None, "1", "")}, [], ""),
        ({}, "crm", {"open_parcels": Change(None, "1", "")}, [], ""),
        ({"note": True}, "crm", {"state": Change(None, "done", "")}, [], ""),
        ({"note": True}, "crm", {"open_parcels": Change(None, "1", "")}, [LATE], f"{PUT_BACK}\nOpen parcels: 1"),
        ({"note": True}, "erp", {}, [LATE], ""),
    ],
)
def test_only_what_the_sheet_says_of_the_system_and_the_fields_that_are_written(
    place: dict[str, object], system: str, changes: dict[str, Change], overrules: list[Overrule], said: str
) -> None:
    assert note_of(sheet(**place), system, changes, overrules) == said


def test_a_write_carries_its_note() -> None:
    held: dict[str, Value] = {"open_parcels": "1", "state": "open"}
    views = {"crm": View("crm", held), "erp": View("erp", {"open_parcels": "1\n2", "state": "open"})}
    refs = {name: Ref(name, "7", sent=held, held=held) for name in views}
    (write,) = merge(NOTED, views, refs, origin="crm").writes
    assert write.note == "Open parcels: 2"


def test_where_nothing_is_written_nothing_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        sheet(note=True, read_only=True)
    assert "tells what we write there" in str(caught.value)
