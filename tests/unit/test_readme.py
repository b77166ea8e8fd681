"""Every command in the README exists, with the options that are written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from sync_workers.commands.main import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.rst").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    sync-workers (.+?)(?:  +#.*)?$", README, re.M)
TARGETS = sorted(set(re.findall(r"make ([a-z]+)", README)))


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_understood(line: str) -> None:
    command: click.Command
    words, command, context = shlex.split(line), cli, click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    command.make_context("sync-workers", words, parent=context)  # raises for an option that does not exist


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
