"""What the people on duty do at their terminal: commands, letters sent once more."""

from __future__ import annotations

from click.testing import CliRunner

from sync_workers.commands.main import cli
from sync_workers.ledger.letters import Letter


def type_command(*words: str) -> None:
    outcome = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output


def requeue(letter: Letter) -> None:
    """Send a letter once more."""
    type_command("dead", "requeue", str(letter.id), "--why", "it is known now")
