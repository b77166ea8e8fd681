"""Sockets, connections and an adapter that obey the budget in force.

Every read, every piece sent, each connect and the name look-up gets only what is left of the call's budget.
What is sent belongs to ``http``.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import certifi
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from sync_workers.connectors.budget import Budget, in_force

MAX_IDLE_S = 4.0
"""A kept connection idle for longer is renewed: common servers close at 5 s (uvicorn, Node.js), and a
request that crosses with such a close would leave a write unsure for nothing."""

LONGEST_PIECE = 64 * 1024  # a longer body is not copied behind its head


def _send_all(sock: Any, send: Callable[[Any], int], data: Any) -> None:
    budget = in_force()
    if budget is None:
        raise RuntimeError("a connector's socket was used outside of Http.call")
    with memoryview(data) as view, view.cast("B") as left:
        start = 0
        while start < len(left):
            sock.settimeout(budget.left())
            budget.sent = True
            start += send(left[start:])


class _PlainSocket(socket.socket):
    def recv_into(self, *args: Any, **options: Any) -> int:
        if (budget := in_force()) is not None:
            self.settimeout(budget.left())
        return super().recv_into(*args, **options)

    def sendall(self, data: Any, flags: int = 0) -> None:
        _send_all(self, super().send, data)


class _TlsSocket(_PlainSocket, ssl.SSLSocket):
    """The same, over TLS: what the plain one calls above it is then TLS's own."""


@lru_cache(maxsize=32)
def _tls_context(ca_file: str, verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = _TlsSocket
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _look_up(host: str, port: int, seconds: float) -> list[tuple[Any, ...]]:
    """Resolve within ``seconds``: getaddrinfo cannot be interrupted, so a name is asked for in a thread.

    Costs a thread per new connection to a name, none per call and none for an address.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    asker = threading.Thread(target=resolve, name=f"look up {host}", daemon=True)
    asker.start()
    asker.join(seconds)
    if not found:
        raise TimeoutError(f"no answer from the name server about {host}")
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])


def _connect(host: str, port: int, budget: Budget, options: Any, source: Any) -> socket.socket:
    """Try each address in turn within the one budget."""
    last: OSError | None = None
    for family, type_, protocol, _, address in _look_up(host, port, budget.left()):
        sock = _PlainSocket(family, type_, protocol)
        try:
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(budget.left())
            if source:
                sock.bind(source)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
            continue
        return sock
    raise last or OSError(f"{host} has no address")


class _Budgeted(HTTPConnection):
    """Mixed into both schemes: connects within the budget, and is not kept when it idled too long.

    The head of a request and its body go out in one piece: ``http.client`` sends them in two, which costs a
    system call and wakes the other end twice.
    """

    idle_since = float("inf")
    _unsent: list[bytes] | None = None

    def endheaders(self, *args: Any, **options: Any) -> None:
        self._unsent = []
        super().endheaders(*args, **options)

    def send(self, data: Any) -> None:
        if self._unsent is None or not isinstance(data, bytes) or len(data) > LONGEST_PIECE:
            self._send_unsent()
            super().send(data)
        else:
            self._unsent.append(data)

    def _send_unsent(self) -> None:
        unsent, self._unsent = self._unsent, None
        if unsent:
            super().send(b"".join(unsent))

    def _new_conn(self) -> socket.socket:
        budget = in_force()
        if budget is None:
            raise RuntimeError("a connector's connection was opened outside of Http.call")
        self.idle_since = float("inf")
        try:
            return _connect(
                self._dns_host,
                self.port or self.default_port,
                budget,
                self.socket_options,
                self.source_address,
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self.idle_since < MAX_IDLE_S and super().is_connected

    def getresponse(self) -> Any:
        with suppress(BrokenPipeError):  # it may have refused before it had read all: its answer tells
            self._send_unsent()
        self.idle_since = time.monotonic()
        return super().getresponse()


class _PlainConnection(_Budgeted):
    pass


class _TlsConnection(_Budgeted, HTTPSConnection):
    def connect(self) -> None:
        if (
            not isinstance(self.ssl_context, ssl.SSLContext)
            or self.ssl_context.sslsocket_class is not _TlsSocket
        ):
            verified = self.cert_reqs not in (ssl.CERT_NONE, "CERT_NONE")
            self.ssl_context = _tls_context(self.ca_certs or certifi.where(), verified)
        self.ca_certs = self.ca_cert_dir = None  # loaded once, above, not for each connection
        super().connect()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class BudgetAdapter(HTTPAdapter):
    """Carries requests to one host over sockets that obey the budget in force; never tries again by itself.

    What an adapter works out for each request anew is the same for all of ours: one host, no cookies, and a
    body that we decode ourselves. So the pool is looked up once, and an answer is only its status, its headers
    and the raw body. These are the methods that ``requests`` offers to be overridden.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=4, pool_maxsize=2, max_retries=0)
        self._pool: Any = None

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        target: str | None = getattr(request, "target", None)
        return super().request_url(request, proxies) if proxies or target is None else target

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        response = Response.__new__(Response)  # its own beginning makes a cookie jar, which costs more than the rest
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        response.request, response.url = req, req.url or ""
        response._content_consumed = False  # type: ignore[attr-defined]
        return response

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._budget(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return self._budget(super().proxy_manager_for(*args, **options))

    @staticmethod
    def _budget(manager: PoolManager) -> PoolManager:
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager
