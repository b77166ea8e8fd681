"""What PostgreSQL can hold: texts without a NUL, JSON without what is no number or no character."""

from __future__ import annotations

import json
import re
from typing import Any

from sync_workers.domain.values import JsonText

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # an escaped backslash before it is none
_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_write_strictly = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def as_json(value: Any) -> str | None:
    """Return JSON text for a ``jsonb`` parameter, None for SQL NULL."""
    if value is None:
        return None
    return str(value) if type(value) is JsonText else _write_json(value)


def as_facts(value: Any) -> str | None:
    """Return JSON text for a ``json`` parameter. ValueError for a NUL, which such a column takes and cannot show."""
    text = as_json(value)
    if text is not None and "\\u0000" in text and _NUL.search(text):
        raise ValueError("facts cannot contain NUL characters")
    return text


def storable(text: str | None, *, most: int | None = None) -> str | None:
    """Return text that is surely stored: for what we say ourselves (errors, notes), never for facts."""
    if text is None:
        return None
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def storable_json(value: Any) -> str | None:
    """Return JSON text that is surely stored: for requests and answers that are kept only to be read."""
    if value is None:
        return None
    try:
        text = str(value) if type(value) is JsonText else _write_strictly(value)
        text.encode()
    except ValueError:  # not a number, or a lone surrogate
        return as_json(_cleaned(_data(value)))
    return as_json(_cleaned(_data(value))) if "\\u0000" in text else text


def _data(value: Any) -> Any:
    return json.loads(value) if type(value) is JsonText else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, dict):
        return {storable(str(key)): _cleaned(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(entry) for entry in value]
    return value
