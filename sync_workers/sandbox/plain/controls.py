"""The controls of a plain server that runs in another process, under ``/_sandbox``.

POST ``rules/{kind}``, ``faults``, ``clear``, ``settings``, ``hooks``, ``records/{kind}`` (create),
``records/{kind}/{id}`` (edit), ``archive/{kind}/{id}``, ``remove/{kind}/{id}``, ``release``, ``forget``;
GET ``counts``, ``log``, ``records/{kind}``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync_workers.sandbox.plain.faults import Fault
from sync_workers.sandbox.plain.routes import Route
from sync_workers.sandbox.plain.rules import Refusal
from sync_workers.sandbox.plain.wire import Answer, answer

if TYPE_CHECKING:
    from sync_workers.sandbox.plain.server import PlainServer

SETTINGS = frozenset({"delay_s", "in_flight", "refuses", "token", "keeps_bodies"})
HOOKS = frozenset({"url", "secret", "kinds", "most", "whole", "duplicates", "shuffled", "tries", "retry_s"})


def run(server: PlainServer, route: Route) -> Answer:
    """Answer one control request; a wrong name is a 400 that says so."""
    try:
        document = json.loads(route.call.body) if route.call.body else {}
        return answer(200, _run(server, route, document))
    except Refusal as refusal:
        return answer(refusal.status, refusal.body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return answer(400, {"error": "control", "message": f"{type(error).__name__}: {error}"})


def _run(server: PlainServer, route: Route, document: Any) -> Any:
    name, extra = route.record_id, route.extra
    if route.call.method == "GET":
        return _show(server, route, name, extra)
    if name == "rules":
        server.rules(extra[0], **document)
    elif name == "faults":
        server.faults.add(*(Fault(**each) for each in document))
    elif name == "clear":
        server.faults.clear()
    elif name in ("settings", "hooks"):
        allowed, owner = (SETTINGS, server) if name == "settings" else (HOOKS, server.hooks)
        for key, value in document.items():
            if key not in allowed:
                raise KeyError(f"there is no setting {key}")
            setattr(owner, key, set(value) if key == "kinds" and value is not None else value)
    elif name == "records" and len(extra) == 1:
        return {"id": server.put(extra[0], document)}
    elif name == "records":
        return server.edit(extra[0], extra[1], document).dump()
    elif name == "archive":
        server.archive(extra[0], extra[1])
    elif name == "remove":
        server.remove(extra[0], extra[1])
    elif name == "release":
        return {"released": server.release()}
    elif name == "forget":
        server.log.clear()
        server.store.counts.clear()
        server.store.references.clear()
    else:
        raise KeyError(f"there is no control {name}")
    return {}


def _show(server: PlainServer, route: Route, name: str, extra: list[str]) -> Any:
    if name == "counts":
        return {
            "counts": server.counts,
            "references": dict(server.store.references),
            "most_in_flight": server.most_in_flight,
            "unsent_hooks": server.hooks.failed,
        }
    if name == "log":
        since = float(route.one("since", "0"))
        op = route.one("op")
        chosen = [each for each in server.log if each.at >= since and op in ("", each.op)]
        return [{**asdict(each), "body": each.body.decode("utf-8", "replace")} for each in chosen]
    if name == "records":
        return [record.dump() for record in server.store.all(extra[0], archived=True)]
    raise KeyError(f"there is no control {name}")
