"""JSON-RPC to a Tryton server, as its desktop client speaks it.

For the seeder, the people of the demo and the tests; the product's own connector shares nothing with
it, so that one proves the other. A call is sent once, but for one that the server undid since somebody
else held a lock: that is sent again, as a person would press again.
Source: trytond 8.2, ``trytond/protocols/jsonrpc.py`` and ``trytond/protocols/dispatcher.py``.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from sync_workers.errors import SyncError

CALL_WITHIN_S = 120.0
BUSY = ("could not obtain lock", "could not serialize access", "deadlock detected")
PRESS_AGAIN_AFTER_S = 0.5
GIVE_UP_AFTER_S = 60.0

Row = dict[str, Any]


class TrytonError(SyncError):
    """The server answered with an error. ``kind`` is its class there: UserError, UserWarning ..."""

    def __init__(self, kind: str, message: str, details: Sequence[Any] = (), *, mend: str = "") -> None:
        super().__init__(f"{kind}: {message}", mend=mend)
        self.kind = kind
        self.details = details


class Rpc:
    """One user's session with one database."""

    def __init__(self, url: str, database: str, user: str, password: str) -> None:
        self.url = url
        self.database = database
        self.user = user
        self._http = requests.Session()
        self._http.trust_env = False
        number, token, *_ = self._post("common.db.login", [user, {"password": password}, "en"])
        self.user_id = int(number)
        session = base64.b64encode(f"{user}:{number}:{token}".encode()).decode()
        self._http.headers["Authorization"] = f"Session {session}"
        self.context: Row = {"language": "en"}
        self.refresh_context()

    def refresh_context(self) -> None:
        """Take the user's company and other preferences into the context of every call."""
        self.context = {"language": "en"} | self._post("model.res.user.get_preferences", [True, {}])

    def call(self, method: str, *params: Any, **context: Any) -> Any:
        """Call ``method`` (``model.party.party.read``) with the user's context and what is added to it."""
        return self._post(method, [*params, self.context | context])

    def create(self, model: str, *rows: Mapping[str, Any], **context: Any) -> list[int]:
        """Create the rows in one transaction and return their ids, in order."""
        return list(self.call(f"model.{model}.create", list(rows), **context))

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any], **context: Any) -> None:
        self.call(f"model.{model}.write", list(ids), values, **context)

    def find(self, model: str, domain: Sequence[Any], **context: Any) -> list[int]:
        """Return the ids that match, in the order of their ids."""
        return list(self.call(f"model.{model}.search", list(domain), 0, None, [["id", "ASC"]], **context))

    def one(self, model: str, domain: Sequence[Any]) -> int:
        """Return the id of the only match. TrytonError when there is none or more than one."""
        found = self.find(model, domain)
        if len(found) != 1:
            raise TrytonError("NotOne", f"{len(found)} records of {model} match {domain!r}")
        return found[0]

    def read(self, model: str, ids: Sequence[int], *fields: str, **context: Any) -> list[Row]:
        """Return one row per id, in the order of ``ids``."""
        rows = self.call(f"model.{model}.read", list(ids), list(fields), **context)
        by_id = {row["id"]: row for row in rows}
        return [by_id[number] for number in ids]

    def press(self, model: str, button: str, *ids: int, **context: Any) -> Any:
        """Press a button of a form for these records."""
        return self.call(f"model.{model}.{button}", list(ids), **context)

    def press_through(self, model: str, button: str, *ids: int) -> Any:
        """Press a button and say yes to what the ERP asks before it does so."""
        return self.insist(f"model.{model}.{button}", list(ids))

    def insist(self, method: str, *params: Any) -> Any:
        """Call ``method`` and say yes, once, to each thing that the ERP asks before it does so."""
        answered: set[str] = set()
        while True:
            try:
                return self.call(method, *params)
            except TrytonError as asked:
                if asked.kind != "UserWarning" or asked.details[0] in answered:
                    raise
                answered.add(asked.details[0])
                self.call("model.res.user.warning.skip", asked.details[0], False)

    def data_id(self, module: str, name: str) -> int:
        """Return the id of a record that a module brought with it."""
        return int(self.call("model.ir.model.data.get_id", module, name))

    def close(self) -> None:
        self._post("common.db.logout", [])
        self._http.close()

    def _post(self, method: str, params: Sequence[Any]) -> Any:
        body = json.dumps({"id": 1, "method": method, "params": params}, default=_encode).encode()
        gives_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while _was_undone(reply := self._send(body)) and time.monotonic() < gives_up_at:
            time.sleep(PRESS_AGAIN_AFTER_S)
        if reply.status_code != requests.codes.ok:
            raise TrytonError(f"HTTP {reply.status_code}", f"{method}: {reply.text[:300]}")
        answer = json.loads(reply.content, object_hook=_decode)
        if "error" in answer:
            kind, details = answer["error"][0], answer["error"][1]
            said = details if isinstance(details, str) else " ".join(str(part) for part in details if part)
            raise TrytonError(kind, f"{method}: {said}", details if isinstance(details, list) else ())
        return answer["result"]

    def _send(self, body: bytes) -> requests.Response:
        return self._http.post(
            f"{self.url}/{self.database}/rpc/",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=CALL_WITHIN_S,
        )


def _was_undone(reply: requests.Response) -> bool:
    """Tell whether the database rolled the call back for a lock that another one held."""
    return reply.status_code == requests.codes.service_unavailable and any(text in reply.text for text in BUSY)


def _encode(value: Any) -> Any:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            moment = value.astimezone(UTC)
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime"} | {part: getattr(moment, part) for part in parts}
        case date():
            return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
        case timedelta():
            return {"__class__": "timedelta", "seconds": value.total_seconds()}
    raise TypeError(f"{value!r} cannot be sent to Tryton")


def _decode(found: Row) -> Any:
    kind = found.pop("__class__", None)
    match kind:
        case None:
            return found
        case "Decimal":
            return Decimal(found["decimal"])
        case "datetime":
            return datetime(**found, tzinfo=UTC)
        case "date":
            return date(**found)
        case "timedelta":
            return timedelta(seconds=found["seconds"])
        case "bytes" | "bytearray":
            return base64.b64decode(found["base64"])
    raise TrytonError("Unreadable", f"a value of class {kind!r}")
