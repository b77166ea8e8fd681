"""``python -m sync_workers.web``: the receiver under granian, bound to SYNC_WEB_BIND.

One process is enough: its deliveries wait for commits that they share, and two would halve the groups.
"""

from __future__ import annotations

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from sync_workers import logs
from sync_workers.settings import Settings

AT_ONCE = 256  # requests under way; each may hold a body
HEADERS_WITHIN_MS = 10_000
STOP_WITHIN_S = 10


def main() -> None:
    """Serve until told to stop."""
    settings = Settings.load()
    logs.configure(secrets=settings.secrets)
    host, port = settings.web_bind
    Granian(
        "sync_workers.web.door:create_door",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=1,
        backpressure=AT_ONCE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN_MS),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_WITHIN_S,
        log_dictconfig=logs.configuration(),
        log_access=False,
        process_name=None,
    ).serve()


if __name__ == "__main__":
    main()
