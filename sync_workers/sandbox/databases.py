"""Databases of a PostgreSQL server: made, dropped, asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql


def create_database(url: str, name: str, *, template: str | None = None) -> str:
    """Create database ``name`` on the server of ``url`` and return its URL.

    ``template`` must have no open connections: without one it is template0, to which nobody can connect.
    psycopg2.errors.DuplicateDatabase when it exists.
    """
    copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template or "template0"))
    execute(url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
    return database_url(url, name)


def drop_database(url: str, name: str) -> None:
    """Drop database ``name`` with whatever is connected to it; absent is fine, and so is a template."""
    if database_exists(url, name):
        execute(url, sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    execute(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def database_exists(url: str, name: str) -> bool:
    """Tell whether the server of ``url`` has database ``name``."""
    asked = sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(sql.Literal(name))
    return bool(execute(url, asked))


def database_url(url: str, name: str) -> str:
    """Return ``url`` with another database in it."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def execute(url: str, statement: sql.Composable) -> list[tuple[Any, ...]]:
    """Run one statement outside any transaction and return its rows."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
