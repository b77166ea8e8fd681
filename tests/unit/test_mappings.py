"""Sheets on disk: loaded or refused in words, checked against metadata, written for people."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync_workers.domain.mapping import Sheet, fields_without_base
from sync_workers.domain.parsing import parse
from sync_workers.errors import SettingsError
from sync_workers.mappings import check, load_sheets, page

STARTER = Path(__file__).parents[2] / "config" / "mappings"

MINIMAL = """
kind = "order"
version = 1
created_by = ["crm"]

[[field]]
name = "po_number"
owner = "crm"
why = "the customer gives it to the sales rep"
crm = "properties.po_number"
erp = "description"
"""


@dataclass(frozen=True)
class FieldType:
    type: str = "char"
    required: bool = False
    read_only: bool = False
    choices: tuple[str, ...] = ()


def save(folder: Path, text: str, name: str = "order/v1.toml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return folder


def sheet_from(text: str, systems: tuple[str, ...] | None = ("crm", "erp")) -> Sheet:
    return parse(tomllib.loads(text), "order/v1.toml", systems)


def metadata(sheet: Sheet, **changed: Mapping[str, FieldType | None]) -> dict[str, dict[str, FieldType]]:
    """Return metadata in which every path of the sheet exists, but for ``changed`` (None: gone)."""
    found: dict[str, dict[str, FieldType]] = {}
    for system in sheet.systems:
        paths: dict[str, FieldType | None] = {path: FieldType() for path in sheet.paths(system)}
        paths.update(changed.get(system, {}))
        found[system] = {path: field for path, field in paths.items() if field is not None}
    return found


class TestStarterSheets:
    """The sheets that ship, for HubSpot and Tryton."""

    sheets = load_sheets(STARTER, ["crm", "erp"])

    def test_there_is_one_for_each_kind_of_this_release(self) -> None:
        assert set(self.sheets) == {"customer", "part", "stock", "order", "shipment", "invoice", "credit_note"}

    @pytest.mark.parametrize("kind", sorted(sheets))
    def test_they_have_no_problem_on_systems_that_have_their_fields(self, kind: str) -> None:
        sheet = self.sheets[kind][1]
        assert check(sheet, metadata(sheet)) == []

    def test_no_rule_lets_the_crm_write_what_the_erp_owns(self) -> None:
        for versions in self.sheets.values():
            for rule in versions[1].fields:
                assert rule.owner != "erp" or rule.places["erp"].read_only
                assert not rule.born_in("erp") or rule.owner == "crm"

    def test_a_page_names_every_field_its_owner_and_its_reason(self) -> None:
        text = page(self.sheets["order"][1])
        for rule in self.sheets["order"][1].fields:
            assert rule.why[1:] in text
            assert rule.name.replace("_", " ") in text
        assert "Orders, version 1\n=================\n" in text
        assert "A new one may come from crm, once won is true" in text
        assert "**confirm** in erp when state is quotation and won is true" in text


def test_sheets_are_found_by_kind_and_version(tmp_path: Path) -> None:
    save(tmp_path, MINIMAL)
    save(tmp_path, MINIMAL.replace("version = 1", "version = 2"), "order/v2.toml")
    assert {kind: sorted(found) for kind, found in load_sheets(tmp_path).items()} == {"order": [1, 2]}


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (MINIMAL, "order/1.toml", "order/1.toml: a sheet's file is called v<number>.toml"),
        (MINIMAL, "order/v2.toml", "order/v2.toml: says kind 'order', version 1"),
        (MINIMAL, "part/v1.toml", "part/v1.toml: says kind 'order', version 1"),
        ("kind =", "order/v1.toml", "order/v1.toml: not readable as TOML"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused(tmp_path: Path, text: str, name: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_sheets(save(tmp_path, text, name))
    assert caught.value.message.startswith(says)


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_sheets(tmp_path / "none")
    assert "sync-workers init" in caught.value.mend


LINES = """
[[list]]
name = "lines"
owner = "crm"
why = "x"
key = { crm = "id", erp = "note" }
crm = "line_items"
erp = "lines"
[[list.field]]
name = "part"
why = "x"
crm = "hs_sku"
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "order"', "", "order/v1.toml: kind: Missing data"),
        ("version = 1", 'version = "1"', "version: Not a valid integer"),
        ('owner = "crm"', 'owner = "shop"', "field[0] 'po_number': owner: 'shop' has no place"),
        ('owner = "crm"', 'owner = "shared"', "prefer: a shared field must say which side wins"),
        ('owner = "crm"', 'owner = "shared"\nprefer = "loudest"', "prefer: 'loudest' is neither"),
        ('owner = "crm"', 'owner = "crm"\nprefer = "erp"', "prefer: means something only where"),
        ('owner = "crm"', 'owner = "derived"', "by: a derived field needs"),
        ('erp = "description"', 'epr = "description"', "epr: is neither a known key nor a configured system"),
        ('erp = "description"', "erp = 5", "erp: must be a path or a table"),
        ('erp = "description"', 'erp = { as = "text" }', "erp: path: Missing data"),
        ('erp = "description"', 'erp = "a..b"', "erp: 'a..b' is not a path"),
        ('erp = "description"', 'erp = { path = "a", as = "txt" }', "erp: no converter is called 'txt'"),
        ('erp = "description"', 'erp = { path = "a", colour = 1 }', "erp.colour: is no option of a place"),
        ('erp = "description"', 'erp = { path = "a", digits = 2 }', "'text' takes no option 'digits'"),
        ('name = "po_number"', 'name = "PO number"', "name: must be a name in small letters"),
        (
            'created_by = ["crm"]',
            'created_by = ["crm"]\nnatural_keys = ["x"]',
            "natural_keys: x: the sheet has",
        ),
        (
            'created_by = ["crm"]',
            'created_by = ["crm"]\ncreated_when = { field = "won", is = true }',
            "created_when: won: the sheet has no such field",
        ),
        (
            'created_by = ["crm"]',
            'created_by = ["crm"]\ncreated_when = { field = "po_number" }',
            "created_when: is: give either",
        ),
        ('created_by = ["crm"]', 'created_by = ["crm"]\n[units.crm]\nbox = "some pieces"', "units: crm.box"),
    ],
)
def test_a_wrong_key_is_named_with_file_field_and_key(old: str, new: str, says: str) -> None:
    assert old in MINIMAL
    with pytest.raises(SettingsError) as caught:
        sheet_from(MINIMAL.replace(old, new))
    assert says in caught.value.message
    assert caught.value.message.startswith("order/v1.toml: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('key = { crm = "id", erp = "note" }', "", "list[0] 'lines': key: Missing data"),
        (', erp = "note"', "", "list[0] 'lines': key.erp: is missing"),
        ('crm = "hs_sku"', 'crm = "hs_sku"\nowner = "erp"', "owner: 'erp' has no place"),
        ('crm = "line_items"', 'crm = "line_items[0]"', "crm: a list's path must not pick"),
        ('name = "lines"', 'name = "po_number"', "po_number: two rules for one field"),
    ],
)
def test_a_wrong_list_is_named_too(old: str, new: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sheet_from(MINIMAL + LINES.replace(old, new, 1))
    assert says in caught.value.message


def problems(text: str, **changed: Mapping[str, FieldType | None]) -> list[str]:
    sheet = sheet_from(text)
    return [f"{problem.field}: {problem.what}" for problem in check(sheet, metadata(sheet, **changed))]


def test_a_good_sheet_has_no_problem() -> None:
    assert problems(MINIMAL + LINES) == []


def test_a_field_without_rule_or_reason_is_a_problem() -> None:
    bare = MINIMAL.replace('owner = "crm"\nwhy = "the customer gives it to the sales rep"\n', "")
    assert problems(bare) == ["po_number: has no rule", "po_number: has no reason"]


def test_two_fields_that_write_one_path_collide() -> None:
    second = (
        '[[field]]\nname = "note"\nowner = "crm"\nwhy = "x"\ncrm = "properties.note"\nerp = "description"\n'
    )
    [problem] = problems(MINIMAL + second)
    assert problem == "note: writes description in erp, and so does po_number"


def test_a_path_that_the_system_does_not_have_is_a_problem() -> None:
    assert problems(MINIMAL, erp={"description": None}) == ["description: is not in erp"]


def test_a_path_that_cannot_be_written_is_a_problem_unless_the_sheet_only_reads_it() -> None:
    [problem] = problems(MINIMAL, erp={"description": FieldType(read_only=True)})
    assert "cannot be written in erp" in problem
    read_only = MINIMAL.replace('erp = "description"', 'erp = { path = "description", read_only = true }')
    assert problems(read_only, erp={"description": FieldType(read_only=True)}) == []


def test_what_a_create_needs_and_no_rule_gives_is_a_problem() -> None:
    extra: Any = {"party": FieldType(required=True), "number": FieldType(required=True, read_only=True)}
    assert problems(MINIMAL, erp=extra) == ["party: must be filled in erp, and no rule gives it"]
    assert problems(MINIMAL, crm={"properties.x": FieldType(required=True)}) == []


def test_what_a_line_needs_is_asked_only_where_the_sheet_creates_lines() -> None:
    extra: Any = {"lines.unit": FieldType(required=True)}
    assert problems(MINIMAL, erp=extra) == []
    assert problems(MINIMAL + LINES, erp=extra) == ["lines.unit: must be filled in erp, and no rule gives it"]


def test_a_map_entry_that_the_system_does_not_know_is_a_problem() -> None:
    mapped = MINIMAL.replace('erp = "description"', 'erp = { path = "kind", map = { a = "x", b = "y" } }')
    [problem] = problems(mapped, erp={"kind": FieldType("selection", choices=("a", "c"))})
    assert problem == "po_number: maps values that erp does not know: b"


def test_a_record_born_elsewhere_must_not_lose_what_its_owner_wants() -> None:
    both = MINIMAL.replace('["crm"]', '["crm", "erp"]')
    [problem] = problems(both)
    assert "a record born in erp would arrive there without it" in problem
    assert problems(both.replace('owner = "crm"', 'owner = "crm"\nat_birth = true')) == []


def test_a_system_that_could_not_be_asked_is_not_checked_against() -> None:
    assert check(sheet_from(MINIMAL), {}) == []


def test_a_field_that_is_converted_otherwise_in_the_next_version_has_no_base_there() -> None:
    old = sheet_from(MINIMAL)
    new = sheet_from(
        MINIMAL.replace('erp = "description"', 'erp = { path = "description", as = "text_upper" }')
    )
    assert fields_without_base(old, new, "erp") == {"po_number"}
    assert fields_without_base(old, new, "crm") == set()
    assert fields_without_base(old, sheet_from(MINIMAL + LINES), "erp") == {"lines"}
