"""The command line on a real ledger: settings in a folder, commands run in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sync_workers.commands.main import cli
from tests.world import World, make_world


@dataclass
class Shell:
    """Runs ``sync-workers`` as a person would, with the world's settings."""

    world: World

    def __call__(self, *arguments: str) -> Result:
        environ = {**self.world.environ, "SYNC_WHO": "ann", "COLUMNS": "200"}
        result = CliRunner().invoke(cli, list(arguments), env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with make_world(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def shell(world: World) -> Shell:
    return Shell(world)
