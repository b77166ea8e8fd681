"""The seeded ERP as a template database: built once, then copied in well under a second.

The first run initialises and seeds a database over a server of its own, and keeps a dump in the cache,
keyed by versions, seed sources, passwords and year. A PostgreSQL that lacks the template restores it from
the dump. The template carries ``IS_TEMPLATE`` and accepts no connections, so it is whole when it exists.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import subprocess
import tempfile
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

from psycopg2 import sql

from sync_workers.sandbox.databases import create_database, database_exists, drop_database, execute
from sync_workers.sandbox.postgres import program
from sync_workers.sandbox.processes import Place, ServiceError, keep_secret
from sync_workers.sandbox.tryton import cases, catalogue, equipment, installation, seed
from sync_workers.sandbox.tryton.rpc import Rpc
from sync_workers.sandbox.tryton.trytond import open_database, spawn

ADMIN = "admin"
LOGINS = (ADMIN, seed.SYNC, seed.CLERK)


def passwords(cache: Path) -> dict[str, str]:
    """Return each login's password: random and kept; SYNC_TRYTON_PASSWORD overrides that of ``sync``."""
    kept = {login: keep_secret(cache / f"{login}.password") for login in LOGINS}
    named = os.environ.get("SYNC_TRYTON_PASSWORD")
    return kept | ({seed.SYNC: named} if named else {})


def ensure_template(cache: Path, python: Path, url: str, today: date) -> str:
    """Return the name of the template database, restored or built first. Call it ``alone_in`` the cache."""
    known = passwords(cache)
    sources = (*installation.PINS, *map(inspect.getsource, (seed, cases, equipment, catalogue)))
    whole = "\n".join((*sources, *known.values(), str(today.year)))
    key = hashlib.sha256(whole.encode()).hexdigest()[:12]
    template = f"tryton_seed_{key}"
    if database_exists(url, template):
        return template
    draft = f"tryton_build_{key}"
    drop_database(url, draft)
    dump = cache / f"seed-{key}.dump"
    target = create_database(url, draft)
    if dump.exists():
        _transfer(["pg_restore", "--no-owner", "--jobs=2", str(dump)], target, "restored")
    else:
        _build(cache, python, url, draft, known, today)
        _transfer(["pg_dump", "--format=custom", "--compress=1", f"--file={dump}.new"], target, "dumped")
        Path(f"{dump}.new").replace(dump)
    execute(target, sql.SQL("ANALYZE"))
    names = [sql.Identifier(draft), sql.Identifier(template)]
    execute(url, sql.SQL("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false").format(names[0]))
    execute(url, sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
    return template


def copy_template(url: str, template: str, name: str) -> None:
    """Make database ``name`` a fresh copy of the template, dropping what was there.

    By copying files: half the time of going through the log, for a template that nobody writes to.
    """
    drop_database(url, name)
    words = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    execute(url, words.format(sql.Identifier(name), sql.Identifier(template)))


def _build(cache: Path, python: Path, url: str, database: str, known: dict[str, str], today: date) -> None:
    place = Place(cache / "build")
    config = place.folder / "trytond.conf"
    with tempfile.NamedTemporaryFile("w", dir=cache) as secret:
        secret.write(known[ADMIN])
        secret.flush()
        admin = [
            str(python), "-m", "trytond.cli.admin", "-c", str(config), "-d", database,
            "--email", "admin@example.com", "--activate-dependencies", "-u", *installation.MODULES,
        ]  # fmt: skip
        server = spawn(place, python, url)
        try:
            _run(admin, "initialised", TRYTONPASSFILE=secret.name)
            open_database(server.url, database)
            rpc = Rpc(server.url, database, ADMIN, known[ADMIN])
            seed.seed(rpc, known, today)
            rpc.close()
        finally:
            server.end()


def _transfer(argv: list[str], url: str, done: str) -> None:
    """Run a client program on a database, with the password where other users cannot read it."""
    parts = urlsplit(url)
    name, *options = argv
    address = f"--dbname=postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    _run([program(name), *options, address], done, PGPASSWORD=unquote(parts.password or ""))


def _run(argv: list[str], done: str, **added: str) -> None:
    environment = installation.environment(**added)
    ran = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    if ran.returncode:
        said = "\n".join((ran.stdout + ran.stderr).splitlines()[-15:])
        raise ServiceError(
            f"the Tryton database could not be {done}:\n{said}",
            mend="remove the cache folder (SYNC_TRYTON_CACHE) to start afresh",
        )
