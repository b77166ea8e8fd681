"""One webhook request: its body, its signatures, its answer. When to make it is up to ``delivery``.

Any 2xx counts as accepted; redirects are not followed.
Source: developers.hubspot.com, "Webhooks API" and "Validating requests from HubSpot".
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import requests

from sync_workers.sandbox.hubspot import signatures
from sync_workers.sandbox.hubspot.settings import Settings
from sync_workers.sandbox.hubspot.wire import Json

USER_AGENT = "HubSpot Connect 2.0 (http://dev.hubspot.com/) - WebhooksExecutorDaemon-executor"


@dataclass(frozen=True)
class Delivered:
    """One POST as it was made, with the exact bytes and headers; ``status`` is None when no answer came."""

    url: str
    headers: dict[str, str]
    body: bytes
    attempt: int
    status: int | None
    error: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def shown(self) -> Json:
        return {
            "url": self.url,
            "headers": self.headers,
            "events": json.loads(self.body),
            "attempt": self.attempt,
            "status": self.status,
            "error": self.error,
        }


def post(settings: Settings, events: list[Json], attempt: int, now_ms: int) -> Delivered:
    """Send events to the target and return what became of it; never raises for a target that fails."""
    url = settings.webhook_url
    numbered = [{**event, "attemptNumber": attempt} for event in events]
    body = json.dumps(numbered, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT} | signatures.headers(
        settings.client_secret, settings.signed_url or url, body, now_ms, version=settings.signature_version
    )
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url, data=body, headers=headers, timeout=settings.webhook_timeout_s, allow_redirects=False
            )
    except (requests.RequestException, UnicodeError) as error:
        return Delivered(url, headers, body, attempt, None, str(error))
    return Delivered(url, headers, body, attempt, answer.status_code)
