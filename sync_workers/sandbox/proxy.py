"""An HTTP proxy in front of one system that breaks chosen requests in chosen ways.

    with FaultProxy("http://127.0.0.1:8069") as proxy:
        proxy.add(Fault.COMMITTED_DROP, body=r'"model\\.sale\\.sale\\.create"')

Or as a process, switched over HTTP: ``python -m sync_workers.sandbox.proxy --listen 127.0.0.1:9001
--target http://127.0.0.1:8069 --control-port 9002``; there POST /rules adds a rule (the fields of Rule
as JSON), DELETE /rules removes all, POST /release lets go what is held, GET /log tells what came.
What the faults mean stands in ``faults.py``.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from sync_workers.errors import SettingsError
from sync_workers.sandbox.faults import Fault, Rule, Rules
from sync_workers.sandbox.handlers import HOP_BY_HOP, Answer, Handler, answering, read_body, serve

TARGET_WITHIN_S = 120.0


@dataclass(frozen=True)
class Passed:
    """One request as it came: ``fault`` None passed untouched, ``status`` None never reached the target."""

    method: str
    path: str
    body: str
    fault: str | None
    status: int | None


class FaultProxy:
    """A running proxy. ``url`` goes where the system's base URL would go."""

    def __init__(self, target: str, *, listen: tuple[str, int] = ("127.0.0.1", 0), seed: int = 0) -> None:
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname:
            raise SettingsError(f"the target {target!r} is no http address", mend="write http://host:port")
        self._host, self._port, self._base = parts.hostname, parts.port or 80, parts.path.rstrip("/")
        self.rules = Rules(seed)
        self._log: list[Passed] = []
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._late: list[threading.Thread] = []
        self._is_stopped = False
        self._server = serve(listen, _forwarder(self))
        self.url = f"http://{listen[0]}:{self._server.server_address[1]}"

    def add(self, fault: Fault | str, **conditions: Any) -> Rule:
        """Put a rule in force; the conditions are those of Rule."""
        return self.rules.add(Rule(Fault(fault), **conditions))

    def clear(self) -> None:
        """Take all rules out of force and let go whatever is held."""
        self.rules.clear()
        self.release()

    def release(self) -> None:
        """Let go what is frozen or held for later now; what comes afterwards is held again."""
        with self._changed:
            held, self._released = self._released, threading.Event()
            late, self._late = self._late, []
        held.set()
        for thread in late:
            thread.join(TARGET_WITHIN_S)

    @property
    def log(self) -> list[Passed]:
        with self._changed:
            return list(self._log)

    def await_log(self, count: int, within_s: float = 30.0) -> list[Passed]:
        """Wait until the log has ``count`` entries and return it. TimeoutError when it never has."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._log) >= count, within_s):
                raise TimeoutError(f"{len(self._log)} of {count} requests came")
            return list(self._log)

    def stop(self) -> None:
        """Stop listening; what is still held is never delivered."""
        self._is_stopped = True
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def handle(self, caller: Handler, body: bytes) -> None:
        """Carry one request to the target and back, or not, as the first matching rule has it."""
        rule = self.rules.choose(caller.path, body)
        fault = rule.fault if rule else None
        answer = None
        with self._changed:
            released = self._released
        if fault == Fault.FREEZE:
            released.wait()
        elif rule and fault == Fault.LATE:
            self._deliver_later(caller, body, rule, released)
            caller.cut()
            return
        elif fault not in (Fault.REFUSE, Fault.DROP, Fault.STATUS):
            answer = self._forward(caller.command, caller.path, dict(caller.headers.items()), body)
        self._note(caller.command, caller.path, body, fault, answer)
        self._reply(caller, rule, answer, released)

    def _reply(
        self, caller: Handler, rule: Rule | None, answer: Answer | None, released: threading.Event
    ) -> None:
        if rule is None and answer:
            caller.send(answer)
        elif rule is None or rule.fault in (Fault.DROP, Fault.COMMITTED_DROP, Fault.FREEZE):
            caller.cut()
        elif rule.fault == Fault.REFUSE:
            caller.cut(reset=True)
        elif rule.fault in (Fault.STATUS, Fault.COMMITTED_STATUS):
            text = http.client.responses.get(rule.status, "")
            headers = [("Content-Type", "text/plain")]
            caller.send(Answer(rule.status, text, headers, f"{rule.status} {text}".encode()))
        elif answer:
            if rule.fault == Fault.DELAY:
                released.wait(rule.seconds)
            caller.send(
                answer,
                up_to=len(answer.body) // 2 if rule.fault == Fault.HALF else None,
                pace_s=rule.seconds if rule.fault == Fault.DRIP else None,
                stop=released,
            )

    def _deliver_later(self, caller: Handler, body: bytes, rule: Rule, released: threading.Event) -> None:
        request = (caller.command, caller.path, dict(caller.headers.items()))

        def deliver() -> None:
            released.wait(rule.seconds or None)
            if self._is_stopped:
                return
            self._note(*request[:2], body, Fault.LATE, self._forward(*request, body))

        thread = threading.Thread(target=deliver, daemon=True)
        with self._changed:
            self._late.append(thread)
        thread.start()

    def _forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Return what the target answered; None when it did not."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TARGET_WITHIN_S)
        try:
            sent = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(method, self._base + path, body or None, sent)
            got = connection.getresponse()
            return Answer(got.status, got.reason, got.getheaders(), got.read())
        except (OSError, http.client.HTTPException):  # the caller sees its connection close, as without us
            return None
        finally:
            connection.close()

    def _note(
        self, method: str, path: str, body: bytes, fault: Fault | None, answer: Answer | None
    ) -> None:
        status = answer.status if answer else None
        entry = Passed(method, path, body.decode("utf-8", "replace"), fault, status)
        with self._changed:
            self._log.append(entry)
            self._changed.notify_all()


def _forwarder(proxy: FaultProxy) -> type[Handler]:
    def forward(self: Handler) -> None:
        proxy.handle(self, read_body(self))

    return answering(forward, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


if __name__ == "__main__":
    from sync_workers.sandbox import proxy_control

    proxy_control.run()
