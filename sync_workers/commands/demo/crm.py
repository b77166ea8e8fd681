"""The simulated HubSpot account as the demo uses it: its people at the screen, and its API for the accounts.

What people do goes through the simulator's side door; what is counted goes through the real paths
with the token, as any other program would ask.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from sync_workers.sandbox.hubspot.settings import Settings
from sync_workers.sandbox.processes import POLITELY, Place, Running

Json = dict[str, Any]
PAGE = 100
ANSWER_WITHIN_S = 30.0
# The largest account allows 250 requests in 10 s and 5 searches a second: with these the first load of 200
# parts would take minutes. A demo has less time than a go-live weekend.
BURST, SEARCH_PER_S = 1500, 100
RETRIES_SCALE = 0.02  # HubSpot retries a delivery within minutes to hours; a demo has seconds


class Crm:
    """A running account. ``stop`` ends its process."""

    def __init__(self, url: str, running: Running) -> None:
        self.url = url
        self.defaults = Settings()
        self._running = running
        self._http = requests.Session()
        self._http.trust_env = False

    @classmethod
    def start(cls, folder: Path) -> Crm:
        """Start an empty account in a process of its own."""
        place = Place(folder)
        port = place.port()
        argv = [sys.executable, "-m", "sync_workers.sandbox.hubspot", "--port", str(port)]
        argv += ["--webhook-retry-scale", str(RETRIES_SCALE)]
        argv += ["--burst", str(BURST), "--search-per-s", str(SEARCH_PER_S)]
        running = place.spawn(argv)
        crm = cls(f"http://127.0.0.1:{port}", running)
        place.await_ready(running, crm.is_answering)
        return crm

    def stop(self) -> None:
        self._http.close()
        self._running.end(POLITELY)

    def is_answering(self) -> bool:
        try:
            return self._http.get(f"{self.url}/sandbox/settings", timeout=2).ok
        except requests.RequestException:  # not listening yet
            return False

    # -- people at the screen

    def records(self, kind: str) -> list[Json]:
        """Return every record of a type with all its properties, as the screen lists them."""
        return list(self._door("GET", f"records/{kind}")["results"])

    def whole(self, kind: str, record_id: str) -> Json:
        """Return one record with every property and the ids of all that is linked to it, by type."""
        return self._door("GET", f"records/{kind}/{record_id}")

    def create(self, kind: str, properties: Mapping[str, str], links: Sequence[tuple[str, ...]] = ()) -> str:
        body = {"properties": dict(properties), "links": [list(link) for link in links]}
        return str(self._door("POST", f"records/{kind}", body)["id"])

    def edit(self, kind: str, record_id: str, **properties: str) -> None:
        self._door("PATCH", f"records/{kind}/{record_id}", {"properties": properties})

    def win(self, deal_id: str) -> None:
        """Drag a deal to the stage that means won."""
        self.move(deal_id, "closedwon")

    def move(self, deal_id: str, stage: str) -> None:
        """Drag a deal to a stage."""
        self._door("POST", f"deals/{deal_id}/stage", {"stage": stage})

    def merge(self, kind: str, primary: str, other: str) -> str:
        """Merge two records, and return the id of what they became, which may be a new one."""
        return str(self._door("POST", f"records/{kind}/merge", {"primary": primary, "other": other})["id"])

    def delete(self, kind: str, record_id: str) -> None:
        self._door("DELETE", f"records/{kind}/{record_id}")

    def restore(self, kind: str, record_id: str) -> None:
        self._door("POST", f"records/{kind}/{record_id}/restore")

    def linked(self, kind: str, record_id: str, target: str) -> list[Json]:
        """Return the properties of what is linked to a record, oldest first; ``id`` is among them."""
        ids = sorted(self.whole(kind, record_id)["links"].get(target, ()), key=int)
        return [{**self.whole(target, each)["properties"], "id": each} for each in ids]

    def associated(self, kind: str, record_id: str, target: str) -> list[Json]:
        """Return what is linked to a record, each with the ``labels`` of its link."""
        return list(self._door("GET", f"records/{kind}/{record_id}/associated/{target}")["results"])

    def set(self, **settings: object) -> None:
        """Turn a knob of the account: how its webhooks come."""
        self._door("PATCH", "settings", settings)

    def deliveries(self, what: str) -> None:
        """``pause`` or ``resume`` the webhooks."""
        self._door("POST", f"webhooks/{what}")

    def undelivered(self) -> int:
        """Count the webhook events that the account has not got rid of yet."""
        return int(self._door("GET", "webhooks")["queued"])

    # -- the API

    def listed(self, kind: str, properties: Sequence[str]) -> Iterator[Json]:
        """Yield every record of a type through the API, page by page."""
        after: str | None = None
        while True:
            params = {"limit": str(PAGE), "properties": ",".join(properties)} | ({"after": after} if after else {})
            page = self._api("GET", f"/crm/v3/objects/{kind}", params=params)
            yield from page["results"]
            after = page.get("paging", {}).get("next", {}).get("after")
            if after is None:
                return

    def deal_lines(self, deal_id: str) -> list[Json]:
        """Return the line items of a deal through the API."""
        linked = self._api("GET", f"/crm/v4/objects/deals/{deal_id}/associations/line_items")["results"]
        if not linked:
            return []
        body = {
            "inputs": [{"id": str(link["toObjectId"])} for link in linked],
            "properties": ["hs_sku", "quantity", "price", "unit"],
        }
        found = self._api("POST", "/crm/v3/objects/line_items/batch/read", json=body)["results"]
        return [each["properties"] for each in found]

    def _api(self, method: str, path: str, **options: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.defaults.token}"}
        while True:
            reply = self._http.request(
                method, f"{self.url}{path}", headers=headers, timeout=ANSWER_WITHIN_S, **options
            )
            if reply.status_code != requests.codes.too_many:
                break
            time.sleep(1.0)  # the fleet and we share the limit
        reply.raise_for_status()
        return dict(reply.json())

    def _door(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        reply = self._http.request(method, f"{self.url}/sandbox/{path}", json=body, timeout=ANSWER_WITHIN_S)
        reply.raise_for_status()
        return dict(reply.json()) if reply.content else {}
