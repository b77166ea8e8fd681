"""Which function answers which path, and the way every request takes: token, limit, work.

No sockets here: ``answer`` turns a Request into a Reply, so that it can be called directly.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot import (
    association_api,
    batches,
    oauth,
    objects,
    owners,
    pipeline_api,
    property_api,
    schemas,
    search,
    subscriptions,
    ui,
)
from sync_workers.sandbox.hubspot.wire import Refusal, Reply, Request, iso, new_correlation_id

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

Answer = Callable[..., Reply]
OBJECTS, LINKS, V4 = (
    "/crm/v3/objects/{type}",
    "/crm/v4/associations/{from}/{to}",
    "/crm/v4/objects/{type}/{id}",
)
PROPERTIES, PIPELINES, HOOKS = "/crm/v3/properties/{type}", "/crm/v3/pipelines/{type}", "/webhooks/v3/{app}"
STAGES = f"{PIPELINES}/{{pipeline}}/stages"

TABLE: tuple[tuple[str, str, Answer], ...] = (
    ("GET", OBJECTS, objects.list_page),
    ("POST", OBJECTS, objects.create),
    ("POST", f"{OBJECTS}/search", search.search),
    ("POST", f"{OBJECTS}/merge", objects.merge),
    ("POST", f"{OBJECTS}/gdpr-delete", objects.gdpr_delete),
    ("POST", f"{OBJECTS}/batch/read", batches.read),
    ("POST", f"{OBJECTS}/batch/create", batches.create),
    ("POST", f"{OBJECTS}/batch/update", batches.update),
    ("POST", f"{OBJECTS}/batch/upsert", batches.upsert),
    ("POST", f"{OBJECTS}/batch/archive", batches.archive),
    ("GET", f"{OBJECTS}/{{id}}", objects.get),
    ("PATCH", f"{OBJECTS}/{{id}}", objects.update),
    ("DELETE", f"{OBJECTS}/{{id}}", objects.archive),
    ("GET", f"{V4}/associations/{{to}}", association_api.list_page),
    ("PUT", f"{V4}/associations/default/{{to}}/{{to_id}}", association_api.create_default),
    ("PUT", f"{V4}/associations/{{to}}/{{to_id}}", association_api.create),
    ("DELETE", f"{V4}/associations/{{to}}/{{to_id}}", association_api.delete),
    ("POST", f"{LINKS}/batch/read", association_api.batch_read),
    ("POST", f"{LINKS}/batch/create", association_api.batch_create),
    ("POST", f"{LINKS}/batch/associate/default", association_api.batch_create_default),
    ("POST", f"{LINKS}/batch/archive", association_api.batch_archive),
    ("POST", f"{LINKS}/batch/labels/archive", association_api.batch_archive_labels),
    ("GET", f"{LINKS}/labels", association_api.list_labels),
    ("POST", f"{LINKS}/labels", association_api.create_label),
    ("DELETE", f"{LINKS}/labels/{{label}}", association_api.delete_label),
    ("GET", PROPERTIES, property_api.list_all),
    ("POST", PROPERTIES, property_api.create),
    ("POST", f"{PROPERTIES}/batch/create", property_api.batch_create),
    ("POST", f"{PROPERTIES}/batch/read", property_api.batch_read),
    ("POST", f"{PROPERTIES}/batch/archive", property_api.batch_archive),
    ("GET", f"{PROPERTIES}/groups", property_api.list_groups),
    ("POST", f"{PROPERTIES}/groups", property_api.create_group),
    ("GET", f"{PROPERTIES}/groups/{{group}}", property_api.get_group),
    ("GET", f"{PROPERTIES}/{{name}}", property_api.get),
    ("PATCH", f"{PROPERTIES}/{{name}}", property_api.update),
    ("DELETE", f"{PROPERTIES}/{{name}}", property_api.archive),
    ("GET", PIPELINES, pipeline_api.list_all),
    ("POST", PIPELINES, pipeline_api.create),
    ("GET", f"{PIPELINES}/{{pipeline}}", pipeline_api.get),
    ("PATCH", f"{PIPELINES}/{{pipeline}}", pipeline_api.update),
    ("DELETE", f"{PIPELINES}/{{pipeline}}", pipeline_api.delete),
    ("GET", STAGES, pipeline_api.list_stages),
    ("POST", STAGES, pipeline_api.create_stage),
    ("GET", f"{STAGES}/{{stage}}", pipeline_api.get_stage),
    ("PATCH", f"{STAGES}/{{stage}}", pipeline_api.update_stage),
    ("DELETE", f"{STAGES}/{{stage}}", pipeline_api.delete_stage),
    *(
        row
        for root in ("/crm/v3/schemas", "/crm-object-schemas/v3/schemas")
        for row in (
            ("GET", root, schemas.list_all),
            ("POST", root, schemas.create),
            ("GET", f"{root}/{{type}}", schemas.get),
            ("PATCH", f"{root}/{{type}}", schemas.update),
            ("DELETE", f"{root}/{{type}}", schemas.delete),
            ("POST", f"{root}/{{type}}/associations", schemas.create_association),
        )
    ),
    ("GET", "/crm/v3/owners", owners.list_owners),
    ("GET", "/crm/v3/owners/{owner}", owners.get_owner),
    ("POST", "/oauth/v1/token", oauth.create_token),
    ("POST", "/oauth/v3/token", oauth.create_token),
    ("GET", "/oauth/v1/access-tokens/{token}", oauth.get_access_token),
    ("GET", "/oauth/v1/refresh-tokens/{token}", oauth.get_refresh_token),
    ("DELETE", "/oauth/v1/refresh-tokens/{token}", oauth.delete_refresh_token),
    ("GET", f"{HOOKS}/settings", subscriptions.get_settings),
    ("PUT", f"{HOOKS}/settings", subscriptions.put_settings),
    ("DELETE", f"{HOOKS}/settings", subscriptions.delete_settings),
    ("GET", f"{HOOKS}/subscriptions", subscriptions.list_all),
    ("POST", f"{HOOKS}/subscriptions", subscriptions.create),
    ("POST", f"{HOOKS}/subscriptions/batch/update", subscriptions.update_batch),
    ("GET", f"{HOOKS}/subscriptions/{{subscription}}", subscriptions.get),
    ("PATCH", f"{HOOKS}/subscriptions/{{subscription}}", subscriptions.update),
    ("DELETE", f"{HOOKS}/subscriptions/{{subscription}}", subscriptions.delete),
    *ui.TABLE,
)


@dataclass(frozen=True)
class Route:
    """One row of the table, ready to match; literal rows stand before those with a name in the same place."""

    method: str
    template: str
    answer: Answer
    pattern: re.Pattern[str]

    @property
    def is_search(self) -> bool:
        return self.template.endswith("/search")


ROUTES = tuple(
    Route(method, template, answer, re.compile(re.sub(r"\{\w+\}", "([^/]+)", template) + "/?"))
    for method, template, answer in TABLE
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    for route in ROUTES:
        if route.method == method and (match := route.pattern.fullmatch(path)):
            return route, match.groups()
    return None


def answer(account: Account, request: Request) -> Reply:
    """Answer as HubSpot would: a refusal is an answer, a bug in here a 500 with its traceback on stderr.

    The side door takes the lock itself, because some of its controls wait.
    """
    correlation_id = new_correlation_id()
    found = find(request.method, request.path)
    at_side_door = request.path.startswith("/sandbox")
    with nullcontext() if at_side_door else account.lock:
        try:
            reply = _work(account, request, found)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.body(correlation_id), dict(refusal.headers))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            reply = Reply(
                500, Refusal(500, "INTERNAL_ERROR", "simulator bug, see its stderr").body(correlation_id)
            )
        if not at_side_door:
            _note(account, request, found[0].template if found else "unknown", reply)
            reply.headers.setdefault("X-HubSpot-Correlation-Id", correlation_id)
    return reply


def _work(account: Account, request: Request, found: tuple[Route, tuple[str, ...]] | None) -> Reply:
    if found is None:
        raise Refusal(404, "OBJECT_NOT_FOUND", f"No endpoint {request.method} {request.path}")
    route, names = found
    if route.template.startswith("/crm"):
        account.tokens.check(request)
        refused = account.limits.admit(is_search=route.is_search)
        if refused is not None:
            return refused
        try:
            reply = route.answer(account, request, *names)
        except Refusal as refusal:
            if not route.is_search:
                refusal.headers |= account.limits.headers()
            raise
        if not route.is_search:
            reply.headers |= account.limits.headers()
        return reply
    if route.template.startswith("/webhooks"):
        account.tokens.check_developer(request)
    return route.answer(account, request, *names)


def _note(account: Account, request: Request, template: str, reply: Reply) -> None:
    account.requests[f"{request.method} {template}"] += 1
    account.request_log.append(
        {"at": iso(account.now_ms()), "method": request.method, "path": request.path, "status": reply.status}
    )
