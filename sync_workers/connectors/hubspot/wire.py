"""Calls to the HubSpot API: credentials, paths, batches with their mixed answers.

Source: developers.hubspot.com, "OAuth", "Object APIs" and "Error handling", "Multi-status errors".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import SystemSettings
from sync_workers.connectors.http import DEFAULT_BUDGET_S, Http, Reply
from sync_workers.connectors.hubspot import refusals
from sync_workers.connectors.hubspot.objects import BATCH
from sync_workers.errors import SettingsError, SyncError, SystemDown, Throttled, TransientError, Unsure

TOKEN_SLACK_S = 120.0
"""A token is renewed this long before it ends, so that no call meets its end on the way."""

Json = dict[str, Any]


class Wire:
    """One account's API. Safe for many threads; an OAuth token is shared by them."""

    def __init__(self, settings: SystemSettings) -> None:
        options = settings.options
        self.system = settings.name
        self.options = options
        self.zone = str(options.get("time_zone", "UTC"))
        self._fixed = options.get("token")
        self._oauth = [options.get(name) for name in ("client_id", "client_secret", "refresh_token")]
        if not self._fixed and not all(self._oauth):
            raise SettingsError(
                f"[systems.{settings.name}] has no credentials for HubSpot",
                mend="set options token, or client_id, client_secret and refresh_token",
            )
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0
        secrets = [self._fixed, settings.webhook_secret, options.get("developer_key"), *self._oauth[1:]]
        self.http = Http(
            settings.name,
            settings.base_url,
            secrets=secrets,
            sort=self._sort,
            ca_file=options.get("ca_file"),
            proxy=options.get("proxy"),
        )
        self._redact = self.http.redact

    def call(
        self,
        method: str,
        path: str,
        *,
        writes: bool,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        budget_s: float = DEFAULT_BUDGET_S,
        accept: Sequence[int] = (),
    ) -> Reply:
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {self._bearer(budget_s)}"}
        left = budget_s - (time.monotonic() - started)
        return self.http.call(
            method,
            path,
            writes=writes,
            json=json,
            params=params,
            headers=headers,
            budget_s=left,
            accept=accept,
        )

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Json | None:
        """Return the object at ``path``, None when HubSpot denies that there is one."""
        reply = self.call("GET", path, writes=False, params=params, accept=(404,))
        return None if reply.status == 404 else self.table(reply, writes=False)

    def post(self, path: str, body: Json, *, writes: bool, budget_s: float = DEFAULT_BUDGET_S) -> Json:
        return self.table(self.call("POST", path, json=body, writes=writes, budget_s=budget_s), writes=writes)

    def read_batch(self, name: str, ids: Sequence[str], properties: Sequence[str]) -> Iterator[Json]:
        """Yield what exists of ``ids``, a hundred a call; absent ids are left out."""
        for start in range(0, len(ids), BATCH):
            inputs = [{"id": each} for each in ids[start : start + BATCH]]
            document = self.post(
                f"/crm/v3/objects/{name}/batch/read",
                {"inputs": inputs, "properties": list(properties), "propertiesWithHistory": []},
                writes=False,
            )
            self.refuse_partial(document)
            yield from document.get("results", ())

    def refuse_partial(self, document: Json) -> None:
        """Raise for rows of a batch that were not read: only what is not there may be left out, or it would
        look as if somebody had removed it."""
        for error in document.get("errors", ()):
            if error.get("category") != "OBJECT_NOT_FOUND":
                raise TransientError(f"{self.system}: a batch was read in part only: {error.get('message')}")

    def table(self, reply: Reply, *, writes: bool) -> Json:
        """Return the JSON object of an answer."""
        if isinstance(reply.json, dict):
            return reply.json
        message = f"{self.system}: HubSpot answered HTTP {reply.status} without a JSON object"
        raise Unsure(message) if writes else TransientError(message)

    def _sort(self, reply: Reply, writes: bool) -> SyncError | None:
        document = reply.json if isinstance(reply.json, dict) else {}
        if reply.status in (429, 477):
            wait = refusals.throttle_wait(reply, document, self.zone)
            return Throttled(f"{self.system}: {document.get('message', 'slow down')}", wait=wait)
        if reply.status == 401:
            self._ends = 0.0
        return None if reply.status >= 500 else refusals.sort(reply.status, document, self.system)

    def _bearer(self, budget_s: float) -> str:
        if self._fixed:
            return str(self._fixed)
        with self._lock:
            if time.monotonic() > self._ends - TOKEN_SLACK_S:
                self._renew(budget_s)
            return self._token

    def _renew(self, budget_s: float) -> None:
        client_id, client_secret, refresh_token = map(str, self._oauth)
        form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        reply = self.http.call(
            "POST", "/oauth/v1/token", form=form, writes=False, budget_s=budget_s, accept=(400, 401, 403)
        )
        if reply.status != 200 or not isinstance(reply.json, dict) or not reply.json.get("access_token"):
            raise SystemDown(
                f"{self.system}: HubSpot gave no access token (HTTP {reply.status})",
                mend=f"install the app again and renew refresh_token of [systems.{self.system}]",
            )
        self._token = str(reply.json["access_token"])
        self._ends = time.monotonic() + float(reply.json.get("expires_in", 1800))
        self.http.redact = self._redact.also(self._token)
