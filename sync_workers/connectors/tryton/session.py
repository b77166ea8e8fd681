"""One login per process, shared by its threads, and every call that goes through it.

Knows the wire (``POST {base_url}/{database}/rpc/``, the context as last parameter) and the session
token; records and kinds belong to the modules beside it. Source: trytond 8.2,
``trytond/protocols/dispatcher.py`` (login, _dispatch) and ``doc/topics/rpc``.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync_workers.connectors.contract import SystemSettings
from sync_workers.connectors.http import DEFAULT_BUDGET_S, Http, Reply
from sync_workers.connectors.tryton.codec import decode, encode, nest
from sync_workers.connectors.tryton.errors import LostSessionError, sort_error, sort_status
from sync_workers.errors import PermanentError, SettingsError, SystemDown, TransientError, Unsure

Row = dict[str, Any]


class Deadline:
    """The wall time left for everything that one verb does."""

    def __init__(self, seconds: float = DEFAULT_BUDGET_S) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left. TransientError when none: what would come next is not sent."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TransientError("the time budget was used up before the call was sent")
        return left


@dataclass(frozen=True)
class Login:
    """What a session knows: its header, and the context that each call carries."""

    header: str
    context: Mapping[str, Any]


class Session:
    """Calls to one database of one server, as one user in one company."""

    def __init__(self, settings: SystemSettings) -> None:
        self.system = settings.name
        options = settings.options
        for name in ("database", "user", "password"):
            if not options.get(name):
                raise SettingsError(
                    f"[systems.{self.system}]: {name} is missing",
                    mend=f"add {name} to [systems.{self.system}]; keep the password in the environment",
                )
        self.database = str(options["database"])
        self.user = str(options["user"])
        self._password = str(options["password"])
        self._company = options.get("company")
        self.http = Http(
            self.system,
            settings.base_url,
            secrets=[self._password],
            sort=lambda reply, writes: sort_status(self.system, reply, writes),
        )
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._fields: dict[str, Mapping[str, Any]] = {}

    def login(self, within: Deadline) -> Login:
        """Return the session, logging in when there is none. Done before a write is sent, not during one."""
        login = self._login
        if login is None:
            with self._lock:
                login = self._login or self._log_in(within)
                self._login = login
        return login

    def call(
        self,
        method: str,
        *params: Any,
        within: Deadline,
        context: Mapping[str, Any] | None = None,
        writes: bool = False,
    ) -> Any:
        """Call ``model.<name>.<method>`` and return its decoded result.

        A session that ended (401) is renewed and the call repeated if it reads; a write is left to the
        next try (LostSessionError): it was not executed.
        """
        login = self.login(within)
        try:
            return self._call(login, method, params, within, context, writes)
        except LostSessionError:
            self._forget(login)
            if writes:
                raise
        return self._call(self.login(within), method, params, within, context, writes)

    def search_read(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        within: Deadline,
        order: Sequence[tuple[str, str]] | None = None,
        limit: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Return matching records with dotted fields nested, switched-off ones included."""
        rows = self.call(
            f"model.{model}.search_read",
            list(domain),
            0,
            limit,
            [list(by) for by in order] if order else None,
            list(fields),
            within=within,
            context=context,
        )
        return [nest(row) for row in rows]

    def fields(self, model: str, within: Deadline) -> Mapping[str, Any]:
        """Return the model's fields as the server has them, asked once per process."""
        known = self._fields.get(model)
        if known is None:
            known = self.ask_fields(model, within)
            self._fields[model] = known
        return known

    def ask_fields(self, model: str, within: Deadline, names: Sequence[str] = ()) -> Mapping[str, Any]:
        """Return the model's fields as they are right now: those of ``names`` that it has, or all."""
        try:
            found: Mapping[str, Any] = self.call(f"model.{model}.fields_get", list(names), within=within)
        except PermanentError:
            if not names:
                raise
            every = self.ask_fields(model, within)  # the server fails for a name that it has not
            return {name: every[name] for name in names if name in every}
        return found

    def server_version(self, within: Deadline) -> str:
        """Return the server's series, such as ``8.2``; needs no login."""
        reply = self.http.call(
            "POST",
            "/rpc/",
            writes=False,
            budget_s=within.left(),
            json={"id": 0, "method": "common.server.version", "params": []},
        )
        return str(reply.json["result"])

    def _call(
        self,
        login: Login,
        method: str,
        params: Sequence[Any],
        within: Deadline,
        context: Mapping[str, Any] | None,
        writes: bool,
    ) -> Any:
        reply = self._post(
            method, [*params, {**login.context, **(context or {})}], login.header, within, writes
        )
        if reply.status == 401:
            raise LostSessionError(f"{self.system}: the session has ended; {method} was not executed")
        return self._result(method, reply, writes)

    def _post(
        self, method: str, params: Sequence[Any], header: str | None, within: Deadline, writes: bool
    ) -> Reply:
        return self.http.call(
            "POST",
            f"/{self.database}/rpc/",
            writes=writes,
            # Exactly these three keys: with others the answer is the bare result and errors become statuses.
            json={"id": 0, "method": method, "params": encode(params)},
            headers={"Authorization": header} if header else None,
            budget_s=within.left(),
            accept=(401,),
        )

    def _result(self, method: str, reply: Reply, writes: bool) -> Any:
        answer = reply.json
        if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
            text = f"{self.system}: {method}: the answer is not Tryton's: {reply.text}"
            raise Unsure(text) if writes else TransientError(text)
        if "error" in answer:
            raise sort_error(f"{self.system}: {method.removeprefix('model.')}", answer["error"])
        return decode(answer["result"])

    def _forget(self, login: Login) -> None:
        with self._lock:
            if self._login is login:
                self._login = None

    def _log_in(self, within: Deadline) -> Login:
        reply = self._post(
            "common.db.login", [self.user, {"password": self._password}, "en"], None, within, False
        )
        refused = SystemDown(
            f"{self.system}: Tryton refused the login of {self.user!r}",
            mend=f"check user and password of {self.system}; a locked-out user waits a few minutes",
        )
        if reply.status == 401:
            raise refused
        answer = self._result("common.db.login", reply, False)
        if not answer:
            raise refused
        token = base64.b64encode(f"{self.user}:{answer[0]}:{answer[1]}".encode()).decode()
        login = Login(f"Session {token}", {})
        preferences = self._call(login, "model.res.user.get_preferences", [True], within, None, False)
        context = {
            "language": preferences.get("language") or "en",
            "company": self._choose_company(login, preferences, within),
            "active_test": False,  # switched-off records are found too, and marked
        }
        if preferences.get("employee"):
            context["employee"] = preferences["employee"]
        return Login(login.header, context)

    def _choose_company(self, login: Login, preferences: Mapping[str, Any], within: Deadline) -> int:
        wanted = self._company
        allowed = list(preferences.get("companies") or [])
        if wanted is None:
            if preferences.get("company"):
                return int(preferences["company"])
            if len(allowed) == 1:
                return int(allowed[0])
            raise SettingsError(
                f"{self.system}: the user {self.user!r} has {len(allowed)} companies",
                mend=f"set company of [systems.{self.system}] to the name of one",
            )
        rows = self._call(
            login,
            "model.company.company.search_read",
            [[["id", "in", allowed]], 0, None, None, ["rec_name"]],
            within,
            None,
            False,
        )
        for row in rows:
            if str(wanted) in (str(row["id"]), row["rec_name"]):
                return int(row["id"])
        raise PermanentError(
            f"{self.system}: the user {self.user!r} has no company {wanted!r}",
            mend="give the user this company in Tryton (Administration, Users), or name one of: "
            + ", ".join(str(row["rec_name"]) for row in rows),
        )
