"""``sync-workers migrate``: bring the ledger's schema up to date; the Procfile's ``release``."""

from __future__ import annotations

import click

from sync_workers import logs
from sync_workers.ledger import migrate as migrations
from sync_workers.services import database_url
from sync_workers.settings import Settings


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a migration is missing.")
@click.pass_context
def migrate(context: click.Context, check: bool) -> None:
    """Apply the migrations that the ledger lacks. Safe to run twice, and from several places at once."""
    settings = Settings.load()
    logs.configure("WARNING", secrets=settings.secrets)
    url = database_url(settings)
    missing = migrations.pending(url)
    if check:
        click.echo("\n".join(missing) or "The ledger is up to date.")
        context.exit(1 if missing else 0)
    migrations.migrate(url)
    click.echo(f"Applied {', '.join(missing)}." if missing else "The ledger is up to date.")
