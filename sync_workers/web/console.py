"""``/console/``: what is held and what it is worth, to read. Nothing can be changed here; the commands do that.

Behind a password (user ``sync``) from ``console.password`` below SYNC_HOME, as Flower is.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from jinja2 import Environment, Template

from sync_workers import logs
from sync_workers.fleet import passwords
from sync_workers.ledger import cash
from sync_workers.ledger.connection import Ledger

MOST = 200
HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
ASK = ("WWW-Authenticate", 'Basic realm="sync-workers", charset="UTF-8"')
HELD = """
SELECT r.kind, r.origin_system, r.origin_id, r.hold_code, r.hold_reason, r.hold_mend,
       date_trunc('second', r.hold_since) AT TIME ZONE 'UTC'
  FROM records r WHERE r.state = 'held' ORDER BY r.hold_since, r.id LIMIT %s
"""


@dataclass
class Console:
    """The page. ``worth`` names the money field of each kind, ``password`` is asked once per process."""

    ledger: Ledger
    worth: Mapping[str, str]
    password: Callable[[], str]

    def admits(self, authorization: str) -> bool:
        """Say whether a Basic header names our user and password, compared in constant time."""
        scheme, _, text = authorization.partition(" ")
        try:
            given = base64.b64decode(text, validate=True) if scheme.lower() == "basic" else b""
        except binascii.Error:
            given = b""
        return hmac.compare_digest(given, f"{passwords.USER}:{self._password}".encode())

    def page(self) -> bytes:
        """Render the page from the ledger as it is now. Raises TransientError while that is away."""
        with self.ledger.transaction() as tx:
            names = ("kind", "system", "id", "code", "reason", "mend", "since")
            held = [dict(zip(names, row, strict=True)) for row in tx.rows(HELD, (MOST,))]
            values = cash.held_worth(tx, self.worth)
            lag = cash.invoice_lag(tx)
        for row in held:
            row["reason"], row["mend"] = logs.masked(row["reason"] or ""), logs.masked(row["mend"] or "")
        return self._template.render(held=held, values=values, lag=lag, most=MOST).encode()

    @cached_property
    def _password(self) -> str:
        return self.password()

    @cached_property
    def _template(self) -> Template:
        text = files("sync_workers.web").joinpath("console.html").read_text(encoding="utf-8")
        return Environment(autoescape=True).from_string(text)
