"""How one system is configured: the numbers and names of its ``[systems.NAME]`` table as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Requests per window and calls in flight that the whole fleet shares for one system."""

    requests: int | None = None
    window_s: float = 1.0
    in_flight: int | None = None


@dataclass(frozen=True)
class SystemSettings:
    """One ``[systems.NAME]`` table with its secrets resolved. ``options`` holds the platform's own names."""

    name: str
    platform: str
    base_url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    webhook_secret: str | None = None
    public_url: str | None = None
    limits: Limits = Limits()
    poll_s: Mapping[str, float] = field(default_factory=dict)
