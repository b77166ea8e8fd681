"""Every command that the runbook and the decisions tell somebody to type exists, with its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from sync_workers.commands.main import cli
from sync_workers.connectors.tryton import holds

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "runbook.rst", *sorted((DOCS / "decisions").glob("*.rst"))]
TEXT = "\n".join(re.sub(r"\s*\n +(?=[a-z])", " ", page.read_text(encoding="utf-8")) for page in PAGES)
TYPED = [line.strip() for page in PAGES
         for line in re.findall(r"^    sync-workers (.+)$", page.read_text(encoding="utf-8"), re.M)]
NAMED = sorted({match for match in re.findall(r"``sync-workers ([a-z][^`]*)``", TEXT) if match.upper() != match})


def parse(line: str) -> None:
    """Raise what click raises for a command or an option that does not exist."""
    words, context = shlex.split(line), click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    if not isinstance(command, click.Group):
        command.make_context("sync-workers", words, parent=context)


def test_the_runbook_says_what_to_type() -> None:
    assert len(TYPED) >= 20


@pytest.mark.parametrize("line", TYPED)
def test_a_command_of_the_runbook_is_understood(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("line", NAMED)
def test_a_command_named_in_the_text_is_understood(line: str) -> None:
    parse(line.replace("KIND VERSION", "order 2"))


def test_every_reason_for_a_hold_is_in_the_runbook() -> None:
    source = "\n".join(file.read_text(encoding="utf-8") for file in (DOCS.parent / "sync_workers").rglob("*.py")
                       if "commands" not in file.parts)
    codes = set(re.findall(r'Hold\(\s*"([a-z_]+)"', source)) | {holds.CREDIT, holds.CUSTOMER}
    codes |= {"totals_differ", "tax_differs", "tax_off", "price_below_tier"}  # the checks of a sheet (domain/checks.py)
    page = (DOCS / "runbook.rst").read_text(encoding="utf-8")
    assert codes >= {"credit_hold", "mode_off", "duplicate"}
    assert [code for code in sorted(codes) if f"``{code}``" not in page] == []


def test_every_incident_that_raises_an_alert_is_in_the_runbook() -> None:
    page = (DOCS / "runbook.rst").read_text(encoding="utf-8")
    source = "\n".join(file.read_text(encoding="utf-8") for file in (DOCS.parent / "sync_workers").rglob("*.py"))
    raised = set(re.findall(r'f"([a-z ]+):\{(?:system|name|beat\.worker|kind)\b', source))
    incidents = {"down", "dead", "drift", "subscription", "quarantine", "silent poll", "silent worker",
                 "stock readings"}
    assert incidents <= raised
    for name in [*incidents, "stuck work", "poll", "hold"]:
        assert f"``{name}" in page, name
