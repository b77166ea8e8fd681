"""``sync-workers up``: the whole sync layer on this machine, on the user's own systems."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import click

from sync_workers import logs
from sync_workers.commands.checkup import Checkup, examine_systems, read_configuration
from sync_workers.commands.doctor import show_section
from sync_workers.commands.mapping import activate_missing
from sync_workers.commands.reach import check_port
from sync_workers.commands.servers import Servers, nothing_left, only_one, start_servers
from sync_workers.connectors.contract import Finding
from sync_workers.fleet import flower, passwords
from sync_workers.fleet.procfile import read_procfile
from sync_workers.fleet.supervisor import Supervisor
from sync_workers.fleet.undertaker import Undertaker
from sync_workers.ledger.connection import Ledger
from sync_workers.ledger.migrate import migrate
from sync_workers.settings import Settings

PROCFILE = Path("Procfile")
WHO = "sync-workers up"
SHOWN = 5  # problems per system; they do not keep the fleet from starting


@click.command()
@click.option("--procfile", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="What to run; by default the Procfile here, or else the one that is installed.")
@click.option("--quiet", is_flag=True, help="Do not show what the processes say; it stands in the logs.")
def up(procfile: Path | None, quiet: bool) -> None:
    """Start the receiver, the workers, the beat and Flower, and keep them running until Ctrl-C.

    Servers come from SYNC_DATABASE_URL and SYNC_BROKER_URL; where one is not set an embedded one is
    started, and its data are kept below SYNC_HOME. A system that does not answer is named and waited for.
    """
    checkup = read_configuration(os.environ)
    checkup.sections[0].findings += check_ports(os.environ)
    settings = checkup.settings
    if settings is None or not checkup.is_well:
        refuse(checkup)
    logs.configure("WARNING", secrets=settings.secrets)
    commands = read_procfile(procfile or find_procfile())
    with only_one(settings.home, "up"), nothing_left() as household:
        click.echo("Starting the servers ...")
        servers = start_servers(settings, household)
        prepare_ledger(settings, servers)
        for section in examine_systems(settings, checkup.sheets):
            if not section.is_well:
                show_section(section, at_most=SHOWN)
        supervisor = Supervisor(
            commands, settings.home, environment(os.environ, settings), echo=None if quiet else _echo,
            died=Undertaker(servers.database_url, servers.broker_url).bury,
        )
        show_addresses(settings, servers)
        with supervisor.signals():
            supervisor.run()
    click.echo("Stopped.")


def refuse(checkup: Checkup) -> NoReturn:
    """Name everything that keeps us from starting, and end."""
    for section in checkup.sections:
        if not section.is_well:
            show_section(section)
    click.secho("Nothing was started.", fg="red", bold=True, err=True)
    sys.exit(2)


def check_ports(environ: Mapping[str, str]) -> list[Finding]:
    """Return what keeps the receiver or Flower from listening."""
    host, _, port = (environ.get("SYNC_WEB_BIND") or "127.0.0.1:8000").rpartition(":")
    wanted = [(flower.ADDRESS, environ.get("FLOWER_PORT") or str(flower.PORT), "FLOWER_PORT")]
    wanted += [(host.strip("[]"), port, "SYNC_WEB_BIND")]
    numbers = [(name, int(number), variable) for name, number, variable in wanted if number.isdecimal()]
    return [finding for each in numbers if not (finding := check_port(*each)).ok]


def prepare_ledger(settings: Settings, servers: Servers) -> None:
    """Bring the ledger up to date and switch on a sheet for every kind that has none."""
    migrate(servers.database_url)
    ledger = Ledger(servers.database_url, pool_size=2)
    try:
        for sheet in activate_missing(ledger, settings, WHO):
            click.echo(f"  {sheet.kind} follows {sheet.source}")
    finally:
        ledger.dispose()


def find_procfile() -> Path:
    """Return the Procfile of this folder, else the one of the package."""
    if PROCFILE.exists():
        return PROCFILE
    return Path(str(files("sync_workers.commands") / "starter" / "Procfile"))


def environment(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return what the processes need to find the same configuration from wherever they run."""
    host, port = settings.web_bind
    return {
        **environ,
        "SYNC_CONFIG": str(settings.config.absolute()),
        "SYNC_HOME": str(settings.home.absolute()),
        "SYNC_WEB_BIND": f"{host}:{port}",
    }


def show_addresses(settings: Settings, servers: Servers) -> None:
    """Say where everything is."""
    host, port = settings.web_bind
    site = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104
    flower.credentials(settings.home)
    passwords.kept(settings.home, "console")
    senders = [name for name, system in settings.systems.items() if system.webhook_secret]
    rows = [
        ("receiver", ", ".join(f"{site}/hooks/{name}" for name in senders) or "no system sends webhooks"),
        ("health", f"{site}/healthz  {site}/readyz"),
        ("console", f"{site}/console/  (user {passwords.USER}, password in {settings.home / 'console.password'})"),
        ("metrics", f"{site}/metrics"),
        ("flower", flower_address(settings.home, os.environ)),
        ("logs", f"{settings.home / 'logs'}"),
        ("servers", ", ".join(f"embedded {each.name}" for each in servers.embedded) or "as configured"),
    ]
    for name, text in rows:
        click.echo(f"  {click.style(f'{name:<9}', bold=True)} {text}")
    click.echo("Ctrl-C stops everything.")


def flower_address(home: Path, environ: Mapping[str, str]) -> str:
    """Return Flower's address and how to log in."""
    port = environ.get("FLOWER_PORT") or flower.PORT
    known = "as in FLOWER_BASIC_AUTH" if environ.get("FLOWER_BASIC_AUTH") else (
        f"user {flower.USER}, password in {home / 'flower.password'}"
    )
    return f"http://{flower.ADDRESS}:{port}  ({known})"


def _echo(process: str, line: str) -> None:
    click.echo(f"{process:>7} | {line}")
