"""The side door under ``/sandbox``: what a person does at the screen, and the controls of the simulator.

None of this is HubSpot's API. It needs no token, counts against no limit, and is never hit by
a fault. The same is at hand in Python as methods of the account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sync_workers.sandbox.hubspot.person import Person
from sync_workers.sandbox.hubspot.wire import Json, Reply, Request, invalid, require

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account


def _body(request: Request) -> Json:
    return request.json() if request.body.strip() else {}


def _person(account: Account, request: Request) -> Person:
    return Person(account, int(_body(request).get("user", 1)))


def _label(request: Request) -> str:
    return str(_body(request).get("label") or request.one("label"))


def list_records(account: Account, request: Request, kind: str) -> Reply:
    return Reply(200, {"results": Person(account).see_all(kind)})


def get_record(account: Account, request: Request, kind: str, record: str) -> Reply:
    return Reply(200, Person(account).see(kind, record))


def create_record(account: Account, request: Request, kind: str) -> Reply:
    """Create from ``{"properties": {...}, "links": [["companies", "123"]], "user": 7}``.

    A link may name its label: ``["addresses", "45", "Ship to"]``.
    """
    body = request.json()
    require(body, "properties")
    links: list[Any] = [tuple(str(part) for part in link) for link in body.get("links", [])]
    return Reply(201, _person(account, request).create(kind, body["properties"], links))


def edit_record(account: Account, request: Request, kind: str, record: str) -> Reply:
    body = request.json()
    require(body, "properties")
    return Reply(200, _person(account, request).edit(kind, record, body["properties"]))


def delete_record(account: Account, request: Request, kind: str, record: str) -> Reply:
    _person(account, request).delete(kind, record)
    return Reply(204)


def restore_record(account: Account, request: Request, kind: str, record: str) -> Reply:
    return Reply(200, _person(account, request).restore(kind, record))


def merge_records(account: Account, request: Request, kind: str) -> Reply:
    body = request.json()
    require(body, "primary", "other")
    return Reply(200, _person(account, request).merge(kind, str(body["primary"]), str(body["other"])))


def move_deal(account: Account, request: Request, deal: str) -> Reply:
    body = request.json()
    require(body, "stage")
    return Reply(200, _person(account, request).move(deal, str(body["stage"]), str(body.get("pipeline", ""))))


def link_records(
    account: Account, request: Request, kind: str, record: str, target: str, other: str
) -> Reply:
    """Link, with the label that the body or the query names, if any: ``{"label": "Ship to"}``."""
    _person(account, request).link(kind, record, target, other, _label(request))
    return Reply(204)


def unlink_records(
    account: Account, request: Request, kind: str, record: str, target: str, other: str
) -> Reply:
    """Unlink, or with a label take only that off."""
    _person(account, request).unlink(kind, record, target, other, _label(request))
    return Reply(204)


def list_associated(account: Account, request: Request, kind: str, record: str, target: str) -> Reply:
    return Reply(200, {"results": Person(account).associated(kind, record, target)})


def get_account(account: Account, request: Request) -> Reply:
    return Reply(200, account.dump())


def get_counters(account: Account, request: Request) -> Reply:
    """Count requests per method and path template, writes per kind, and API writes that changed something."""
    with account.lock:
        writes, requests = dict(account.writes), dict(account.requests)
    return Reply(200, {"requests": requests, "writes": writes, "written_by_api": account.written_by_api()})


def clear_counters(account: Account, request: Request) -> Reply:
    with account.lock:
        account.writes.clear()
        account.requests.clear()
        account.request_log.clear()
    return Reply(204)


def get_requests(account: Account, request: Request) -> Reply:
    with account.lock:
        return Reply(200, {"results": list(account.request_log)})


def get_webhooks(account: Account, request: Request) -> Reply:
    delivery = account.delivery
    body = {
        "queued": delivery.queued(),
        "in_flight": delivery.in_flight,
        "paused": delivery.paused,
        "given_up": list(delivery.given_up),
        "log": [each.shown() for each in list(delivery.log)],
    }
    return Reply(200, body)


def control_webhooks(account: Account, request: Request, what: str) -> Reply:
    """Pause, resume, retry at once, or wait until the queue is empty (``{"timeout_s": 30}``)."""
    delivery = account.delivery
    controls: dict[str, Callable[[], None]] = {
        "pause": delivery.pause,
        "resume": delivery.resume,
        "retry": delivery.retry_now,
    }
    if what == "wait":
        return Reply(200, {"idle": delivery.wait_until_idle(float(_body(request).get("timeout_s", 30)))})
    if what not in controls:
        raise invalid(f"no such control: {what!r}; there are {', '.join(controls)}, wait")
    controls[what]()
    return Reply(204)


def subscribe(account: Account, request: Request) -> Reply:
    """Activate subscriptions: ``{"deal.creation": [], "deal.propertyChange": ["dealstage", "amount"]}``.

    ``?object_type=addresses`` makes them generic ones: ``{"object.propertyChange": ["street"]}``.
    """
    for event_type, names in request.json().items():
        account.subscribe(event_type, *names, object_type=request.one("object_type"))
    return Reply(204)


def list_faults(account: Account, request: Request) -> Reply:
    return Reply(200, {"results": account.faults.shown()})


def install_fault(account: Account, request: Request) -> Reply:
    body = request.json()
    require(body, "kind")
    try:
        return Reply(201, account.faults.install(**body).shown())
    except (TypeError, ValueError) as error:
        raise invalid(str(error)) from error


def clear_faults(account: Account, request: Request) -> Reply:
    account.faults.clear()
    return Reply(204)


def remove_fault(account: Account, request: Request, fault: str) -> Reply:
    return Reply(204 if account.faults.remove(int(fault)) else 404)


def get_settings(account: Account, request: Request) -> Reply:
    return Reply(200, account.settings.dump())


def change_settings(account: Account, request: Request) -> Reply:
    try:
        account.settings.change(request.json())
    except ValueError as error:
        raise invalid(str(error)) from error
    account.delivery.nudge()
    return Reply(200, account.settings.dump())


def refresh_index(account: Account, request: Request) -> Reply:
    account.refresh_index()
    return Reply(204)


def expire_tokens(account: Account, request: Request) -> Reply:
    with account.lock:
        account.tokens.expire_all()
    return Reply(204)


def reset(account: Account, request: Request) -> Reply:
    account.reset()
    return Reply(204)


RECORD, LINK = "/sandbox/records/{type}/{id}", "/sandbox/records/{type}/{id}/links/{to}/{to_id}"
TABLE: tuple[tuple[str, str, Callable[..., Reply]], ...] = (
    ("GET", "/sandbox/account", get_account),
    ("GET", "/sandbox/counters", get_counters),
    ("DELETE", "/sandbox/counters", clear_counters),
    ("GET", "/sandbox/requests", get_requests),
    ("GET", "/sandbox/webhooks", get_webhooks),
    ("POST", "/sandbox/webhooks/{control}", control_webhooks),
    ("POST", "/sandbox/subscribe", subscribe),
    ("GET", "/sandbox/faults", list_faults),
    ("POST", "/sandbox/faults", install_fault),
    ("DELETE", "/sandbox/faults", clear_faults),
    ("DELETE", "/sandbox/faults/{fault}", remove_fault),
    ("GET", "/sandbox/settings", get_settings),
    ("PATCH", "/sandbox/settings", change_settings),
    ("POST", "/sandbox/index/refresh", refresh_index),
    ("POST", "/sandbox/tokens/expire", expire_tokens),
    ("POST", "/sandbox/reset", reset),
    ("POST", "/sandbox/deals/{id}/stage", move_deal),
    ("GET", "/sandbox/records/{type}", list_records),
    ("POST", "/sandbox/records/{type}", create_record),
    ("POST", "/sandbox/records/{type}/merge", merge_records),
    ("GET", RECORD, get_record),
    ("PATCH", RECORD, edit_record),
    ("DELETE", RECORD, delete_record),
    ("POST", f"{RECORD}/restore", restore_record),
    ("GET", "/sandbox/records/{type}/{id}/associated/{to}", list_associated),
    ("PUT", LINK, link_records),
    ("DELETE", LINK, unlink_records),
)
