"""What a failed call tells: why it failed, in a few words, and when to come back.

Which class of error that becomes is decided in ``http``, and by the connectors for their own platforms.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests
import urllib3.exceptions

EXCERPT = 300
LONGEST_WAIT = timedelta(days=1)


def wait_asked(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """Read Retry-After, in seconds or as a date (RFC 9110, 10.2.3); None when absent or unreadable."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        wait = at - (now or datetime.now(UTC))
    return min(max(wait, timedelta(0)), LONGEST_WAIT)


def reason(error: Exception | None) -> str:
    """Say what broke in a few words: the innermost cause, without the library's object dumps."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError | requests.Timeout):
            return "no answer within the time budget"
        context = None if cause.__suppress_context__ else cause.__context__
        inner = cause.__cause__ or context or _argument(cause)
        if inner is None:
            break
        cause = inner
    return f"{type(cause).__name__}: {cause}"[:EXCERPT]


def _argument(error: BaseException) -> BaseException | None:
    first = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return first if isinstance(first, BaseException) else None
