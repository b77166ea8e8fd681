"""Runs migrations on the connection that ``sync_workers.ledger.migrate`` hands over. Online only."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine

from sync_workers.ledger.connection import driver_url


def run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(driver_url(os.environ["SYNC_DATABASE_URL"])).connect() as opened:
        run(opened)
        opened.commit()
