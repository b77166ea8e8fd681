"""Which platforms there are, and how a configured system becomes a connector.

A new platform is a folder beside this file and one line here; the contract suite then runs on it
unasked. Modules are imported when first used, so that a fleet loads only what it talks to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.resources import files

from sync_workers.connectors.contract import Connector, SystemSettings
from sync_workers.errors import SettingsError

PLATFORMS: Mapping[str, str] = {
    "hubspot": "sync_workers.connectors.hubspot.connector:HubspotConnector",
    "plain": "sync_workers.connectors.plain.connector:PlainConnector",
    "tryton": "sync_workers.connectors.tryton.connector:TrytonConnector",
}


def build(
    settings: SystemSettings, paths: Mapping[str, Sequence[str]], objects: Mapping[str, str] | None = None
) -> Connector:
    """Return the connector of one system. ``paths``: the native paths in use, by kind; ``objects``: what a kind
    lives in there, where the platform leaves a choice.

    Opens no connection. SettingsError for an unknown platform or a missing option.
    """
    module, _, name = _place(settings.platform, settings.name).partition(":")
    connector: Connector = getattr(import_module(module), name)(settings, paths, objects or {})
    return connector


def default_paths(platform: str) -> dict[str, dict[str, str]]:
    """Return the platform's usual path per kind and canonical field (``fields.toml``), for ``init``."""
    package = _place(platform, "").partition(":")[0].rpartition(".")[0]
    text = files(package).joinpath("fields.toml").read_text(encoding="utf-8")
    return {kind: dict(paths) for kind, paths in tomllib.loads(text).items()}


def _place(platform: str, system: str) -> str:
    try:
        return PLATFORMS[platform]
    except KeyError:
        where = f"[systems.{system}]: " if system else ""
        raise SettingsError(
            f"{where}there is no platform {platform!r}",
            mend=f"set platform to one of {', '.join(sorted(PLATFORMS))}",
        ) from None
