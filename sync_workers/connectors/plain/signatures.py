"""How plain signs its deliveries: HMAC-SHA256 over ``timestamp.body`` with whole-second time stamps.

Both ends of our own protocol use this one definition.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from sync_workers.connectors.contract import Request
from sync_workers.errors import Refused

SIGNATURE = "x-plain-signature"
TIMESTAMP = "x-plain-timestamp"
WINDOW = timedelta(minutes=5)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


def headers(secret: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the two headers that prove one delivery."""
    timestamp = str(int(at.timestamp()))
    return {TIMESTAMP: timestamp, SIGNATURE: sign(secret, timestamp, body)}


def verify(secret: str, request: Request) -> None:
    """Raise Refused unless the raw bytes are signed and the stamp is inside the window, on both sides."""
    timestamp = request.headers.get(TIMESTAMP, "")
    given = request.headers.get(SIGNATURE, "")
    if not timestamp or not given:
        raise Refused(f"the delivery lacks {SIGNATURE} or {TIMESTAMP}")
    if not hmac.compare_digest(sign(secret, timestamp, request.body).encode(), given.encode()):
        raise Refused("the signature does not fit the body")
    # Compared after the signature: an unsigned stamp proves nothing, so it earns no message of its own.
    if (
        not timestamp.isdecimal()
        or abs(request.received_at.timestamp() - int(timestamp)) > WINDOW.total_seconds()
    ):
        raise Refused("the delivery's time stamp is outside the window of five minutes")
