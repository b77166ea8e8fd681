"""What can be set on a simulated account: identity, credentials, limits, and how unkind it is.

Defaults are the numbers HubSpot documents; tests and the demo turn them. Every value may be
changed while the account runs (``PATCH /sandbox/settings``).
Source: developers.hubspot.com, "API usage guidelines and limits" and "Webhooks API".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class Settings:
    """The knobs of one account; times in seconds, shares between 0 and 1."""

    portal_id: int = 62515
    app_id: int = 54321
    token: str = "pat-na1-sandbox"  # noqa: S105 - opens nothing but this sandbox
    client_id: str = "sandbox-client-id"
    client_secret: str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"  # noqa: S105
    refresh_token: str = "sandbox-refresh-token"  # noqa: S105
    developer_key: str = "sandbox-developer-key"
    access_token_ttl_s: int = 1800

    burst: int = 110
    burst_window_s: float = 10.0
    daily: int | None = None
    """None as for OAuth apps, which have no daily limit and send no -Daily headers."""
    search_per_s: int = 5
    index_lag_s: float = 0.0
    inline_associations: int = 100

    webhook_url: str = ""
    signed_url: str = ""
    """The public URL that HubSpot believes it calls and signs; empty means ``webhook_url``."""
    signature_version: str = "v1"
    """Which of v1 and v2 goes into ``X-HubSpot-Signature``; v3 is always sent in its own header."""
    max_concurrent_requests: int = 10
    webhook_window_s: float = 0.05
    webhook_timeout_s: float = 5.0
    webhook_retry_scale: float = 1.0
    """Multiplies the waits of the real policy (10 retries over about a day)."""
    webhook_duplicates: float = 0.0
    webhook_shuffle: bool = False
    repeated_event_ids: float = 0.05
    """How many events reuse the eventId of the event before: HubSpot does not promise unique ones."""

    custom_objects: int = 10
    """How many the account may define; 0 as in every edition below Enterprise."""
    custom_object_scopes: bool = True
    """Whether the app was granted crm.schemas.custom and crm.objects.custom."""
    association_labels: bool = True
    """Whether labels can be defined, as from Professional on."""

    merge_makes_new_record: bool = True
    seed: int = 1

    def change(self, values: dict[str, Any]) -> None:
        """Set several knobs at once; an unknown name changes nothing and raises ValueError."""
        unknown = sorted(set(values) - {each.name for each in fields(self)})
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        for name, value in values.items():
            setattr(self, name, value)

    def dump(self) -> dict[str, Any]:
        return asdict(self)
