"""Telling people: what the outbox holds goes out through Apprise, once per incident, until it is out."""

from sync_workers.alerts.channels import Channels
from sync_workers.alerts.sending import Sent, send_due

__all__ = ["Channels", "Sent", "send_due"]
