"""What is missing, unreachable or wrong, all of it at once, each with what would mend it.

``doctor`` prints it, ``up`` refuses to start on what it could not work with. Looks only, but for
``examine_systems(fix=True)``, which creates what the sheets need in the systems.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_workers import logs, mappings
from sync_workers.commands.reach import Section, finding_of, place_of
from sync_workers.connectors import registry
from sync_workers.connectors.contract import Connector, FieldType, Finding
from sync_workers.domain.mapping import Sheet
from sync_workers.errors import SettingsError, SyncError
from sync_workers.settings import FROM_ENVIRONMENT, SYSTEMS_FILE, Settings
from sync_workers.sheets import MAPPINGS_FOLDER, objects_of, paths_of, types_in

STAND_IN = "http://unset.invalid/"  # passes for an address and for a secret, so that loading goes on


@dataclass
class Checkup:
    """Everything that was looked at. ``settings`` is None when they cannot be used."""

    settings: Settings | None = None
    sheets: dict[str, Sheet] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return all(section.is_well for section in self.sections)

    def problems(self) -> Iterator[Finding]:
        for section in self.sections:
            yield from (finding for finding in section.findings if not finding.ok)


def read_configuration(environ: Mapping[str, str]) -> Checkup:
    """Read settings and sheets and name everything that is wrong with them. Opens no connection."""
    checkup = Checkup()
    file = Path(environ.get("SYNC_CONFIG") or "config") / SYSTEMS_FILE
    unset = _unset_variables(file, environ)
    section = Section("Settings")
    for variable, places in unset.items():
        what = f"{file}: {', '.join(places)} is taken from {variable}, which the environment lacks"
        mend = f"set {variable} (config/environment.example shows how)"
        section.findings.append(Finding(what, False, mend))
    checkup.sections.append(section)
    try:
        settings = Settings.load({**environ, **dict.fromkeys(unset, STAND_IN)})
    except SettingsError as error:
        section.findings.append(finding_of(error))
        return checkup
    logs.hide(settings.secrets)
    if not unset:
        section.findings.append(Finding(f"{file} names {', '.join(settings.systems)}", True))
        checkup.settings = settings
    sheets, found = _load_sheets(settings)
    checkup.sheets = sheets
    checkup.sections.append(found)
    checkup.sections.append(_check_platforms(settings, sheets))
    return checkup


def examine_systems(settings: Settings, sheets: Mapping[str, Sheet], *, fix: bool = False) -> list[Section]:
    """Ask every system at the same time: reach, credentials, rights, fields, and the sheets against them."""
    with ThreadPoolExecutor(max_workers=len(settings.systems)) as pool:
        asked = [pool.submit(_examine, settings, sheets, name, fix) for name in settings.systems]
        answers = [future.result() for future in asked]
    metadata = {section.title: described for section, described in answers}
    sections = [section for section, _ in answers]
    sections.append(_check_sheets(sheets, metadata))
    return sections


def flows_of(settings: Settings, sheets: Mapping[str, Sheet]) -> list[dict[str, str]]:
    """Return each flow into a system with the proof that the system allows against doubles."""
    flows = []
    for kind, sheet in sorted(sheets.items()):
        for name in sheet.systems:
            if name not in settings.systems:
                continue
            connector = registry.build(settings.systems[name], paths_of(sheets, name), objects_of(sheets, name))
            traits = connector.traits(kind)
            born = [one for one in sheet.created_by if one != name]
            flows.append({
                "kind": kind, "system": name, "created_from": ", ".join(born) if not sheet.extends else "",
                "variant": traits.variant.name, "meaning": traits.variant.value,
            })  # fmt: skip
    return flows


def _unset_variables(file: Path, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the variables that the file names and the environment lacks, with the keys that name them."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}  # loading names it
    found: dict[str, list[str]] = {}
    for place, value in _texts(document):
        variable = value.removeprefix(FROM_ENVIRONMENT).strip()
        if value.startswith(FROM_ENVIRONMENT) and variable and not environ.get(variable):
            found.setdefault(variable, []).append(place)
    return found


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}".strip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, place)
    elif isinstance(value, str):
        yield place, value


def _load_sheets(settings: Settings) -> tuple[dict[str, Sheet], Section]:
    """Return the newest readable sheet of each kind, and what is wrong with the others."""
    section = Section("Sheets")
    folder = settings.config / MAPPINGS_FOLDER
    newest: dict[str, Sheet] = {}
    for file in sorted(folder.glob("*/*.toml")):
        try:
            sheet = mappings.load_sheet(file, settings.systems)
        except SettingsError as error:
            section.findings.append(finding_of(error))
            continue
        section.findings.append(Finding(f"{sheet.source} can be read", True))
        if sheet.kind not in newest or newest[sheet.kind].version < sheet.version:
            newest[sheet.kind] = sheet
    if not section.findings:
        section.findings.append(Finding(f"{folder} holds no sheet", False, "run 'sync-workers init'"))
    return newest, section


def _check_platforms(settings: Settings, sheets: Mapping[str, Sheet]) -> Section:
    """Build every connector once: it names the options that its platform misses."""
    section = Section("Systems")
    for name, system in settings.systems.items():
        try:
            registry.build(system, paths_of(sheets, name), objects_of(sheets, name))
        except SyncError as error:
            section.findings.append(finding_of(error))
        else:
            section.findings.append(Finding(f"{name}: {system.platform} at {place_of(system.base_url)}", True))
    return section


def _examine(
    settings: Settings, sheets: Mapping[str, Sheet], name: str, fix: bool
) -> tuple[Section, dict[str, dict[str, FieldType]]]:
    section, described = Section(name), {}
    try:
        connector = registry.build(settings.systems[name], paths_of(sheets, name), objects_of(sheets, name))
        types = types_in(sheets, name)
        section.findings += connector.examine(paths_of(sheets, name), fix=fix, types=types)
        described = _describe(connector, sheets, name)
    except SyncError as error:
        if section.is_well:  # else what was found already says it
            section.findings.append(finding_of(error))
    return section, described


def _describe(
    connector: Connector, sheets: Mapping[str, Sheet], name: str
) -> dict[str, dict[str, FieldType]]:
    return {kind: connector.describe(kind) for kind, sheet in sheets.items() if name in sheet.systems}


def _check_sheets(
    sheets: Mapping[str, Sheet], metadata: Mapping[str, Mapping[str, Mapping[str, FieldType]]]
) -> Section:
    section = Section("Sheets against the systems")
    for kind, sheet in sorted(sheets.items()):
        has = {name: kinds[kind] for name, kinds in metadata.items() if kind in kinds}
        problems = mappings.check(sheet, has)
        section.findings += [_problem(one) for one in problems]
        unseen = [name for name in sheet.systems if name not in has]
        if unseen:
            what = f"{sheet.source} could not be compared with {', '.join(unseen)}"
            section.findings.append(Finding(what, False, "mend what is said of it, then look again"))
        elif not problems:
            section.findings.append(Finding(f"{sheet.source} fits {', '.join(sheet.systems)}", True))
    return section


def _problem(problem: mappings.Problem) -> Finding:
    return Finding(f"{problem.sheet}: {problem.field} {problem.what}", False, problem.mend)
