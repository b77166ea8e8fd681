"""The state of one simulated HubSpot account, and the lock that guards it.

Holds the parts together and keeps the counters; each part's rules live in its own module.
Anything that reads or changes records does so inside ``with account.lock``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

from sync_workers.sandbox.hubspot import catalogue
from sync_workers.sandbox.hubspot.associations import Associations
from sync_workers.sandbox.hubspot.delivery import Delivery
from sync_workers.sandbox.hubspot.faults import Faults
from sync_workers.sandbox.hubspot.limits import Limits
from sync_workers.sandbox.hubspot.notices import Notices
from sync_workers.sandbox.hubspot.oauth import Tokens
from sync_workers.sandbox.hubspot.object_types import ObjectTypes
from sync_workers.sandbox.hubspot.person import Person
from sync_workers.sandbox.hubspot.pipelines import Pipelines
from sync_workers.sandbox.hubspot.properties import Definitions
from sync_workers.sandbox.hubspot.record import Origin
from sync_workers.sandbox.hubspot.records import Records
from sync_workers.sandbox.hubspot.settings import Settings
from sync_workers.sandbox.hubspot.subscriptions import Subscriptions
from sync_workers.sandbox.hubspot.wire import Json, iso

KEPT_REQUESTS = 2_000
SAVED_PARTS = (
    "types",
    "definitions",
    "pipelines",
    "records",
    "associations",
    "subscriptions",
    "tokens",
    "delivery",
)


class Account:
    """Everything one portal knows. Start it empty, or ``load`` what an earlier one saved."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.lock = threading.RLock()
        self.settings = settings or Settings()
        self.faults = Faults()
        self._build()

    def _build(self) -> None:
        self.started_ms = self.now_ms()
        self.dirty = True
        self.types = ObjectTypes()
        self.definitions = Definitions()
        self.pipelines = Pipelines()
        self.records = Records(self)
        self.associations = Associations(self)
        self.subscriptions = Subscriptions(self)
        self.tokens = Tokens(self)
        self.limits = Limits(self.settings)
        self.notices = Notices(self)
        self.delivery = Delivery(self)
        self.requests: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.request_log: deque[Json] = deque(maxlen=KEPT_REQUESTS)

    def person(self, user_id: int = 1) -> Person:
        """Return someone at the screen, whose edits are CRM_UI edits."""
        return Person(self, user_id)

    @property
    def api(self) -> Origin:
        """The origin of every write that comes through the API: our own app."""
        return Origin("INTEGRATION", str(self.settings.app_id))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def touch(self) -> None:
        self.dirty = True

    def count_write(self, what: str, kind: catalogue.ObjectType, origin: Origin) -> None:
        who = "api" if origin.source == "INTEGRATION" else "ui"
        self.writes[f"{who} {what} {kind.name}"] += 1

    def written_by_api(self) -> int:
        """Count the API writes that changed something; a settled pair of systems adds none."""
        with self.lock:
            return sum(
                n
                for key, n in self.writes.items()
                if key.startswith("api ") and not key.startswith("api unchanged")
            )

    def subscribe(self, event_type: str, *property_names: str, object_type: str = "") -> None:
        """Add active subscriptions, one per property for a propertyChange; switch on those that exist.

        ``object_type`` goes with the generic events (``object.creation``); here, as in the settings of a
        private app, it may be a custom object.
        """
        with self.lock:
            type_id = self.types.named(object_type).type_id if object_type else None
            for name in property_names or (None,):
                wanted = (event_type, name, type_id)
                found = [each for each in self.subscriptions.by_id.values() if each.subject == wanted]
                if found:
                    found[0].active = True
                else:
                    self.subscriptions.add(event_type, name, active=True, object_type_id=type_id)

    def refresh_index(self) -> None:
        """Let the search see everything at once, as if its lag had passed."""
        with self.lock:
            for mine in self.records.by_type.values():
                for record in mine.values():
                    record.indexed = [(0, record.values.copy())]

    def reset(self) -> None:
        """Forget records, definitions, subscriptions, faults and counters; settings stay."""
        self.delivery.stop()
        with self.lock:
            self.faults.clear()
            self._build()
        self.delivery.start()

    def text(self) -> str:
        """Return the whole state as JSON text, made under the lock: the parts lend their live values."""
        with self.lock:
            parts: Json = {name: getattr(self, name).dump() for name in SAVED_PARTS}
            return json.dumps({"settings": self.settings.dump(), "saved_at": iso(self.now_ms()), **parts})

    def dump(self) -> Json:
        """Return a copy of the whole state as JSON values."""
        state: Json = json.loads(self.text())
        return state

    def load(self, saved: dict[str, Any]) -> None:
        """Take over a saved state; settings given at start win over saved ones."""
        with self.lock:
            for name in SAVED_PARTS:
                getattr(self, name).load(saved[name])

    def save(self, path: Path) -> None:
        """Write the state in one step: a reader sees the old file or the new one, never half of it."""
        with self.lock:
            self.dirty = False
            text = self.text()
        beside = path.with_name(f"{path.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
