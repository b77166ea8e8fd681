"""The Procfile: which processes the fleet is made of, and how each is started."""

from __future__ import annotations

from pathlib import Path

from sync_workers.errors import SettingsError


def read_procfile(path: Path) -> dict[str, str]:
    """Return the command of each process, in order. SettingsError for a line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}", mend="run it where the Procfile is") from None
    commands: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, command = line.partition(":")
        if not colon or not name.strip().isidentifier() or not command.strip():
            raise SettingsError(
                f"{path}, line {number}: {line!r} names no process", mend="write 'name: command'"
            )
        commands[name.strip()] = command.strip()
    return commands
