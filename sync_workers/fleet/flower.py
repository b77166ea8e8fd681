"""``python -m sync_workers.fleet.flower``: Flower, bound to this machine and behind a password.

A view and no more: what happened stands in the ledger. It shows tasks by name and arguments, which
are ids only. The password comes from FLOWER_BASIC_AUTH (``user:password``); without one a random one
is made and kept in ``flower.password`` below SYNC_HOME.
"""

from __future__ import annotations

import os
from pathlib import Path

from sync_workers import logs
from sync_workers.fleet import passwords
from sync_workers.fleet.app import app
from sync_workers.settings import Settings

log = logs.get(__name__)

USER = passwords.USER
MAX_TASKS = 10_000  # its memory grows with every task it remembers
ADDRESS, PORT = "127.0.0.1", 5555


def credentials(home: Path) -> str:
    """Return ``user:password``, made at first use."""
    return f"{USER}:{passwords.kept(home, 'flower')}"


def main() -> None:
    """Serve until told to stop."""
    settings = Settings.load()
    logs.configure(secrets=settings.secrets)
    if not os.environ.get("FLOWER_BASIC_AUTH"):
        # by the environment and not as an argument, which every user of the machine could read
        os.environ["FLOWER_BASIC_AUTH"] = credentials(settings.home)
        log.info("Flower's password is kept in a file", file=str(settings.home / "flower.password"))
    # without a login its API would answer anybody
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)
    options = {
        "FLOWER_ADDRESS": ADDRESS,
        "FLOWER_PORT": str(PORT),
        "FLOWER_MAX_TASKS": str(MAX_TASKS),
        "FLOWER_TASKS_COLUMNS": "name,uuid,state,args,received,started,runtime,worker",
    }
    for name, value in options.items():
        os.environ.setdefault(name, value)
    app.locate_broker()
    app.conf.update(broker_pool_limit=32, broker_pool_acquire_timeout=10.0)  # it asks every worker at once
    app.start(argv=["flower"])


if __name__ == "__main__":
    main()
