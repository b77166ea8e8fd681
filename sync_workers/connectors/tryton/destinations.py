"""Bill-to and ship-to of an order: the customer's addresses by our key, in both directions.

An order past draft keeps the address it was given, though it may be switched off by now (``addresses``). A
draft or a quotation that still points to a switched-off one shows no key: so it is given the one that took
the key over, by the other side if that names it, else before the next step (``successors``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.keys import address_key
from sync_workers.connectors.tryton.records import Place
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import PermanentError, TransientError

NAMES = ("invoice_address", "shipment_address")
NOT_YET = timedelta(seconds=5)
_OPEN = ("draft", "quotation")
_KEY = ("type", "comment")

ASKED = (
    *(f"{name}.active" for name in NAMES),
    *(f"{name}.contact_mechanisms.{field}" for name in NAMES for field in _KEY),
)
PATHS = {f"{name}.key": name for name in NAMES}
PLACES = {path: Place("sale.sale", name) for path, name in PATHS.items()}


def shaped(row: Row, system: str) -> Fields:
    """Return ``{"invoice_address": {"id", "key"}, ...}`` of an order."""
    return {name: _shaped(row, row.get(name), system) for name in NAMES}


def ids_by_key(session: Session, party: int, keys: Mapping[str, Any], within: Deadline) -> Row:
    """Return the address id for each native path in ``keys``, among the customer's own; None for a blank key.

    TransientError where the customer has no such address yet: its own sync brings it.
    """
    if not any(keys.values()):
        return {PATHS[path]: None for path in keys}
    found, by_key = _addresses(session, party, within)
    values: Row = {}
    for path, key in keys.items():
        if not key:
            values[PATHS[path]] = None
            continue
        address = by_key.get(str(key))
        if address is None:
            name = get(found[0], "party", "name") if found else f"party {party}"
            raise TransientError(
                f"order: {path} is {key!r}, and the customer {name} has no such address in Tryton yet",
                wait=NOT_YET,
                mend="it comes with the customer; if it does not, see what holds the customer up",
            )
        if not address["active"]:
            raise PermanentError(
                f"order: the address {key!r} of {get(address, 'party', 'name')} is switched off in Tryton",
                field=path,
                mend="switch it on there, or name another address on the order",
            )
        values[PATHS[path]] = address["id"]
    return values


def successors(session: Session, row: Row, within: Deadline) -> Row:
    """Return the address that took over from each switched-off one that an open order points to."""
    stale = {name: row[name] for name in NAMES if row.get(name) and not row[name]["active"]}
    if not stale or row["state"] not in _OPEN:
        return {}
    _, by_key = _addresses(session, int(row["party"]), within)
    values: Row = {}
    for name, one in stale.items():
        heir = by_key.get(address_key(one["id"], one["contact_mechanisms"], session.system))
        if heir is not None and heir["active"]:
            values[name] = heir["id"]
    return values


def _addresses(session: Session, party: int, within: Deadline) -> tuple[list[Row], dict[str, Row]]:
    """Return a customer's addresses, and those that count by key: in use, and the newest."""
    found = session.search_read(
        "party.address",
        [["party", "=", party]],
        ["active", "party.name", *(f"contact_mechanisms.{field}" for field in _KEY)],
        within=within,
    )
    found.sort(key=lambda one: (one["active"], one["id"]))
    return found, {address_key(one["id"], one["contact_mechanisms"], session.system): one for one in found}


def _shaped(row: Row, address: Row | None, system: str) -> Fields:
    if not address:
        return {"id": None, "key": None}
    is_stale = row["state"] in _OPEN and not address["active"]
    key = None if is_stale else address_key(address["id"], address["contact_mechanisms"], system)
    return {"id": str(address["id"]), "key": key}
