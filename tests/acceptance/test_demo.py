"""``sync-workers demo`` as a new user runs it: exit code 0, the books balanced, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

COMMAND = (sys.executable, "-c", "from sync_workers.commands.main import main; main()", "demo", "--plain-output")
CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.tryton, pytest.mark.slow, pytest.mark.timeout(900)]


def start(home: Path) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SYNC_", "FLOWER"))}
    # the tests' own cache: what they installed and seeded need not be made again
    cache = os.environ.get("SYNC_TRYTON_CACHE") or str(CHECKOUT / ".sync-cache")
    environ |= {"SYNC_HOME": str(home), "SYNC_TRYTON_CACHE": cache, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        COMMAND, env=environ, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )


def left_by(home: Path) -> list[str]:
    """Return what still runs on behalf of a home: by its environment, command line or working folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            texts = [*process.cmdline(), process.cwd(), process.environ().get("SYNC_HOME", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(home) in text for text in texts):
            found.append(" ".join(process.cmdline())[:150])
    return found


def test_the_demo_keeps_every_promise_and_leaves_nothing_running(tmp_path: Path) -> None:
    process = start(tmp_path)
    said, _ = process.communicate(timeout=800)
    assert process.returncode == 0, said
    for line in ("duplicates  0", "lost        0", "200 of 200 parts in step", "8 of 8 laws hold", "dead requeue"):
        assert line in said
    assert left_by(tmp_path) == []


@pytest.mark.parametrize(
    "moment",
    ["starting PostgreSQL", "starting the CRM", "starting the ERP", "doctor --fix", "starting the fleet",
     "first load", "sales reps win"],
)
def test_ctrl_c_at_any_moment_leaves_nothing_running(tmp_path: Path, moment: str) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert left_by(tmp_path) == []
