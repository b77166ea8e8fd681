"""Whole columns as parameters: one text for an array, which the server reads in one go.

psycopg2 writes a list as ``ARRAY['a', 'b']``, and PostgreSQL then parses and plans each item as an expression.
So a prepared statement's lists travel as ``as_array`` writes them, and long JSON as ``as_documents`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sync_workers.ledger.texts import as_json

SEPARATOR = "\x1e"  # JSON never holds it: a control character is escaped there


def as_columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return one list for each column of ``rows``, of which there is at least one."""
    return [list(column) for column in zip(*rows, strict=True)]


def as_array(values: Iterable[Any]) -> str:
    """Return the text form of a PostgreSQL array, for a parameter with a cast: ``%s::bigint[]``."""
    return "{" + ",".join([_item(value) for value in values]) + "}"


def as_documents(texts: Iterable[str | None]) -> str:
    """Return JSON texts as the parameter of ``string_to_array(%s, chr(30), '')``, where no quote needs an escape."""
    return SEPARATOR.join(text or "" for text in texts)


def as_document(record: Any) -> str | None:
    """Return the JSON text of a record as its system sent it, None for SQL NULL. ``as_json``, faster."""
    try:
        return None if record is None else orjson.dumps(record).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, an integer beyond 64 bits
        return as_json(record)


def _item(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
