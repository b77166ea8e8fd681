"""Plain's error answers, sorted by what happens next."""

from __future__ import annotations

from sync_workers.connectors.failures import wait_asked
from sync_workers.connectors.http import Reply
from sync_workers.errors import Exists, PermanentError, SyncError, TransientError


def sort(reply: Reply, system: str) -> SyncError | None:
    """Sort by the error's code; None leaves it to the status."""
    document = reply.json if isinstance(reply.json, dict) else {}
    code, message = document.get("error"), f"{system}: {document.get('message', '')}"
    if code == "exists":
        return Exists(message, external_id=document.get("id"))
    if code == "stale":
        return TransientError(message, wait=wait_asked(reply.headers))
    if code in ("invalid", "unknown") and reply.status in (404, 422):
        return PermanentError(message, mend=str(document.get("mend", "")), field=document.get("field"))
    return None
