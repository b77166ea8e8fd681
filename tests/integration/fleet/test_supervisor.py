"""Processes that are really started, killed, started again and ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sync_workers.errors import SettingsError
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.sandbox.processes import wait_until

CHECKOUT = Path(__file__).resolve().parents[3]

# Says where it is, and has a child of its own, as granian has.
PARENT = """
import signal, subprocess
child = subprocess.Popen(["sleep", "600"])
print("ready", child.pid, flush=True)
signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


class Watched:
    """A supervisor in a thread, with what its processes say."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.said: list[str] = []
        self._changed = threading.Condition()
        supervisor.echo = self._hear
        self.thread = threading.Thread(target=supervisor.run, daemon=True)

    def _hear(self, name: str, line: str) -> None:
        with self._changed:
            self.said.append(f"{name}: {line}")
            self._changed.notify_all()

    def await_lines(self, text: str, count: int) -> list[str]:
        def found() -> list[str]:
            return [line for line in self.said if text in line]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, 60), self.said
            return found()

    def end(self) -> None:
        self.supervisor.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


def runs(pid: int) -> bool:
    """Whether the process lives; a dead one that nobody has collected yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(grace_s: float = 10.0, **programs: str) -> Watched:
        commands = {}
        for name, text in programs.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
            commands[name] = f"{sys.executable} {tmp_path / name}.py"
        watched = Watched(Supervisor(commands, tmp_path / "home", grace_s=grace_s))
        watched.thread.start()
        started.append(watched)
        return watched

    yield start
    for each in started:
        each.end()


def test_a_process_that_was_killed_is_started_again_and_its_children_do_not_stay(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(web=PARENT)
    (line,) = watched.await_lines("ready", 1)
    child = psutil.Process(int(line.split()[-1]))
    pid = watched.supervisor.processes["web"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    watched.await_lines("ready", 2)
    assert watched.supervisor.processes["web"].pid != pid
    psutil.wait_procs([child], timeout=10)
    assert not runs(child.pid)


def test_nothing_is_left_running_after_a_stop_not_even_what_ignores_it(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(grace_s=1.0, web=PARENT, beat=STUBBORN)
    watched.await_lines("ready", 2)
    pids = [each.pid for each in watched.supervisor.processes.values()]
    pids += [int(line.split()[-1]) for line in watched.said if line.startswith("web: ready")]
    watched.end()
    assert len(pids) == 3
    # what was killed with its group is still counted until the kernel comes round to it
    assert wait_until(lambda: not [pid for pid in pids if pid and runs(pid)], 10)


def test_what_a_process_says_is_kept_in_its_log(supervise: Callable[..., Watched], tmp_path: Path) -> None:
    watched = supervise(web=PARENT)
    watched.await_lines("ready", 1)
    watched.end()
    assert "ready" in (tmp_path / "home" / "logs" / "web.log").read_text()


def test_one_that_always_dies_is_started_again_with_growing_waits(supervise: Callable[..., Watched]) -> None:
    watched = supervise(web="raise SystemExit(3)")
    waits = [line.split()[-2] for line in watched.await_lines("ended with 3", 3)]
    assert waits[:3] == ["0.5", "1", "2"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_a_supervisor_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("import signal; print('ready', flush=True); signal.pause()")
    program = (
        "import sys; from pathlib import Path; from sync_workers.fleet.supervisor import Supervisor\n"
        "s = Supervisor({'web': sys.argv[1]}, Path(sys.argv[2]))\n"
        "s.echo = lambda name, line: print(line, s.processes['web'].pid, flush=True)\n"
        "s.run()\n"
    )
    command = f"{sys.executable} {tmp_path / 'web.py'}"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, command, str(tmp_path)], stdout=subprocess.PIPE, cwd=CHECKOUT
    )
    assert supervisor.stdout is not None
    line = next(line for line in supervisor.stdout if line.startswith(b"ready"))
    child = psutil.Process(int(line.split()[-1]))
    supervisor.kill()
    supervisor.wait(10)
    psutil.wait_procs([child], timeout=10)
    assert not runs(child.pid)


def test_the_procfile_of_this_checkout_names_every_process() -> None:
    commands = read_procfile(CHECKOUT / "Procfile")
    assert list(commands) == ["release", "web", "worker", "stock", "beat", "flower"]


def test_a_line_that_names_no_process_is_told_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: x\nnonsense\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 2"):
        read_procfile(tmp_path / "Procfile")


def test_a_release_that_fails_stops_the_start_and_says_why(tmp_path: Path) -> None:
    command = f"""{sys.executable} -c "print('no such table'); raise SystemExit(1)" """
    with pytest.raises(SettingsError, match="no such table"):
        Supervisor({"release": command}, tmp_path).release()
