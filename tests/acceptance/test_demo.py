"""``make demo`` as a new user types it: the books balanced, the pages there, and nothing left behind.

Also some of its stories in each run, and all of them with SYNC_TEST_STORIES=all. All demos stand in this file, and
so in one process: two at a time take the machine from each other.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from sync_workers.commands.demo.stories import SCENARIOS

MAKE = ("make", f"VENV={sys.prefix}", "demo")
DEMO = (sys.executable, "-c", "from sync_workers.commands.main import main; main()", "demo")
COMMAND = (*DEMO, "--plain-output")
ALONE = [name for name in SCENARIOS if name != "day"]
CHECKOUT = Path(__file__).resolve().parents[2]

IN_EACH_RUN = 2

pytestmark = [pytest.mark.tryton, pytest.mark.slow, pytest.mark.timeout(1200)]


def start(home: Path, *command: str) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SYNC_", "FLOWER"))}
    # the tests' own cache: what they installed and seeded need not be made again
    cache = os.environ.get("SYNC_TRYTON_CACHE") or str(CHECKOUT / ".sync-cache")
    environ |= {"SYNC_HOME": str(home), "SYNC_TRYTON_CACHE": cache, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command or COMMAND, env=environ, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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


def test_every_story_can_be_listed(tmp_path: Path) -> None:
    said, _ = start(tmp_path, *DEMO, "--list").communicate(timeout=60)
    assert [line.split()[0] for line in said.splitlines()] == ["day", *ALONE]
    assert not list(tmp_path.iterdir()), "nothing is started for it"


def test_the_demo_keeps_every_promise_and_stays_up_at_the_addresses_that_it_prints(tmp_path: Path) -> None:
    """``make demo KEEP=1``; Ctrl-C at a terminal reaches make and all that it started.

    That it ends by itself without KEEP, with exit code 0, the stories show.
    """
    process = start(tmp_path, *MAKE, "KEEP=1")
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C stops everything." in line:
            break
    try:
        assert process.poll() is None, said
        for line in ("duplicates  0", "lost        0", "200 of 200 parts in step", "8 of 8 laws hold", "dead requeue",
                     "All is as promised."):
            assert line in said
        flower, health, metrics = (found_in(said, rf"{name} +(http://\S+)")
                                   for name in ("flower", "health", "metrics"))
        assert requests.get(health, timeout=10).status_code == 200
        assert "sync_records_due" in requests.get(metrics, timeout=10).text
        assert requests.get(flower, timeout=10).status_code == 401
        login = ("sync", Path(found_in(said, r"password in (\S+)\)")).read_text(encoding="ascii").strip())
        tasks = requests.get(f"{flower}/api/tasks", auth=login, timeout=10).json()
        assert "sync.drain" in {task["name"] for task in tasks.values()}
        console, file = found_in(said, r"console +(http://\S+)"), found_in(said, r"console +.* password in (\S+)\)")
        login = ("sync", Path(file).read_text(encoding="ascii").strip())
        assert "On hold" in requests.get(console, auth=login, timeout=10).text
        shown = found_in(said, r"commands +(\. .+; sync-workers status)")
        path = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
        status = subprocess.run(["bash", "-c", shown], env=path, cwd=CHECKOUT, capture_output=True, text=True,
                                timeout=60, check=False)  # fmt: skip
        assert status.returncode == 1, "the deal that names no part waits for somebody"
        assert "sync-workers dead list" in status.stdout
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=120)
    assert left_by(tmp_path) == []


def found_in(said: str, pattern: str) -> str:
    found = re.search(pattern, said)
    assert found is not None, said
    return found[1]


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


@pytest.fixture
def names() -> list[str]:
    """Return other stories in each run; SYNC_TEST_STORIES names those to play, or ``all``."""
    asked = os.environ.get("SYNC_TEST_STORIES", "")
    if asked == "all":
        return ALONE
    return asked.split(",") if asked else random.sample(ALONE, IN_EACH_RUN)


def test_stories_end_as_they_promise_and_leave_nothing_running(tmp_path: Path, names: list[str]) -> None:
    """One after the other on one stage: what one of them leaves behind is no hindrance to the next."""
    process = start(tmp_path, *COMMAND, *[word for name in names for word in ("--scenario", name)])
    said, _ = process.communicate(timeout=1100)
    assert process.returncode == 0, f"repeat with SYNC_TEST_STORIES={','.join(names)}\n{said}"
    for name in names:
        assert f"{name}: {SCENARIOS[name].title} (" in said
    assert said.count("After") == len(names)
    assert "All is as promised." in said
    assert left_by(tmp_path) == []
