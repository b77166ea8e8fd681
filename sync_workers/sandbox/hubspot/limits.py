"""Rate limits: what is left, the headers that say so, and the two shapes of 429.

Search has its own limit and carries no rate headers. A refused call costs nothing.
Source: developers.hubspot.com, "API usage guidelines and limits"; SDK RetryDecorator for the
per-second message.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.wire import Reply, new_correlation_id

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.settings import Settings

DAILY = ("You have reached your daily limit.", "DAILY")
BURST = ("You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING")
SEARCH = ("You have reached your secondly limit.", "SECONDLY")
SECONDS_PER_DAY = 86_400


def throttled(message: str, policy: str) -> Reply:
    """Return the 429 for a policy; HubSpot documents no Retry-After on it."""
    body = {
        "status": "error",
        "message": message,
        "errorType": "RATE_LIMIT",
        "correlationId": new_correlation_id(),
        "policyName": policy,
        "requestId": secrets.token_hex(16),
    }
    return Reply(429, body)


class Limits:
    """Counts calls in rolling windows; the account's lock is held by the caller."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.calls: deque[float] = deque()
        self.searches: deque[float] = deque()
        self.day = 0
        self.today = 0

    def admit(self, *, is_search: bool) -> Reply | None:
        """Count one call, or return the answer that refuses it."""
        now = time.monotonic()
        self._forget(now)
        if self.settings.daily is not None and self.today >= self.settings.daily:
            return throttled(*DAILY)
        if is_search:
            if len(self.searches) >= self.settings.search_per_s:
                return throttled(*SEARCH)
            self.searches.append(now)
        else:
            if len(self.calls) >= self.settings.burst:
                refused = throttled(*BURST)
                refused.headers = self.headers()
                return refused
            self.calls.append(now)
        self.today += 1
        return None

    def headers(self) -> dict[str, str]:
        answer = {
            "X-HubSpot-RateLimit-Max": str(self.settings.burst),
            "X-HubSpot-RateLimit-Remaining": str(max(0, self.settings.burst - len(self.calls))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(self.settings.burst_window_s * 1000)),
        }
        if self.settings.daily is not None:
            answer["X-HubSpot-RateLimit-Daily"] = str(self.settings.daily)
            answer["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, self.settings.daily - self.today))
        return answer

    def _forget(self, now: float) -> None:
        while self.calls and self.calls[0] <= now - self.settings.burst_window_s:
            self.calls.popleft()
        while self.searches and self.searches[0] <= now - 1.0:
            self.searches.popleft()
        today = int(time.time() // SECONDS_PER_DAY)
        if today != self.day:
            self.day, self.today = today, 0
