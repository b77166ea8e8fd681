"""Passwords of the pages that people look at: made once, kept in a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

USER = "sync"


def kept(home: Path, page: str) -> str:
    """Return the password of a page, from ``<page>.password`` below ``home``; made at first use."""
    file = home / f"{page}.password"
    home.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        password = secrets.token_urlsafe(18)
        opened.write(password)
    return password
