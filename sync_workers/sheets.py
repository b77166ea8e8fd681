"""The sheets in force, and the connectors that are made for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from sync_workers import logs
from sync_workers.connectors import registry
from sync_workers.connectors.contract import Connector, Types
from sync_workers.connectors.limiter import Limiter
from sync_workers.domain.mapping import Sheet
from sync_workers.domain.value_types import types_of
from sync_workers.ledger import modes
from sync_workers.ledger.connection import Ledger
from sync_workers.mappings import load_sheets
from sync_workers.settings import Settings

log = logs.get(__name__)

MAPPINGS_FOLDER = "mappings"


def stored_sheets(settings: Settings) -> dict[str, dict[int, Sheet]]:
    """Return every sheet below SYNC_CONFIG, by kind and version."""
    return load_sheets(settings.config / MAPPINGS_FOLDER, settings.systems)


def active_sheets(settings: Settings, ledger: Ledger) -> dict[str, Sheet]:
    """Return the sheet that is switched on for each kind; the oldest one where nobody has switched yet.

    Not the newest: a release that brings a next version must change nothing until a person activates it.

    A kind whose active version has no file here is left out: another process, which has it, serves it.
    """
    stored = stored_sheets(settings)
    with ledger.transaction() as tx:
        active = dict(modes.active(tx))
    chosen: dict[str, Sheet] = {}
    for kind, versions in stored.items():
        version = active.get(kind, min(versions))
        if version in versions:
            chosen[kind] = versions[version]
        else:
            log.error("The active mapping version has no file here", kind=kind, version=version)
    return chosen


def build_connectors(settings: Settings, sheets: Mapping[str, Sheet]) -> dict[str, Connector]:
    """Return a connector for each configured system, told which native paths the sheets use."""
    return {
        name: registry.build(system, paths_of(sheets, name), objects_of(sheets, name))
        for name, system in settings.systems.items()
    }


def paths_of(sheets: Mapping[str, Sheet], system: str) -> dict[str, Sequence[str]]:
    """Return the native paths that the sheets use in one system, by kind."""
    return {kind: sheet.paths(system) for kind, sheet in sheets.items() if system in sheet.systems}


def objects_of(sheets: Mapping[str, Sheet], system: str) -> dict[str, str]:
    """Return what the kinds live in there, for those whose sheet says so."""
    return {kind: sheet.objects[system] for kind, sheet in sheets.items() if system in sheet.objects}


def types_in(sheets: Mapping[str, Sheet], system: str) -> Types:
    """Return what the sheets put at each native path of one system, by kind."""
    return {kind: types_of(sheet, system) for kind, sheet in sheets.items() if system in sheet.systems}


def share_limits(connectors: Mapping[str, Connector], limiter: Limiter) -> None:
    """Have every call of these connectors hold a place of the limiter's."""
    for name, connector in connectors.items():
        connector.heed(partial(limiter.slot, name))
