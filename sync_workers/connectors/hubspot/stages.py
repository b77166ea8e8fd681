"""What a deal's stage means: won, lost, or open. Asked of the pipelines, never told by a stage's name.

Source: developers.hubspot.com, "Pipelines API": ``isClosed`` and ``probability`` of a deal stage.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sync_workers.connectors.hubspot.wire import Wire

KEPT_S = 600.0
WON, LOST, OPEN = "won", "lost", "open"


class Stages:
    """The outcomes of one account's stages, kept for ten minutes; ``won_stages`` names those that mean won."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        named = wire.options.get("won_stages")
        self._named_won = frozenset(str(stage) for stage in named) if named is not None else None
        self._outcomes: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    def outcome(self, stage: Any) -> str:
        """Return ``won``, ``lost`` (closed with probability 0) or ``open``."""
        if self._named_won is not None and stage in self._named_won:
            return WON
        if time.monotonic() - self._asked_at > KEPT_S:
            self._ask()
        found = self._outcomes.get(str(stage), OPEN)
        return OPEN if found == WON and self._named_won is not None else found

    def _ask(self) -> None:
        document = self._wire.get("/crm/v3/pipelines/deals") or {}
        self._outcomes = {
            str(stage["id"]): _outcome(stage.get("metadata") or {})
            for pipeline in document.get("results", ())
            for stage in pipeline.get("stages", ())
        }
        self._asked_at = time.monotonic()


def _outcome(metadata: Mapping[str, Any]) -> str:
    if str(metadata.get("isClosed", "")).lower() != "true":
        return OPEN
    try:
        probability = float(metadata.get("probability", "nan"))
    except (TypeError, ValueError):
        return OPEN
    return WON if probability == 1.0 else LOST if probability == 0.0 else OPEN
