"""What holds for every command, whichever it is: wrong use is exit code 2 and says so, reports are JSON on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from sync_workers.commands.main import cli
from tests.integration.commands.conftest import Shell
from tests.world import World

REPORTS = [("status",), ("events",), ("explain", "order", "1"), ("prove",), ("prove", "--systems"), ("dead", "list"),
           ("mode",), ("mapping", "check"), ("plan", "order", "1"), ("doctor",)]  # fmt: skip


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


def typed(*words: str) -> Result:
    """Run a command as far as its words are looked at: no configuration, no ledger."""
    return CliRunner().invoke(cli, list(words), env={"SYNC_CONFIG": "/nowhere"})


EVERY = [pytest.param(words, id=" ".join(words)) for words in commands(cli)]


@pytest.mark.parametrize("words", EVERY)
def test_an_option_that_does_not_exist_is_wrong_use(words: tuple[str, ...]) -> None:
    result = typed(*words, "--nonsense")
    assert result.exit_code == 2
    assert "No such option" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", EVERY)
def test_an_argument_too_many_is_wrong_use(words: tuple[str, ...]) -> None:
    result = typed(*words, *["too-many"] * 9)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", EVERY)
def test_help_says_what_it_is_for(words: tuple[str, ...]) -> None:
    result = typed(*words, "--help")
    assert result.exit_code == 0
    assert result.output.splitlines()[2].strip()


@pytest.mark.parametrize("words", REPORTS, ids=" ".join)
def test_a_report_is_one_json_document_on_demand(words: tuple[str, ...], world: World, shell: Shell) -> None:
    deal = world.place_order()
    world.tell("crm", "order", deal)
    world.settle()
    result = shell(*(deal if word == "1" and words[0] == "explain" else word for word in words), "--json")
    assert result.exit_code in (0, 1), result.output
    assert json.loads(result.stdout) is not None
    page = shell(*(deal if word == "1" and words[0] == "explain" else word for word in words))
    assert page.exit_code == result.exit_code
    assert page.stdout.strip()
