"""Where the ledger's database and the broker are: servers of one's own, or the embedded ones.

Starting the embedded servers belongs to ``sync-workers up``: this module only reads where they are, in
``services.json`` below SYNC_HOME.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sync_workers.errors import SettingsError
from sync_workers.settings import Settings

SERVICES_FILE = "services.json"


def read_services(home: Path) -> dict[str, str]:
    """Return where the embedded servers listen: ``{"database_url": ..., "broker_url": ...}``, or nothing."""
    try:
        document = json.loads((home / SERVICES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{home / SERVICES_FILE} cannot be read: {error}",
            mend="remove it and run 'sync-workers up' again",
        ) from None
    return {str(key): str(value) for key, value in document.items()}


def write_services(home: Path, *, database_url: str, broker_url: str) -> None:
    """Leave word where the embedded servers listen, for its owner alone: the addresses hold passwords."""
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"{SERVICES_FILE}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        json.dump({"database_url": database_url, "broker_url": broker_url}, opened)
    draft.replace(home / SERVICES_FILE)


def database_url(settings: Settings) -> str:
    """Return the ledger's address, configured or embedded."""
    return settings.database_url or _embedded(settings, "database_url", "SYNC_DATABASE_URL")


def broker_url(settings: Settings) -> str:
    """Return the broker's address, configured or embedded."""
    return settings.broker_url or _embedded(settings, "broker_url", "SYNC_BROKER_URL")


def connect_redis(url: str) -> Redis | None:
    """Return a client with short time-outs, None where the broker is no Redis. Connects when first used."""
    if urlsplit(url).scheme not in ("redis", "rediss"):
        return None
    return Redis.from_url(
        url,
        socket_connect_timeout=0.5,
        socket_timeout=1.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
    )


def _embedded(settings: Settings, key: str, variable: str) -> str:
    url = read_services(settings.home).get(key)
    if not url:
        raise SettingsError(
            f"{variable} is not set and no embedded server runs below {settings.home}",
            mend=f"set {variable}, or run 'sync-workers up', which starts one",
            field=variable,
        )
    return url
