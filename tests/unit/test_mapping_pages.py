"""The pages that finance and sales sign are those of the sheets that are committed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sync_workers.commands.main import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "mappings"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the pages of the committed sheets anew, with the secrets that ``systems.toml`` names made up."""
    example = (ROOT / "config" / "environment.example").read_text(encoding="utf-8")
    for line in example.splitlines():
        name, equals, _ = line.lstrip("# ").partition("=")
        if equals and name.isidentifier() and not name.startswith("SYNC_"):
            monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.setenv("SYNC_CONFIG", str(ROOT / "config"))
    result = CliRunner().invoke(cli, ["mapping", "docs", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    return tmp_path


def test_the_committed_mapping_pages_are_those_of_the_committed_sheets(written: Path) -> None:
    fresh = {str(file.relative_to(written)): file.read_text(encoding="utf-8") for file in written.rglob("*.rst")}
    kept = {str(file.relative_to(PAGES)): file.read_text(encoding="utf-8") for file in PAGES.rglob("*.rst")}
    assert kept == fresh, "run 'sync-workers mapping docs' and commit what it writes"
    assert len(fresh) > 4


def test_every_page_can_be_rendered_and_every_link_of_the_list_leads_to_one(written: Path) -> None:
    docutils = pytest.importorskip("docutils.core", reason="docutils is not installed")
    for file in written.rglob("*.rst"):
        docutils.publish_doctree(file.read_text(encoding="utf-8"), settings_overrides={"halt_level": 2,
                                                                                     "report_level": 5})
    links = (written / "index.rst").read_text(encoding="utf-8")
    for file in written.glob("*/*.rst"):
        assert f"<{file.relative_to(written)}>" in links
