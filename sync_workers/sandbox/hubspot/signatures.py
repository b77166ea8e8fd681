"""How HubSpot signs what it sends, in the three versions that are in use.

Source: developers.hubspot.com, "Validating requests from HubSpot"; hubspot-api-python,
``hubspot/utils/signature.py``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign_v1(secret: str, body: bytes) -> str:
    return hashlib.sha256(secret.encode() + body).hexdigest()


def sign_v2(secret: str, method: str, uri: str, body: bytes) -> str:
    return hashlib.sha256(f"{secret}{method}{uri}".encode() + body).hexdigest()


def sign_v3(secret: str, method: str, uri: str, body: bytes, timestamp_ms: int | str) -> str:
    text = f"{method}{uri}".encode() + body + str(timestamp_ms).encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def headers(secret: str, uri: str, body: bytes, timestamp_ms: int, *, version: str) -> dict[str, str]:
    """Return the signature headers of one POST; ``version`` picks what the old header carries."""
    old = sign_v1(secret, body) if version == "v1" else sign_v2(secret, "POST", uri, body)
    return {
        "X-HubSpot-Signature": old,
        "X-HubSpot-Signature-Version": version,
        "X-HubSpot-Signature-v3": sign_v3(secret, "POST", uri, body, timestamp_ms),
        "X-HubSpot-Request-Timestamp": str(timestamp_ms),
    }
