"""HubSpot's error answers, sorted by what happens next.

Source: developers.hubspot.com, "Error handling" and "API usage guidelines and limits"; the texts
of conflicts are not documented and come from public captures, so that an unknown text falls back
to the status.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync_workers.connectors.failures import wait_asked
from sync_workers.connectors.http import Reply
from sync_workers.errors import Exists, PermanentError, SyncError, SystemDown, Throttled, TransientError

_TAKEN = re.compile(r"(?:(\d+) already has that value|Existing ID:\s*(\d+))", re.IGNORECASE)
BURST_WAIT = timedelta(seconds=10)
SECONDLY_WAIT = timedelta(seconds=1)
LOCKED_WAIT = timedelta(seconds=2)


def until_midnight(zone: str, now: datetime | None = None) -> timedelta:
    """Return how long the daily limit lasts: it ends at midnight in the account's zone."""
    here = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone))
    midnight = datetime.combine(here.date() + timedelta(days=1), time(), here.tzinfo)
    return midnight.astimezone(UTC) - here.astimezone(UTC)


def throttle_wait(reply: Reply, document: dict[str, Any], zone: str) -> timedelta:
    asked = wait_asked(reply.headers)
    if asked is not None:
        return asked
    policy, message = str(document.get("policyName", "")), str(document.get("message", ""))
    if policy == "DAILY":
        return until_midnight(zone)
    told = f"{policy} {message}".lower()
    if "secondly" in told and "ten_secondly" not in told:
        return SECONDLY_WAIT
    return BURST_WAIT


def conflict_of(message: str) -> Exists | None:
    """Recognise 'there is one already' in a message, with the id that it names."""
    taken = _TAKEN.search(message)
    if taken is None:
        return None
    return Exists(f"HubSpot: {message}", external_id=taken.group(1) or taken.group(2))


def field_of(document: dict[str, Any]) -> str | None:
    """Return the property that an error is about, as the path that the sheets use."""
    contexts = [document.get("context") or {}]
    contexts += [each.get("context") or {} for each in document.get("errors") or () if isinstance(each, dict)]
    for context in contexts:
        for key in ("propertyName", "name"):
            named = context.get(key)
            if isinstance(named, list) and named:
                return f"properties.{named[0]}"
    found = re.search(r'"name"\s*:\s*"([A-Za-z0-9_]+)"', str(document.get("message", "")))
    found = found or re.search(r'[Pp]roperty "([a-z0-9_]+)"', str(document.get("message", "")))
    return f"properties.{found.group(1)}" if found else None


def sort(status: int, document: dict[str, Any], system: str) -> SyncError | None:
    """Sort one error, of a whole answer or of one row of a 207; None leaves it to the status."""
    category = str(document.get("category", ""))
    message = " ".join(
        [str(document.get("message", ""))]
        + [str(each.get("message", "")) for each in document.get("errors") or () if isinstance(each, dict)]
    ).strip()
    told = f"{system}: {message or f'HTTP {status}'}"
    if status in (400, 409) or category in ("VALIDATION_ERROR", "CONFLICT"):
        exists = conflict_of(message)
        if exists is not None or status == 409 or category == "CONFLICT":
            return exists or Exists(told)
    if status == 401:
        return SystemDown(told, mend=f"renew the token of {system}")
    if status == 403 or category == "MISSING_SCOPES":
        return PermanentError(told, mend=f"grant the app of {system} the scopes that the message names")
    if status == 423:
        return TransientError(told, wait=LOCKED_WAIT)
    if status == 404 or category == "OBJECT_NOT_FOUND":
        return PermanentError(
            told, mend="it was deleted or never existed: restore it in HubSpot, then requeue"
        )
    if category == "RATE_LIMITS":
        return Throttled(told, wait=BURST_WAIT)
    if category == "VALIDATION_ERROR" or status == 400:
        field = field_of(document)
        return PermanentError(told, field=field, mend=f"correct {field or 'the value'}, then requeue")
    return None
