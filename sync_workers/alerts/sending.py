"""From the outbox to the channels: what is due goes out, what cannot stays there and says why.

Safe to run twice and side by side: the outbox hands each alert to one sender at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sync_workers import logs
from sync_workers.alerts.channels import Channels

log = logs.get(__name__)

NO_CHANNEL = "no alert channel: set SYNC_ALERT_URLS (https://appriseit.com lists what it takes)"
ONE_BY_ONE = 10  # a flood of different incidents: the gravest by themselves, the rest in one message
LISTED = 40


class Told(Protocol):
    """An alert as the outbox gives it."""

    @property
    def incident(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def closed_at(self) -> datetime | None: ...
    @property
    def sent_at(self) -> datetime | None: ...


T = TypeVar("T", bound=Told)


class Outbox(Protocol[T]):
    """Where alerts wait (``ledger.alerts.Outbox``); each call is a transaction of its own."""

    def take(self) -> list[T]: ...
    def sent(self, alert: T, error: str | None) -> None: ...
    def failed(self, alert: T, error: str) -> None: ...
    def unsendable(self, reason: str) -> int: ...


@dataclass(frozen=True)
class Sent:
    """What one round did. ``failed`` alerts are tried again by themselves; ``error`` says what to mend."""

    sent: int = 0
    failed: int = 0
    error: str | None = None


def send_due(outbox: Outbox[T], urls: Sequence[str]) -> Sent:
    """Send what is due. An alert is out when one channel took it; a channel that did not is named with it."""
    channels = Channels(urls)
    if not channels:
        reason = NO_CHANNEL
        if channels.unusable:
            reason = f"Apprise does not understand {', '.join(channels.unusable)}: correct it in the environment"
        waiting = outbox.unsendable(reason)
        if waiting:
            log.error("Alerts cannot be sent", waiting=waiting, why=reason)
        return Sent(0, waiting, reason)
    sent, failed, error = 0, 0, None
    alerts = outbox.take()
    groups = [[alert] for alert in alerts[:ONE_BY_ONE]]
    if alerts[ONE_BY_ONE:]:
        groups.append(alerts[ONE_BY_ONE:])
    for group in groups:
        title, body = _text(group[0]) if len(group) == 1 else _digest(group)
        taken, refused = channels.send(logs.masked(title), logs.masked(body), group[0].severity)
        error = f"not taken by {', '.join(refused)}" if refused else None
        for alert in group:
            if taken:
                outbox.sent(alert, error)
                sent += 1
            else:
                outbox.failed(alert, error or "no channel took it")
                failed += 1
    if failed:
        log.error("Alerts were not taken", failed=failed, why=error)
    return Sent(sent, failed, error)


def _text(alert: Told) -> tuple[str, str]:
    lines = [alert.body] if alert.body else []
    since = f"{alert.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    if alert.closed_at is not None:
        lines.append(f"Over by itself at {alert.closed_at:%H:%M:%S}; it began at {since}.")
    elif alert.sent_at is not None:
        lines.append(f"It goes on: {alert.count} times since {since}.")
    else:
        lines.append(f"Since {since}" + (f", {alert.count} times so far." if alert.count > 1 else "."))
    lines.append(f"Incident {alert.incident} ({alert.severity}). All open ones: sync-workers status")
    return alert.subject, "\n".join(lines)


def _digest(alerts: Sequence[Told]) -> tuple[str, str]:
    lines = [f"{alert.severity}: {alert.subject} ({alert.count})" for alert in alerts[:LISTED]]
    if len(alerts) > LISTED:
        lines.append(f"and {len(alerts) - LISTED} more")
    lines.append("What to do about each: sync-workers status, sync-workers dead list")
    return f"{len(alerts)} more incidents", "\n".join(lines)
