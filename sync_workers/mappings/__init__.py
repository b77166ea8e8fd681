"""The mapping sheets on disk: loaded here, judged against what the systems have, and written for people.

What a sheet means is in ``domain.mapping``; what a merge makes of it in ``domain.merge``. Problems
that need no system (a wrong key, two rules for one name) are refused while loading.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from sync_workers.domain.mapping import Sheet
from sync_workers.domain.parsing import parse
from sync_workers.errors import SettingsError
from sync_workers.mappings.judging import FieldTypeLike, Problem, check
from sync_workers.mappings.pages import page

__all__ = ["FieldTypeLike", "Problem", "check", "load_sheet", "load_sheets", "page"]

_FILE = re.compile(r"v([1-9]\d*)\.toml")


def load_sheets(folder: Path, systems: Iterable[str] | None = None) -> dict[str, dict[int, Sheet]]:
    """Return kind -> version -> sheet from ``<kind>/v<N>.toml``. SettingsError names the file and key.

    ``systems`` are the configured ones; where given, a place in any other is refused.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder", mend="run 'sync-workers init', or set SYNC_CONFIG")
    known = None if systems is None else tuple(systems)
    sheets: dict[str, dict[int, Sheet]] = {}
    for file in sorted(folder.glob("*/*.toml")):
        sheet = load_sheet(file, known)
        sheets.setdefault(sheet.kind, {})[sheet.version] = sheet
    return sheets


def load_sheet(file: Path, systems: Iterable[str] | None = None) -> Sheet:
    """Return one sheet; its kind and version must be those that its path says."""
    source = f"{file.parent.name}/{file.name}"
    named = _FILE.fullmatch(file.name)
    if named is None:
        raise SettingsError(f"{source}: a sheet's file is called v<number>.toml", mend=f"rename {source}")
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source}: not readable as TOML: {error}", mend=f"correct {source}") from error
    sheet = parse(data, source, systems)
    if sheet.kind != file.parent.name or sheet.version != int(named[1]):
        raise SettingsError(
            f"{source}: says kind {sheet.kind!r}, version {sheet.version}",
            mend="make kind, version, folder and file name say the same",
            field="kind",
        )
    return sheet
