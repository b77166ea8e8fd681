"""The embedded servers start, keep their data, survive a kill and leave nothing running."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
import redis

from sync_workers.sandbox.databases import database_url
from sync_workers.sandbox.processes import Running, wait_until
from sync_workers.sandbox.services import (
    ServiceError,
    ServiceGroup,
    create_database,
    database_exists,
    drop_database,
    start_broker,
    start_postgres,
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that any user can reach, as pytest's own are not when root runs it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def ask(url: str, statement: str) -> object:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def is_alive(pid: int) -> bool:
    return Running.of(pid) is not None


def test_a_postgres_keeps_its_data_and_its_address_between_runs(home):
    first = start_postgres(home)
    ask(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    assert not is_alive(first.pid)

    second = start_postgres(home)
    try:
        assert second.url == first.url
        assert ask(second.url, "SELECT answer FROM kept") == 42
    finally:
        second.stop()


@pytest.mark.parametrize("start", [start_postgres, start_broker])
def test_a_port_that_a_killed_server_is_still_letting_go_is_waited_for(start, home):
    first = start(home)
    first.stop()
    with socket.create_server(("127.0.0.1", urlsplit(first.url).port)) as held:
        letting_go = threading.Timer(0.7, held.close)
        letting_go.start()
        second = start(home)
    try:
        assert second.url == first.url, "whoever used it looks for it there"
    finally:
        second.stop()
        letting_go.join()


def test_a_postgres_is_durable_unless_told_otherwise(home, postgres):
    durable = start_postgres(home)
    try:
        assert (ask(durable.url, "SHOW fsync"), ask(durable.url, "SHOW synchronous_commit")) == ("on", "on")
        with pytest.raises(ServiceError, match="durable"):
            start_postgres(home, durable=False)
    finally:
        durable.stop()
    assert ask(postgres.url, "SHOW fsync") == "off"


def test_a_postgres_asks_for_its_password_and_listens_on_this_machine_only(postgres):
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(postgres.url.replace("://sync:", "://sync:not-"))
    listening = {c.laddr.ip for c in psutil.Process(postgres.pid).net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("start", [start_postgres, start_broker])
def test_a_second_start_joins_the_server_and_the_last_to_leave_stops_it(start, home):
    first, second = start(home), start(home)
    assert first.pid == second.pid
    first.stop()
    first.stop()
    assert is_alive(second.pid)
    second.stop()
    assert not is_alive(second.pid)


@pytest.mark.parametrize("start", [start_postgres, start_broker])
def test_passwords_are_readable_by_their_owner_alone(start, home):
    service = start(home)
    service.stop()
    kept = home / service.name / "password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text() in service.url
    assert kept.read_text() not in repr(service)


def test_a_postgres_killed_with_open_connections_starts_again(home):
    first = start_postgres(home)
    ask(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    idle = psycopg2.connect(first.url)
    os.kill(first.pid, signal.SIGKILL)
    second = start_postgres(home)
    try:
        assert second.pid != first.pid
        assert ask(second.url, "SELECT answer FROM kept") == 42
    finally:
        second.stop()
        first.stop()
        idle.close()
    assert not is_alive(second.pid)


def test_a_pid_file_that_names_some_other_process_is_no_obstacle(home):
    first = start_postgres(home)
    first.stop()
    (data,) = [found.parent for found in home.rglob("postgresql.conf")]
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n\n127.0.0.1\n0 0\nready\n")
    second = start_postgres(home)
    try:
        assert ask(second.url, "SELECT 1") == 1
    finally:
        second.stop()


def test_a_broker_killed_keeps_what_it_had(home):
    first = start_broker(home)
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 2000)
    os.kill(first.pid, signal.SIGKILL)
    psutil.Process(first.pid).wait(10)
    second = start_broker(home)
    try:
        with redis.Redis.from_url(second.url) as client:
            assert client.get("kept") == b"yes"
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    finally:
        second.stop()
        first.stop()
    assert not is_alive(second.pid)


def test_a_broker_refuses_who_has_no_password(broker):
    with redis.Redis.from_url(broker.url) as client:
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_a_database_is_made_from_a_template_and_dropped_under_its_users(postgres, database_url):
    ask(database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    name = database_url.rsplit("/", 1)[1]
    copy = create_database(postgres.url, f"{name}_copy", template=name)
    assert ask(copy, "SELECT answer FROM kept") == 42
    user = psycopg2.connect(copy)
    drop_database(postgres.url, f"{name}_copy")
    user.close()
    assert not database_exists(postgres.url, f"{name}_copy")


def test_the_url_of_another_database_keeps_everything_else():
    assert database_url("postgresql://u:p@127.0.0.1:5/a", "b") == "postgresql://u:p@127.0.0.1:5/b"


PROGRAM = """
import sys
from sync_workers.sandbox.services import ServiceGroup, start_broker, start_postgres
import signal
with ServiceGroup() as group:
    started = [group.add(start(sys.argv[1])) for start in (start_postgres, start_broker)]
    print(*[service.pid for service in started], flush=True)
    if sys.argv[2] == "error":
        raise RuntimeError("on purpose")
    signal.pause()
"""


@pytest.mark.parametrize(
    ("ending", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT), ("error", 1)], ids=str
)
def test_a_group_leaves_nothing_running(ending, code, home):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), str(ending)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 2
    if ending != "error":
        program.send_signal(ending)
    program.communicate(timeout=60)
    assert program.returncode == code
    assert not any(is_alive(pid) for pid in pids)


DEAF = """
import os, signal, weakref
from sync_workers.sandbox.services import ServiceGroup
class Thing: pass
with ServiceGroup():
    thing = Thing()
    kept = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del thing
    print("went on", flush=True)
    signal.pause()
"""


def test_a_ctrl_c_that_comes_where_python_drops_exceptions_ends_a_group_all_the_same():
    program = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=60, check=False)
    assert "Exception ignored in" in program.stderr
    assert program.stdout == "went on\n"
    assert program.returncode == -signal.SIGINT


def test_servers_of_a_killed_program_are_taken_over_and_stopped_by_the_next(home):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), ""], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    pids = [int(pid) for pid in program.stdout.readline().split()]
    program.kill()
    program.communicate()
    with ServiceGroup() as group:
        found = [group.add(start(home)) for start in (start_postgres, start_broker)]
        assert [service.pid for service in found] == pids
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), 10)


def test_a_group_stops_every_member_last_one_first_even_when_one_fails():
    stopped = []

    class Member:
        def __init__(self, name: str, fails: bool = False) -> None:
            self.name, self.fails = name, fails

        def stop(self) -> None:
            stopped.append(self.name)
            if self.fails:
                raise RuntimeError(self.name)

    group = ServiceGroup()
    for member in (Member("database"), Member("broker", fails=True), Member("worker")):
        group.add(member)
    with pytest.raises(ExceptionGroup) as caught:
        group.stop()
    assert stopped == ["worker", "broker", "database"]
    assert [str(error) for error in caught.value.exceptions] == ["broker"]
