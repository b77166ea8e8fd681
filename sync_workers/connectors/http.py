"""The one place where connectors speak HTTP.

Keeps a session per thread, holds each call to a wall-clock budget (``budget``), caps what comes
back, and sorts every failure into the classes of ``sync_workers.errors``: never sent, read failed,
write unsure, refused. A connector passes ``sort`` to look at its platform's own error bodies first.
Limits per window and circuits belong to the engine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import urllib3.exceptions

from sync_workers.connectors.bodies import MAX_BODY, UnreadableError, encode, parse
from sync_workers.connectors.budget import Budget, begin, begun, left_of, spending
from sync_workers.connectors.failures import EXCERPT, reason, wait_asked
from sync_workers.connectors.redaction import Redaction
from sync_workers.connectors.sockets import BudgetAdapter
from sync_workers.errors import PermanentError, SyncError, SystemDown, Throttled, TransientError, Unsure

PIECE = 64 * 1024
DEFAULT_BUDGET_S = 30.0
THROTTLED_WAIT = timedelta(seconds=5)


@dataclass(frozen=True)
class Reply:
    """One answer. ``json`` is None where the body is empty or was refused unparsed (see ``text``)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_ms: float
    json: Any = None

    @property
    def text(self) -> str:
        return self.body[:EXCERPT].decode("utf-8", "replace")


Sort = Callable[[Reply, bool], SyncError | None]
"""Looks at an answer of 300 and above (and whether the call wrote); None leaves it to the default."""

Slot = Callable[[float, bool], AbstractContextManager[None]]
"""Holds one call's place among all that the fleet may make; raises Throttled. Given the call's budget in seconds
and whether it completes a write that has begun: then it is worth waiting for as long as the budget lasts."""


class _Request(requests.PreparedRequest):
    """``target`` is what follows the host in ``url``. No hooks and no cookies, so none are gone through."""

    target: str


@dataclass
class _Kept(threading.local):
    """A thread's own session; after a fork the child must not share the parent's sockets."""

    session: requests.Session | None = None
    pid: int = 0


@dataclass
class Http:
    """Calls to one system. ``headers`` go with each call; ``secrets`` never appear in what we raise.

    ``slot`` is set by whoever shares the system's limits; None: calls go out as they come.
    """

    system: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Iterable[str | None] = ()
    sort: Sort | None = None
    ca_file: str | None = None
    proxy: str | None = None
    max_body: int = MAX_BODY
    slot: Slot | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PermanentError(
                f"{self.system}: base_url {self.base_url!r} is no http(s) address",
                mend=f"set base_url of [systems.{self.system}] to https://...",
            )
        self.base_url = self.base_url.rstrip("/")
        self.redact = Redaction([*self.secrets, parts.password])
        self._kept = _Kept()
        whole = requests.PreparedRequest()
        whole.prepare_url(self.base_url, None)
        self._root = (whole.url or "").removesuffix(whole.path_url)
        self._targets: dict[str, str] = {}
        self._headers = {
            "Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "sync-workers", **self.headers,
        }

    def call(
        self,
        method: str,
        path: str,
        *,
        writes: bool,
        json: Any = None,
        params: Mapping[str, str | int | Iterable[str]] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        budget_s: float = DEFAULT_BUDGET_S,
        accept: Collection[int] = (),
    ) -> Reply:
        """Make one call and return its answer, if 2xx or in ``accept``; everything else is raised, sorted.

        ``writes`` decides what a failure after the first byte means: Unsure, else TransientError.
        ``path`` starts with a slash; a whole URL is refused so that credentials stay with their host.
        """
        request = self._prepare(method, path, json, params, form, headers)
        with self.slot(left_of(budget_s), begun()) if self.slot is not None else nullcontext():
            reply = self._call(request, method, path, writes, budget_s, accept)
        if writes:
            begin()
        return reply

    def _call(
        self,
        request: requests.PreparedRequest,
        method: str,
        path: str,
        writes: bool,
        budget_s: float,
        accept: Collection[int],
    ) -> Reply:
        started = time.monotonic()
        with spending(Budget(budget_s)) as budget:
            reply, broken = self._exchange(request, budget, started)
        if reply is None:
            raise self._lost(method, path, broken, writes and budget.sent, budget.sent)
        if 200 <= reply.status < 300 and broken is not None:
            raise self._lost(method, path, broken, writes, True)
        if 200 <= reply.status < 300 or reply.status in accept:
            return reply
        raise self._sorted(method, path, reply, writes)

    def _prepare(
        self, method: str, path: str, json: Any, params: Any, form: Any, headers: Mapping[str, str] | None
    ) -> requests.PreparedRequest:
        if not path.startswith("/"):
            raise ValueError(f"a path must start with a slash: {path!r}")
        request = _Request()
        request.method = method
        target = self._targets.get(path)
        if target is None:
            request.prepare_url(self.base_url + path, None)
            target = request.path_url
            if len(self._targets) < 256 and not params:  # paths of collections recur, those of records do not
                self._targets[path] = target
        if params:
            target += ("&" if "?" in target else "?") + urlencode(params, doseq=True)
        request.target, request.url = target, self._root + target
        sent = dict(self._headers)
        if json is not None:
            request.body = encode(json)
            sent["Content-Type"] = "application/json"
        elif form is not None:
            request.body = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        if request.body is not None or method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = str(len(request.body or b""))
        if headers:
            sent.update(headers)
        request.headers = sent  # type: ignore[assignment]  # every name is written in one way here
        return request

    def _session(self) -> requests.Session:
        kept = self._kept
        if kept.session is None or kept.pid != os.getpid():
            session = requests.Session()
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            adapter = BudgetAdapter()
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            kept.session, kept.pid = session, os.getpid()
        return kept.session

    def _exchange(
        self, request: requests.PreparedRequest, budget: Budget, started: float
    ) -> tuple[Reply | None, Exception | None]:
        """Return the answer, or what went wrong; both when the status came but its body is unusable."""
        adapter = self._session().get_adapter(request.url or "")
        try:
            # The adapter, not the session: no redirects, no cookies, no environment to merge per call.
            response = adapter.send(
                request,
                stream=True,
                timeout=budget.left(),
                verify=self.ca_file or True,
                proxies={"http": self.proxy, "https": self.proxy} if self.proxy else None,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return None, error
        body, broken = b"", None
        try:
            body = self._read(response, budget)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnreadableError) as error:
            broken = error
            response.close()
        parsed = None
        if broken is None and body:
            try:
                parsed = parse(body)
            except UnreadableError as error:
                broken = error
        took_ms = (time.monotonic() - started) * 1000
        return Reply(response.status_code, response.headers, body, took_ms, parsed), broken

    def _read(self, response: requests.Response, budget: Budget) -> bytes:
        """Read the body in pieces; a compressed one is capped by what it unpacks to."""
        pieces, size = [], 0
        for piece in response.raw.stream(PIECE, decode_content=True):
            size += len(piece)
            if size > self.max_body:
                raise UnreadableError(f"the answer is larger than {self.max_body} bytes")
            pieces.append(piece)
            budget.left()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _lost(self, method: str, path: str, error: Exception | None, unsure: bool, sent: bool) -> SyncError:
        what = self.redact(f"{self.system}: {method} {path}: {reason(error)}")
        if unsure:
            return Unsure(f"{what}; the call may have been carried out")
        if not sent:
            return TransientError(
                f"{what}; nothing was sent", mend=f"check that {self.system} can be reached", outage=True
            )
        return TransientError(what, outage=True)

    def _sorted(self, method: str, path: str, reply: Reply, writes: bool) -> SyncError:
        if self.sort is not None:
            sorted_by_platform = self.sort(reply, writes)
            if sorted_by_platform is not None:
                sorted_by_platform.message = self.redact(sorted_by_platform.message)
                sorted_by_platform.args = (sorted_by_platform.message,)
                sorted_by_platform.mend = self.redact(sorted_by_platform.mend)
                return sorted_by_platform
        status = reply.status
        what = self.redact(f"{self.system}: {method} {path}: HTTP {status}: {reply.text}")
        wait = wait_asked(reply.headers)
        if status == 429:
            return Throttled(what, wait=wait or THROTTLED_WAIT)
        if status in (401, 403):
            return SystemDown(what, mend=f"renew the credentials of {self.system} or grant them this right")
        if 300 <= status < 400:
            return SystemDown(what, mend=f"base_url of {self.system} redirects: set it to where it leads")
        if status >= 500 or status == 408:
            if writes:
                return Unsure(f"{what}; the call may have been carried out")
            return TransientError(what, wait=wait, outage=True)
        if status in (409, 412, 423, 425):
            return TransientError(what, wait=wait)
        return PermanentError(what)
