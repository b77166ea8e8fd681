"""How a process of the fleet starts: with Celery's worker and beat, and nothing of its other commands."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin"})


@pytest.mark.parametrize(("command", "option"), [("worker", "--without-mingle"), ("beat", "--scheduler")])
def test_the_fleet_offers_celerys_own_command_with_its_options(command: str, option: str) -> None:
    told = run("-m", "sync_workers.fleet", command, "--help")
    assert told.returncode == 0, told.stderr
    assert option in told.stdout


def test_a_process_of_the_fleet_loads_no_shell_and_no_flower() -> None:
    program = ("import sys, sync_workers.fleet.__main__, sync_workers.fleet.tasks\n"
               "print({'prompt_toolkit', 'click_repl', 'flower', 'tornado'} & sys.modules.keys())")
    told = run("-c", program)
    assert told.stdout == "set()\n", told.stderr


def test_an_application_that_is_none_is_refused() -> None:
    told = run("-m", "sync_workers.fleet", "-A", "nowhere.app", "worker")
    assert told.returncode != 0
    assert "nowhere" in told.stderr
