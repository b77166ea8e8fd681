"""Keep secrets out of errors, logs and the ledger.

Knows the values that one connector holds, and the names under which credentials usually travel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
SHORTEST = 4  # a shorter "secret" would mask innocent text everywhere

_NAMED = re.compile(
    r"""(?ix)
    ( ["']? (?: access_?token | refresh_?token | client_?secret | api_?key | hapikey | password | passwd
              | authorization | x-api-key | secret | token ) ["']? \s* [:=] \s* )
    ( "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?:bearer|basic)\s+[^\s,;&"']+ | [^\s,;&"'{}\[\]]+ )
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")


class Redaction:
    """Masks the given secrets, plain and URL-encoded, and whatever stands behind a credential's name."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        known = {secret for secret in secrets if secret and len(secret) >= SHORTEST}
        known |= {quote(secret, safe="") for secret in known}
        # the longest first: one secret may begin with another
        self._secrets = sorted(known, key=len, reverse=True)

    def also(self, secret: str) -> Redaction:
        """Return a redaction that masks one more (a token that was just issued)."""
        return Redaction([*self._secrets, secret])

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        return _NAMED.sub(rf"\1{MASK}", text)
