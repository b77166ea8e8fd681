"""``python -m sync_workers.fleet worker ...`` and ``... beat ...``: Celery's own two commands with their own options.

``celery -A sync_workers.fleet.app`` runs the same. But it loads all of Celery's other commands beside them, an
interactive shell and Flower's server among them, and each process of the fleet would keep those for as long as it
lives: 13 MB of 85.
"""

from __future__ import annotations

import click
from celery.app.utils import find_app
from celery.bin.base import CLIContext
from celery.bin.beat import beat
from celery.bin.worker import worker

APP = "sync_workers.fleet.app"


@click.group()
@click.option("-A", "--app", default=APP, show_default=True, help="The Celery application.")
@click.pass_context
def main(context: click.Context, app: str) -> None:
    """Run one process of the fleet."""
    try:
        found = find_app(app)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{app} cannot be loaded: {error}", param_hint="-A") from error
    context.obj = CLIContext(app=found, no_color=True, workdir=None, quiet=True)


main.add_command(worker)
main.add_command(beat)

if __name__ == "__main__":
    main(auto_envvar_prefix="CELERY")
