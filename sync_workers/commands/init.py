"""``sync-workers init``: write a commented configuration to start from. Asks nothing and connects nowhere."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from sync_workers.connectors.registry import PLATFORMS
from sync_workers.errors import SettingsError

STARTER = "starter"
ROLES = ("crm", "erp", "shop")
PAIRED = ("hubspot", "tryton")  # the platforms that the starter sheets name paths of


@click.command()
@click.option("--crm", type=click.Choice(sorted(PLATFORMS)), required=True, help="The platform of the CRM.")
@click.option("--erp", type=click.Choice(sorted(PLATFORMS)), required=True, help="The platform of the ERP.")
@click.option("--shop", type=click.Choice(sorted(PLATFORMS)), help="The platform of the web shop, if any.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("config"),
              envvar="SYNC_CONFIG", show_default=True, help="The folder to write into.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(crm: str, erp: str, shop: str | None, out: Path, force: bool) -> None:
    """Write systems.toml, an example of the environment, and starter sheets."""
    platforms = {"crm": crm, "erp": erp} | ({"shop": shop} if shop else {})
    pages = render(platforms)
    standing = sorted(str(out / name) for name in pages if (out / name).exists())
    if standing and not force:
        raise SettingsError(
            f"{', '.join(standing)} exist already", mend="choose another folder with --out, or say --force"
        )
    for name, text in pages.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"  {file}")
    click.echo(
        f"Fill in {out / 'systems.toml'}, set what {out / 'environment.example'} names, "
        "then run 'sync-workers doctor'."
    )


def render(platforms: dict[str, str]) -> dict[str, str]:
    """Return the text of every file to write, by its path below the configuration's folder."""
    folder = _folder()
    parts = [(folder / "systems.head.toml").read_text(encoding="utf-8")]
    environment = [(folder / "environment.head").read_text(encoding="utf-8")]
    for role, platform in platforms.items():
        parts.append(_system(folder / f"{platform}.toml", role))
        environment.append(_system(folder / f"{platform}.environment", role))
    pages = {"systems.toml": "\n".join(parts), "environment.example": "\n".join(environment)}
    if (platforms["crm"], platforms["erp"]) == PAIRED:
        pages |= sheets()
    else:
        pages |= {
            f"mappings/{name}": _repaint(text, platforms) for name, text in _sheets(folder / "mappings")
        }
    return pages


def sheets() -> dict[str, str]:
    """Return the starter sheets as they are, by their path below the configuration's folder."""
    return {f"mappings/{name}": text for name, text in _sheets(_folder() / "mappings")}


def _folder() -> Traversable:
    return files("sync_workers.commands") / STARTER


def _system(file: Traversable, role: str) -> str:
    return file.read_text(encoding="utf-8").replace("{name}", role).replace("{NAME}", role.upper())


def _sheets(folder: Traversable) -> list[tuple[str, str]]:
    kinds = sorted((kind for kind in folder.iterdir() if kind.is_dir()), key=lambda kind: kind.name)
    return [
        (f"{kind.name}/{file.name}", file.read_text(encoding="utf-8"))
        for kind in kinds
        for file in sorted(kind.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    ]


def _repaint(text: str, platforms: dict[str, str]) -> str:
    """Say above a sheet that its paths are those of other platforms and must be gone through."""
    crm, erp = platforms["crm"], platforms["erp"]
    warning = (
        f"# The paths below are those of HubSpot (crm) and Tryton (erp), but your platforms are {crm} and\n"
        f"# {erp}: correct each path, then run 'sync-workers mapping check', which names what is wrong.\n"
    )
    return warning + text
