"""A project of two plain systems that run, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

SECRET = "a-secret-of-the-tests"
SHEET = """
kind = "order"
version = {version}
created_by = ["crm"]

[reference]
erp = "reference"

[[field]]
name = "po_number"
owner = "crm"
why = "the customer gives it to the sales rep"
crm = "po_number"
erp = "{path}"
"""
SYSTEMS = """
[systems.crm]
platform = "plain"
base_url = "{crm}"
webhook_secret = "env:CRM_SECRET"

[systems.erp]
platform = "plain"
base_url = "{erp}"
token = "env:ERP_TOKEN"
variant = "T1"

[systems.erp.poll]
order = 1
"""
COMMAND = (sys.executable, "-c", "from sync_workers.commands.main import main; main()")


def write_project(folder: Path, crm: str, erp: str) -> Path:
    """Write a configuration folder with one sheet and return it."""
    config = folder / "config"
    (config / "mappings" / "order").mkdir(parents=True)
    (config / "systems.toml").write_text(SYSTEMS.format(crm=crm, erp=erp), encoding="utf-8")
    add_sheet(config, 1, "po")
    return config


def add_sheet(config: Path, version: int, path: str) -> None:
    text = SHEET.format(version=version, path=path)
    (config / "mappings" / "order" / f"v{version}.toml").write_text(text, encoding="utf-8")


def environment(**values: str) -> dict[str, str]:
    """Return this process's environment without anything of another project, and with ``values``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYNC_", "FLOWER"))}
    return kept | values


def run(
    *arguments: str, environ: Mapping[str, str], cwd: Path, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run ``sync-workers`` as a person would."""
    return subprocess.run(
        [*COMMAND, *arguments], env=dict(environ), cwd=cwd, capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, check=False,
    )


def start(*arguments: str, environ: Mapping[str, str], cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start ``sync-workers`` and return its process; what it says can be read from ``stdout``."""
    return subprocess.Popen(
        [*COMMAND, *arguments], env=dict(environ), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True, **options,
    )


def using(home: Path) -> list[str]:
    """Return what still runs on behalf of a home: by its environment, command line or working folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            texts = [*process.cmdline(), process.cwd(), process.environ().get("SYNC_HOME", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(home) in text for text in texts):
            found.append(" ".join(process.cmdline())[:150])
    return found
