"""A plain server in a thread of its own: calls in, faults applied, answers out.

``start()`` returns when the port listens. The Python API below is what tests use; the same controls
are served under ``/_sandbox`` for a server in another process.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sync_workers.sandbox.plain import controls
from sync_workers.sandbox.plain.faults import Fault, Faults
from sync_workers.sandbox.plain.hooks import Hooks, event_of
from sync_workers.sandbox.plain.nesting import Json
from sync_workers.sandbox.plain.routes import Route, run
from sync_workers.sandbox.plain.rules import Record, Rules
from sync_workers.sandbox.plain.store import Store
from sync_workers.sandbox.plain.wire import Answer, Call, Wire, answer

LOG_LENGTH = 200_000


@dataclass(frozen=True)
class Logged:
    """One call as the server saw it; ``at`` is when it came in, ``status`` 0 when it went unanswered."""

    at: float
    method: str
    target: str
    kind: str
    op: str
    status: int
    body: bytes = b""


class PlainServer:
    """Serves one ``store``; each call takes ``delay_s``.

    Beyond ``in_flight`` calls wait, or get 429 with ``refuses``.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        delay_s: float = 0.0,
        in_flight: int | None = None,
        refuses: bool = False,
        seed: int = 1,
        keeps_bodies: bool = True,
    ) -> None:
        self.host, self.port, self.token = host, port, token
        self.delay_s, self.in_flight, self.refuses = delay_s, in_flight, refuses
        self.keeps_bodies = keeps_bodies
        self.store = Store()
        self.faults = Faults(seed)
        self.hooks = Hooks(seed)
        self.log: deque[Logged] = deque(maxlen=LOG_LENGTH)
        self.held: list[Route] = []
        self.most_in_flight = 0
        self.store.on_change = self._tell
        self._busy = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._wires: set[Wire] = set()
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="plain server", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    # -- the server's life

    def start(self) -> PlainServer:
        self._thread.start()
        self.accept()
        return self

    def accept(self) -> None:
        """Listen (again), on the same port as before."""
        self._call(self._listen())

    def refuse(self) -> None:
        """Stop listening and close every connection: callers are refused."""
        self._call(self._close())

    def stop(self) -> None:
        self.hooks.stop()
        if self._loop.is_closed():
            return
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._listener is not None:
            return
        self._listener = await self._loop.create_server(
            lambda: Wire(self._serve, self._wires), self.host, self.port, reuse_address=True, backlog=512
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for wire in list(self._wires):
            wire.drop()
        await asyncio.sleep(0)

    # -- what a test or a person does

    def rules(self, kind: str, **habits: Any) -> Rules:
        """Set habits of one kind; unknown names raise AttributeError."""
        rules = self.store.rule(kind)
        for name, value in habits.items():
            getattr(rules, name)
            setattr(rules, name, value)
        return rules

    def put(self, kind: str, fields: Json, *, by: str = "person") -> str:
        """Let a person create a record; return its id."""
        return self.store.create(kind, fields, by=by).id

    def edit(self, kind: str, record_id: str, fields: Json, *, by: str = "person") -> Record:
        return self.store.update(kind, record_id, fields, by=by)

    def merge(self, kind: str, survivor: str, other: str) -> None:
        """Let a person make two records one; both ids lead to the survivor."""
        self.store.unite(kind, survivor, other)

    def archive(self, kind: str, record_id: str) -> None:
        self.store.archive(kind, record_id)

    def remove(self, kind: str, record_id: str) -> None:
        self.store.remove(kind, record_id)

    def fields(self, kind: str, record_id: str) -> Json:
        return self.store.get(kind, record_id).fields

    def fault(self, does: Any, **how: Any) -> None:
        self.faults.add(Fault(does, **how))

    def release(self) -> int:
        """Carry out the calls that ``hold`` kept, as a queue does long after its caller left."""
        held, self.held = self.held, []
        for route in held:
            run(self.store, route)
        return len(held)

    @property
    def counts(self) -> dict[str, int]:
        """What was done, as ``order.create``: 3."""
        return dict(self.store.counts)

    # -- one call

    def _tell(self, record: Record, op: str) -> None:
        if self.hooks.url:
            self.hooks.enqueue(event_of(record, op, whole=self.hooks.whole))

    def _serve(self, call: Call, wire: Wire) -> None:
        route = Route(call)
        if route.op == "sandbox":
            wire.send(controls.run(self, route).encode())
            return
        if self.token is not None and call.headers.get("authorization") != f"Bearer {self.token}":
            self._finish(route, wire, answer(401, {"error": "credentials", "message": "unknown token"}))
            return
        if self.in_flight is not None and self._busy >= self.in_flight:
            if self.refuses:
                late = answer(429, {"error": "busy", "message": f"{self.in_flight} calls are in flight"})
                late.retry_after_s = 1
                self._finish(route, wire, late)
            else:
                self._waiting.append(lambda: self._begin(route, wire))
            return
        self._begin(route, wire)

    def _begin(self, route: Route, wire: Wire) -> None:
        self._busy += 1
        self.most_in_flight = max(self.most_in_flight, self._busy)
        if self.delay_s:
            self._loop.call_later(self.delay_s, self._work, route, wire)
        else:
            self._work(route, wire)

    def _work(self, route: Route, wire: Wire) -> None:
        fault = self.faults.pick(route.kind, route.op)
        if fault is None:
            self._finish(route, wire, run(self.store, route))
        else:
            self._misbehave(fault, route, wire)
        self._busy -= 1
        if self._waiting:
            self._waiting.popleft()()

    def _finish(self, route: Route, wire: Wire, result: Answer) -> None:
        self._note(route, result.status)
        wire.send(result.encode())

    def _note(self, route: Route, status: int) -> None:
        call = route.call
        body = call.body if self.keeps_bodies else b""
        self.log.append(Logged(call.at, call.method, call.target, route.kind, route.op, status, body))

    def _misbehave(self, fault: Fault, route: Route, wire: Wire) -> None:
        if fault.does == "hold":
            self.held.append(route)
        result = run(self.store, route) if fault.does != "hold" and fault.commit else answer(fault.status, {})
        if fault.does == "slow":
            self._loop.call_later(fault.delay_s, self._finish, route, wire, result)
            return
        if fault.does == "status":
            told = answer(fault.status, {"error": "fault", "message": f"fault {fault.status}"})
            told.retry_after_s = fault.retry_after_s
            self._finish(route, wire, told)
            return
        if fault.does == "garbage":
            self._finish(route, wire, Answer(200, b"<html>maintenance</html>"))
            return
        self._note(route, 0)
        if fault.does in ("drop", "hold"):
            wire.drop()
        elif fault.does == "half":
            data = result.encode()
            wire.finish(data[: len(data) - max(len(result.body) // 2, 1)])
        else:
            self._drip(wire, result.encode(), fault.delay_s)

    def _drip(self, wire: Wire, data: bytes, pause_s: float) -> None:
        if not data:
            wire.finish()
        elif wire.send_piece(data[:1]):
            self._loop.call_later(pause_s, self._drip, wire, data[1:], pause_s)


def start(**options: Any) -> PlainServer:
    """Serve from a thread; stop it with ``stop()``."""
    return PlainServer(**options).start()
