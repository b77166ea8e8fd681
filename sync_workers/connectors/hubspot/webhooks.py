"""HubSpot's deliveries: proof that they are genuine, and the records that they are about.

Source: developers.hubspot.com, "Validating requests from HubSpot" and "Webhooks API"; the order of
checks follows hubspot-api-python, ``hubspot/utils/signature.py``, with the far future refused too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from sync_workers.connectors.contract import Notice, Request
from sync_workers.connectors.hubspot.in_use import PropertiesInUse
from sync_workers.connectors.hubspot.objects import TYPE_IDS
from sync_workers.connectors.hubspot.pointers import PARTS
from sync_workers.errors import Refused

WINDOW_MS = 5 * 60 * 1000
_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def signed_url(request: Request, public_url: str | None) -> str:
    """Return the URL that HubSpot called: behind a proxy the host comes from our settings."""
    if not public_url:
        return request.url
    public, called = urlsplit(public_url), urlsplit(request.url)
    path = public.path if public.path.rstrip("/").endswith(called.path.rstrip("/")) else ""
    path = path or public.path.rstrip("/") + called.path
    query = f"?{called.query}" if called.query else ""
    return f"{public.scheme}://{public.netloc}{path}{query}"


def verify(request: Request, secret: str, public_url: str | None) -> None:
    """Raise Refused unless signed: v3 with its five minutes where present, else v2 or v1.

    The older two sign no time stamp, so a copied delivery stays genuine; it only makes us look again.
    """
    url = signed_url(request, public_url)
    given = request.headers.get("x-hubspot-signature-v3")
    if given is not None:
        stamp = request.headers.get("x-hubspot-request-timestamp", "")
        decoded = _DECODED.sub(lambda found: unquote(found.group()), url)
        text = f"{request.method}{decoded}".encode() + request.body + stamp.encode()
        expected = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest())
        _compare(expected, given)
        now_ms = request.received_at.timestamp() * 1000
        if not stamp.isdecimal() or abs(now_ms - int(stamp)) > WINDOW_MS:
            raise Refused("the delivery's time stamp is outside the window of five minutes")
        return
    given = request.headers.get("x-hubspot-signature", "")
    if request.headers.get("x-hubspot-signature-version", "v1") == "v2":
        source = f"{secret}{request.method}{url}".encode() + request.body
    else:
        source = secret.encode() + request.body
    _compare(hashlib.sha256(source).hexdigest().encode(), given)


def _compare(expected: bytes, given: str) -> None:
    if not given or not hmac.compare_digest(expected, given.encode("utf-8", "replace")):
        raise Refused(
            "the HubSpot signature does not fit the body",
            mend="compare webhook_secret with the app's client secret, public_url with its target URL",
        )


def delivery_key(event: dict[str, Any]) -> str:
    """Return what a repeat of this event has in common with it: eventId is documented as not unique."""
    value = hashlib.sha256((event["propertyValue"] or "").encode()).hexdigest()
    about = event["objectId"] or event["newObjectId"] or event["primaryObjectId"] or event["fromObjectId"]
    parts = (
        event["portalId"],
        event["subscriptionId"],
        about,
        event["occurredAt"],
        event["propertyName"],
        value,
    )
    link = ("associationType", "associationTypeId", "associationRemoved", "fromObjectId", "toObjectId")
    ends = [event[name] for name in link]
    return "/".join(str(part) for part in (*parts, *ends) if part is not None)


def notices_of(events: list[dict[str, Any]], in_use: PropertiesInUse, app_id: str) -> list[Notice]:
    """Return one notice per record, in the order in which records first appear.

    One save raises an event per property; together they are one reason to look. The key is that of
    the whole group, and the group is our echo only if every event in it is.
    """
    keys: dict[tuple[str, str], list[str]] = {}
    echoes: dict[tuple[str, str], bool] = {}
    older: dict[tuple[str, str], list[str]] = {}
    for event in events:
        is_echo = bool(app_id) and event["changeSource"] == "INTEGRATION" and event["sourceId"] == app_id
        for kind, record_id, same_as in _subjects(event, in_use):
            place = (kind, record_id)
            keys.setdefault(place, []).append(delivery_key(event))
            echoes[place] = echoes.get(place, True) and is_echo
            older.setdefault(place, []).extend(same_as)
    return [
        Notice(
            kind,
            record_id,
            # with the kind: one edit of a product is news of a part and of its stock
            key=hashlib.sha256("\n".join([kind, *sorted(keys[kind, record_id])]).encode()).hexdigest(),
            echo=echoes[kind, record_id],
            same_as=tuple(dict.fromkeys(older[kind, record_id])),
        )
        for kind, record_id in keys
    ]


def _subjects(event: dict[str, Any], in_use: PropertiesInUse) -> list[tuple[str, str, list[str]]]:
    """Return (kind, id, older ids) of the records that an event is about; none for what we do not sync."""
    named, _, what = (event["subscriptionType"] or event["eventType"]).partition(".")
    type_id = event["objectTypeId"] if named == "object" else TYPE_IDS.get(named, "")
    if what == "associationChange":
        return _linked(event, in_use)
    if what == "merge":
        winner = event["newObjectId"] or event["primaryObjectId"] or event["objectId"]
        merged = [*event["mergedObjectIds"], event["primaryObjectId"]]
        same_as = [str(each) for each in merged if each is not None and each != winner]
    else:
        winner, same_as = event["objectId"], []
    if winner is None or not type_id:
        return []
    return [
        (kind, record_id, [] if kind in PARTS else same_as)
        for kind, record_id in in_use.subjects(type_id, str(winner))
    ]


def _linked(event: dict[str, Any], in_use: PropertiesInUse) -> list[tuple[str, str, list[str]]]:
    """A link is news of those records that show it: of a deal its company and lines, of a company its people.

    The older events name the two objects in words, the generic ones by their type ids.
    """
    source, _, target = str(event["associationType"]).lower().partition("_to_")
    types = (
        event["fromObjectTypeId"] or TYPE_IDS.get(source, ""),
        event["toObjectTypeId"] or TYPE_IDS.get(target, ""),
    )
    ids = (event["fromObjectId"], event["toObjectId"])
    return [
        (kind, record_id, [])
        for at in (0, 1)
        if ids[at] is not None and types[at] and in_use.shows_links(types[at], types[1 - at])
        for kind, record_id in in_use.subjects(types[at], str(ids[at]))
    ]
