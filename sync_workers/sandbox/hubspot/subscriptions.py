"""Webhook subscriptions and the target they share, with the API that configures them.

A subscription names one event type and, for property changes, one property; it starts paused
unless created active. Authorised by the developer key, or by the account's token as a kindness
to tests. Custom objects can be subscribed to in the settings of a private app only, which have no API.
Source: developers.hubspot.com, "Webhooks API", "Webhook settings", "Webhook subscriptions" and "Create generic
webhook subscriptions".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.catalogue import UNSUBSCRIBABLE
from sync_workers.sandbox.hubspot.wire import Json, Refusal, Reply, Request, invalid, iso, not_found, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_SUBSCRIPTIONS = 1_000
CHANGES = ("creation", "deletion", "merge", "restore", "propertyChange")
EVENT_TYPES = frozenset(
    {
        f"{each}.{change}"
        for each in ("contact", "company", "deal", "product", "line_item")
        for change in CHANGES
    }
    | {f"{each}.associationChange" for each in ("contact", "company", "deal", "line_item", "object")}
    | {f"object.{change}" for change in CHANGES}
    | {"contact.privacyDeletion"}
)


@dataclass
class Subscription:
    """What the app wants to hear of; ``property_name`` for property changes only."""

    id: str
    event_type: str
    active: bool
    property_name: str | None = None
    object_type_id: str | None = None
    created_ms: int = 0
    updated_ms: int = 0

    @property
    def subject(self) -> tuple[str, str | None, str | None]:
        return self.event_type, self.property_name, self.object_type_id

    def shown(self) -> Json:
        answer: Json = {
            "id": self.id,
            "eventType": self.event_type,
            "active": self.active,
            "createdAt": iso(self.created_ms),
            "updatedAt": iso(self.updated_ms),
        }
        if self.property_name:
            answer["propertyName"] = self.property_name
        if self.object_type_id:
            answer["objectTypeId"] = self.object_type_id
        return answer


class Subscriptions:
    """All subscriptions of the app."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.by_id: dict[str, Subscription] = {}
        self.next_id = 12345

    def active(self) -> list[Subscription]:
        return [each for each in self.by_id.values() if each.active]

    def add(
        self,
        event_type: str,
        property_name: str | None = None,
        *,
        active: bool,
        object_type_id: str | None = None,
    ) -> Subscription:
        """Subscribe; raises the Refusal that HubSpot gives for an unknown or a second one."""
        if event_type not in EVENT_TYPES:
            raise invalid(f"{event_type!r} is not a webhook event type")
        if event_type.endswith(".propertyChange") != bool(property_name):
            raise invalid(f"propertyName is required for propertyChange and for nothing else: {event_type}")
        if property_name in UNSUBSCRIBABLE:
            raise invalid(f"Property {property_name} cannot be subscribed to")
        if event_type.startswith("object.") and not object_type_id:
            raise invalid(f"objectTypeId is required for {event_type}")
        wanted = (event_type, property_name, object_type_id)
        if any(each.subject == wanted for each in self.by_id.values()):
            raise Refusal(
                409, "CONFLICT", f"A subscription to {event_type} {property_name or ''} already exists"
            )
        if len(self.by_id) >= MAX_SUBSCRIPTIONS:
            raise invalid(f"An app may have {MAX_SUBSCRIPTIONS} subscriptions at most")
        now = self.account.now_ms()
        made = Subscription(str(self.next_id), event_type, active, property_name, object_type_id, now, now)
        self.next_id += 1
        self.by_id[made.id] = made
        self.account.touch()
        return made

    def get(self, subscription_id: str) -> Subscription:
        if subscription_id not in self.by_id:
            raise not_found(f"Subscription {subscription_id} does not exist")
        return self.by_id[subscription_id]

    def switch(self, subscription_id: str, *, active: bool) -> Subscription:
        each = self.get(subscription_id)
        each.active, each.updated_ms = active, self.account.now_ms()
        self.account.touch()
        return each

    def dump(self) -> Json:
        return {"next_id": self.next_id, "rows": [asdict(each) for each in self.by_id.values()]}

    def load(self, saved: Json) -> None:
        self.next_id = saved["next_id"]
        self.by_id = {row["id"]: Subscription(**row) for row in saved["rows"]}


def _check_app(account: Account, app_id: str) -> None:
    if app_id != str(account.settings.app_id):
        raise not_found(f"App {app_id} does not exist")


def list_all(account: Account, request: Request, app: str) -> Reply:
    _check_app(account, app)
    return Reply(200, {"results": [each.shown() for each in account.subscriptions.by_id.values()]})


def create(account: Account, request: Request, app: str) -> Reply:
    _check_app(account, app)
    body = request.json()
    require(body, "eventType")
    if str(body.get("objectTypeId") or "").startswith("2-"):
        raise invalid("Custom objects cannot be subscribed to by a public app; a private app can, in its settings")
    made = account.subscriptions.add(
        str(body["eventType"]),
        body.get("propertyName"),
        active=bool(body.get("active", False)),
        object_type_id=body.get("objectTypeId"),
    )
    return Reply(201, made.shown())


def get(account: Account, request: Request, app: str, subscription: str) -> Reply:
    _check_app(account, app)
    return Reply(200, account.subscriptions.get(subscription).shown())


def update(account: Account, request: Request, app: str, subscription: str) -> Reply:
    _check_app(account, app)
    body = request.json()
    require(body, "active")
    return Reply(200, account.subscriptions.switch(subscription, active=bool(body["active"])).shown())


def update_batch(account: Account, request: Request, app: str) -> Reply:
    _check_app(account, app)
    results = []
    for row in request.inputs(100):
        require(row, "id", "active")
        results.append(account.subscriptions.switch(str(row["id"]), active=bool(row["active"])).shown())
    now = iso(account.now_ms())
    return Reply(200, {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now})


def delete(account: Account, request: Request, app: str, subscription: str) -> Reply:
    _check_app(account, app)
    del account.subscriptions.by_id[account.subscriptions.get(subscription).id]
    account.touch()
    return Reply(204)


def get_settings(account: Account, request: Request, app: str) -> Reply:
    _check_app(account, app)
    if not account.settings.webhook_url:
        raise not_found(f"No webhook settings exist for app {app}")
    at = iso(account.started_ms)
    throttling = {"maxConcurrentRequests": account.settings.max_concurrent_requests}
    body = {
        "targetUrl": account.settings.webhook_url,
        "throttling": throttling,
        "createdAt": at,
        "updatedAt": at,
    }
    return Reply(200, body)


def put_settings(account: Account, request: Request, app: str) -> Reply:
    """Set target and concurrency. HubSpot insists on https; a sandbox must reach local addresses."""
    _check_app(account, app)
    body = request.json()
    require(body, "targetUrl", "throttling")
    concurrent = body["throttling"].get("maxConcurrentRequests")
    if not isinstance(concurrent, int) or concurrent <= 5:
        raise invalid("throttling.maxConcurrentRequests must be an integer greater than 5")
    account.settings.webhook_url = str(body["targetUrl"])
    account.settings.max_concurrent_requests = concurrent
    account.delivery.nudge()
    account.touch()
    return get_settings(account, request, app)


def delete_settings(account: Account, request: Request, app: str) -> Reply:
    _check_app(account, app)
    account.settings.webhook_url = ""
    account.touch()
    return Reply(204)
