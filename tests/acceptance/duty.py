"""What the people on duty do at their terminal: commands, letters sent once more, the next version of a sheet."""

from __future__ import annotations

from click.testing import CliRunner

from sync_workers.commands.main import cli
from sync_workers.ledger.letters import Letter
from sync_workers.runtime import REFRESH_S, _current, current_runtime, use_runtime
from tests.acceptance.distributor import Distributor


def type_command(*words: str) -> None:
    outcome = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output


def requeue(letter: Letter) -> None:
    """Send a letter once more."""
    type_command("dead", "requeue", str(letter.id), "--why", "it is known now")


def release_next_version(at: Distributor, kind: str, old: str, new: str) -> None:
    """Write the next version of a sheet with ``new`` in place of ``old``, and switch it on as the runbook says.

    When it returns, the workers have taken it up: each looks every REFRESH_S which one is switched on.
    """
    version = at.runtime.sheets[kind].version
    sheets = at.runtime.settings.config / "mappings" / kind
    text = (sheets / f"v{version}.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    text = text.replace(f"version = {version}\n", f"version = {version + 1}\n").replace(old, new)
    (sheets / f"v{version + 1}.toml").write_text(text, encoding="utf-8")
    type_command("mapping", "check")
    type_command("mapping", "activate", kind, str(version + 1), "--why", "sales has a new word")
    use_runtime(at.runtime)
    _current.looked_at -= REFRESH_S + 1
    at.runtime = current_runtime()
    use_runtime(None)
    assert at.runtime.sheets[kind].version == version + 1
